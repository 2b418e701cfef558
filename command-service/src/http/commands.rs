//! Commands over HTTP: read, hand over to the writer, answer.
//!
//! A command is described once, by the struct of its body: parser, OpenAPI schema and
//! documentation. [`Command`] adds how it becomes a command of the inventory, and the table below
//! its route and its names in a batch.

pub(crate) mod batch;
pub(crate) mod catalogue;
pub(crate) mod reservation;
pub(crate) mod reversal;
pub(crate) mod stock;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use shared_events::lane::Version;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::batch::BatchType;
use super::json::{Fault, Faults, Object, object};
use super::problem::{Code, Problem};
use super::request::{CommandPath, IncomingRequest};
use super::{AppState, WriterState, answer};
use crate::inventory;
use crate::log::submission::{Outcome, Payload, Submission};
use crate::log::writer::Writer;

macro_rules! commands {
    ($($($handler:ident)::+ => $body:ty, in a batch $($name:literal)|+;)+) => {
        /// The route of every command.
        pub(crate) fn routes() -> OpenApiRouter<Arc<AppState>> {
            OpenApiRouter::new()
                $(.routes(routes!($($handler)::+)))+
                .routes(routes!(reversal::read_progress))
                .routes(routes!(batch::execute_batch))
        }

        /// The `type` of every command in a batch.
        pub(crate) const BATCH_TYPES: &[(&str, BatchType)] =
            &[$($(($name, BatchType::of::<$body>()),)+)+];
    };
}

commands! {
    catalogue::register_item => catalogue::RegisterItem,
        in a batch "register_item" | "change_item";
    catalogue::retire_item => catalogue::RetireItem, in a batch "retire_item";
    catalogue::register_location => catalogue::RegisterLocation,
        in a batch "register_location" | "change_location";
    stock::receive_stock => stock::ReceiveStock, in a batch "receive_stock";
    stock::issue_stock => stock::IssueStock, in a batch "issue_stock";
    stock::move_stock => stock::MoveStock, in a batch "move_stock";
    stock::adjust_stock => stock::AdjustStock, in a batch "adjust_stock";
    stock::set_stock => stock::SetStock, in a batch "set_stock";
    reservation::reserve_stock => reservation::ReserveStock, in a batch "reserve_stock";
    reservation::extend_reservation => reservation::ExtendReservation,
        in a batch "extend_reservation";
    reservation::confirm_reservation => reservation::ConfirmReservation,
        in a batch "confirm_reservation";
    reservation::release_reservation => reservation::ReleaseReservation,
        in a batch "release_reservation";
    reservation::cancel_reservation => reservation::CancelReservation,
        in a batch "cancel_reservation";
    reservation::fulfil_reservation => reservation::FulfilReservation,
        in a batch "fulfil_reservation";
    reservation::return_reservation => reservation::ReturnReservation,
        in a batch "return_reservation";
    reversal::reverse => reversal::Reverse, in a batch "reverse";
}

/// The body of a command.
pub(crate) trait Command: Object + ToSchema {
    type Path: CommandPath;
    /// Whether a request without a body is complete.
    const BODY_IS_OPTIONAL: bool = false;

    fn into_request(
        self,
        path: Self::Path,
        expected_version: Option<Version>,
    ) -> inventory::Request;
}

object! {
    /// The path of commands that name what they are about in their bodies.
    pub(crate) struct NoPath as "NoPath" {}
}

impl CommandPath for NoPath {
    const NAMES_A_STREAM: bool = false;
}

impl AppState {
    /// Executes one command.
    async fn execute<C: Command>(&self, request: Request) -> Response {
        // 1. Refuse it if too many wait, before it costs anything.
        if let Some(problem) = self.overload() {
            return problem.into_response();
        }
        // 2. Read it. Faults are reported before anything else.
        let config = &self.config;
        match IncomingRequest::with_own_key(request, C::BODY_IS_OPTIONAL, config).await {
            Ok(incoming) => match parse::<C>(&incoming) {
                Ok(submission) => self.submit(submission).await,
                Err(problem) => problem.into_response(),
            },
            Err(problem) => problem.into_response(),
        }
    }

    /// Executes one command that was read.
    async fn submit(&self, submission: Submission) -> Response {
        // 3. Hand it over to the writer, if there is one.
        let writer = match self.writer() {
            Ok(writer) => writer,
            Err(problem) => return problem.into_response(),
        };
        let correlation_id = submission.origin.correlation_id.clone();
        let outcome = submit(&writer, submission, self.answer_by()).await;
        // 4. Answer.
        answer::render(outcome, &correlation_id)
    }

    /// The problem to answer with while too many commands wait. Asked before anything is read: a
    /// refusal takes its cost from the commands that are executed.
    fn overload(&self) -> Option<Problem> {
        match &*self.writer.borrow() {
            WriterState::Running(writer) => writer.overload().map(Problem::from),
            WriterState::Starting | WriterState::Stopped => None,
        }
    }

    fn writer(&self) -> Result<Writer, Problem> {
        match &*self.writer.borrow() {
            WriterState::Running(writer) => Ok(writer.clone()),
            WriterState::Starting | WriterState::Stopped => Err(Problem::nothing_recorded()),
        }
    }

    /// When an answer that begins now must be there.
    fn answer_by(&self) -> Instant {
        Instant::now() + self.config.answer_timeout
    }
}

/// Waits for the outcome. Giving up, as when the client hangs up, cancels nothing.
async fn submit(writer: &Writer, submission: Submission, until: Instant) -> Outcome {
    let outcome = timeout_at(until, writer.submit(submission)).await;
    outcome.unwrap_or(Outcome::Unknown)
}

/// Reads one command.
fn parse<C: Command>(incoming: &IncomingRequest) -> Result<Submission, Problem> {
    let mut faults = Faults::default();
    let metadata = incoming.metadata(C::Path::NAMES_A_STREAM, &mut faults);
    let path = incoming.path::<C::Path>(&mut faults);
    let body = incoming.body::<C>(&mut faults)?;
    match (path, body) {
        (Ok(Some(path)), Ok(body)) if faults.is_empty() => {
            let request = body.into_request(path, metadata.expected_version);
            Ok(incoming.submission(Payload::One(request), metadata))
        }
        (Err(unknown), Ok(_)) if faults.is_empty() => Err(unknown),
        _ => Err(refused(faults)),
    }
}

fn refused(faults: Faults) -> Problem {
    let faults = faults.into_vec();
    if faults == [Fault::missing("/reason")] {
        return Problem::new(Code::ReasonRequired, "an adjustment says why: `reason` is missing");
    }
    Problem::validation_failed(faults)
}
