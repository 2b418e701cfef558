//! What comes in, goes out, moves and is put right.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::http::AppState;
use crate::http::request::Form;
use crate::http::schema::{
    AdjustmentBody, CommandHeaders, CommandProblems, CommandQuery, CountBody, IssueBody, MoveBody,
    Precondition, ReceiptBody, Recorded, StockPath,
};

/// ReceiveStock: goods come in; all lines or none.
#[utoipa::path(
    post, path = "/v1/receipts", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = ReceiptBody,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn receive_stock(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Receipt, request).await
}

/// IssueStock: goods go out, only from what is available; all lines or none.
#[utoipa::path(
    post, path = "/v1/issues", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = IssueBody,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn issue_stock(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Issue, request).await
}

/// AdjustStock: puts the count on the books right by a difference; all lines or none.
#[utoipa::path(
    post, path = "/v1/adjustments", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = AdjustmentBody,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn adjust_stock(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Adjustment, request).await
}

/// SetStock: sets on_hand to what was found. The caller says what it expects to be there, or that
/// it expects nothing in particular.
#[utoipa::path(
    put, path = "/v1/stock/{sku}/{location}", tag = "commands",
    params(StockPath, CommandQuery, CommandHeaders, Precondition),
    request_body = CountBody,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn set_stock(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Count, request).await
}

/// MoveStock: goods go from one location to another at once, only from available; all lines or none.
#[utoipa::path(
    post, path = "/v1/moves", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = MoveBody,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn move_stock(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Move, request).await
}
