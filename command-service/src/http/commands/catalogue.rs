//! What items and locations are.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::http::AppState;
use crate::http::request::Form;
use crate::http::schema::{
    CommandHeaders, CommandProblems, CommandQuery, ItemBody, ItemPath, LocationBody, LocationPath,
    Precondition, Recorded, Registered, RetirementBody,
};

/// RegisterItem, ChangeItem: makes an item known, or describes a known one anew.
#[utoipa::path(
    put, path = "/v1/items/{sku}", tag = "commands",
    params(ItemPath, CommandQuery, CommandHeaders, Precondition),
    request_body = ItemBody,
    responses(Registered, CommandProblems),
)]
pub(in crate::http) async fn register_item(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Item, request).await
}

/// RetireItem: the item is traded no more; only when nothing of it is left anywhere.
#[utoipa::path(
    post, path = "/v1/items/{sku}/retire", tag = "commands",
    params(ItemPath, CommandQuery, CommandHeaders, Precondition),
    request_body = Option<RetirementBody>,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn retire_item(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Retirement, request).await
}

/// RegisterLocation, ChangeLocation: makes a location known, or describes a known one anew.
#[utoipa::path(
    put, path = "/v1/locations/{code}", tag = "commands",
    params(LocationPath, CommandQuery, CommandHeaders, Precondition),
    request_body = LocationBody,
    responses(Registered, CommandProblems),
)]
pub(in crate::http) async fn register_location(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Location, request).await
}
