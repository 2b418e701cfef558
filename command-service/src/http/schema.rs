//! What OpenAPI says beyond the routes: the shape of bodies, headers and problems.
//!
//! Requests are read by `request`, which finds every fault at once, so these types describe and
//! are never filled; a test holds them to what the reader takes.
#![expect(dead_code, reason = "they describe, see above")]

mod parameters;
mod body;
mod answer;
mod reservation;
mod log;

use utoipa::OpenApi;

use self::answer::ReversalAnswer;
pub(super) use self::answer::{
    CommandProblems, Executed, Problem, ReadProblems, Recorded, Registered, Reversed,
};
#[cfg(test)]
pub(super) use self::body::BatchCommand;
pub(super) use self::body::{
    AdjustmentBody, BatchBody, CancellationBody, ConfirmationBody, CountBody, ExtensionBody,
    FulfilmentBody, IssueBody, ItemBody, LocationBody, MoveBody, ReceiptBody, ReleaseBody,
    ReservationBody, RetirementBody, ReturnBody, ReversalBody,
};
pub(super) use self::log::{
    EventLine, EventRange, LanesQuery, MergedRange, StateQuery, StreamStateBody,
};
pub(super) use self::parameters::{
    CommandHeaders, CommandQuery, ItemPath, LocationPath, Precondition, ReservationPath, StockPath,
};
pub(super) use self::reservation::ReservationShape;
use super::answer::{Accepted, BatchAnswer};

/// Stockbook's command-service: decides stock commands and records what happened.
#[derive(OpenApi)]
#[openapi(
    info(title = "Stockbook command-service"),
    paths(super::log::list_stream_events, super::log::state::read_state),
    components(schemas(Accepted, BatchAnswer, ReversalAnswer, Problem)),
    tags(
        (name = "commands", description = "What may be asked. All lines of a command or none."),
        (name = "log", description = "What happened, in order. Never changed."),
    ),
)]
pub(super) struct Api;
