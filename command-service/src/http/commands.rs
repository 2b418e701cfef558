//! The commands: read, hand to the writer, answer.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::answer;
use super::problem::Problem;
use super::request::{self, Form, PathText, path_text};
use super::schema::{
    AdjustmentBody, CommandHeaders, CommandProblems, CommandQuery, CountBody, IssueBody, ItemBody,
    LocationBody, MoveBody, Precondition, ReceiptBody, Recorded, Registered, RetirementBody,
};
use super::{Desk, Intake};
use crate::log::submission::Outcome;

/// RegisterItem, ChangeItem: makes an item known, or describes a known one anew.
#[utoipa::path(
    put, path = "/v1/items/{sku}", tag = "commands",
    params(
        ("sku" = String, Path, description = "1 to 64 of A–Z a–z 0–9 . _ ~ : + -"),
        CommandQuery, CommandHeaders, Precondition,
    ),
    request_body = ItemBody,
    responses(Registered, CommandProblems),
)]
pub(super) async fn register_item(
    State(desk): State<Desk>,
    sku: PathText,
    request: Request,
) -> Response {
    desk.execute(Form::Item { sku: path_text(sku) }, request).await
}

/// RegisterLocation, ChangeLocation: makes a location known, or describes a known one anew.
#[utoipa::path(
    put, path = "/v1/locations/{code}", tag = "commands",
    params(
        ("code" = String, Path, description = "1 to 64 of A–Z a–z 0–9 . _ ~ : + -"),
        CommandQuery, CommandHeaders, Precondition,
    ),
    request_body = LocationBody,
    responses(Registered, CommandProblems),
)]
pub(super) async fn register_location(
    State(desk): State<Desk>,
    code: PathText,
    request: Request,
) -> Response {
    desk.execute(Form::Location { code: path_text(code) }, request).await
}

/// ReceiveStock: goods come in; all lines or none.
#[utoipa::path(
    post, path = "/v1/receipts", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = ReceiptBody,
    responses(Recorded, CommandProblems),
)]
pub(super) async fn receive_stock(State(desk): State<Desk>, request: Request) -> Response {
    desk.execute(Form::Receipt, request).await
}

/// IssueStock: goods go out, only from what is available; all lines or none.
#[utoipa::path(
    post, path = "/v1/issues", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = IssueBody,
    responses(Recorded, CommandProblems),
)]
pub(super) async fn issue_stock(State(desk): State<Desk>, request: Request) -> Response {
    desk.execute(Form::Issue, request).await
}

/// AdjustStock: puts the count on the books right by a difference; all lines or none.
#[utoipa::path(
    post, path = "/v1/adjustments", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = AdjustmentBody,
    responses(Recorded, CommandProblems),
)]
pub(super) async fn adjust_stock(State(desk): State<Desk>, request: Request) -> Response {
    desk.execute(Form::Adjustment, request).await
}

/// SetStock: sets on_hand to what was found. The caller says what it expects to be there, or that
/// it expects nothing in particular.
#[utoipa::path(
    put, path = "/v1/stock/{sku}/{location}", tag = "commands",
    params(
        ("sku" = String, Path, description = "1 to 64 of A–Z a–z 0–9 . _ ~ : + -"),
        ("location" = String, Path, description = "1 to 64 of A–Z a–z 0–9 . _ ~ : + -"),
        CommandQuery, CommandHeaders, Precondition,
    ),
    request_body = CountBody,
    responses(Recorded, CommandProblems),
)]
pub(super) async fn set_stock(
    State(desk): State<Desk>,
    place: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let unreadable = || (char::REPLACEMENT_CHARACTER.to_string(), String::new());
    let (sku, location) = place.map_or_else(|_| unreadable(), |Path(place)| place);
    desk.execute(Form::Count { sku, location }, request).await
}

/// MoveStock: goods go from one location to another at once, only from available; all lines or none.
#[utoipa::path(
    post, path = "/v1/moves", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = MoveBody,
    responses(Recorded, CommandProblems),
)]
pub(super) async fn move_stock(State(desk): State<Desk>, request: Request) -> Response {
    desk.execute(Form::Move, request).await
}

/// RetireItem: the item is traded no more; only when nothing of it is left anywhere.
#[utoipa::path(
    post, path = "/v1/items/{sku}/retire", tag = "commands",
    params(
        ("sku" = String, Path, description = "1 to 64 of A–Z a–z 0–9 . _ ~ : + -"),
        CommandQuery, CommandHeaders, Precondition,
    ),
    request_body = Option<RetirementBody>,
    responses(Recorded, CommandProblems),
)]
pub(super) async fn retire_item(
    State(desk): State<Desk>,
    sku: PathText,
    request: Request,
) -> Response {
    desk.execute(Form::Retirement { sku: path_text(sku) }, request).await
}

impl Desk {
    async fn execute(&self, form: Form, request: Request) -> Response {
        // 1. Read it; what is wrong with it is told before anything else.
        let submission = match request::read(form, request, &self.rules).await {
            Ok(submission) => submission,
            Err(problem) => return problem.into_response(),
        };
        // 2. Hand it to the writer, if there is one.
        let Intake::Open(writer) = self.intake.borrow().clone() else {
            return Problem::nothing_recorded().into_response();
        };
        // 3. Answer. Giving up the wait, as when the client hangs up, cancels nothing.
        let correlation_id = submission.origin.correlation_id.clone();
        let waited = timeout(self.rules.answer_timeout, writer.submit(submission)).await;
        answer::render(waited.unwrap_or(Outcome::Unknown), &correlation_id)
    }
}
