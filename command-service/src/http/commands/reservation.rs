//! Reservations, from the hold to the return.

use serde_json::Value;
use shared_events::reservation::Part;
use shared_events::slot::slot_of;
use shared_events::values::{Label, ReservationId};
use uuid::Uuid;

use super::stock::StockLine;
use super::{Command, CommandPath, NoPath};
use crate::http::json::numbers::{LineNumber, Quantity, TtlSeconds};
use crate::http::json::object;
use crate::http::json::values::{List, cause, words};
use crate::http::problem::{Code, Problem};
use crate::inventory::{self, Policy, Precondition, Request, Step};

object! {
    /// A reservation's path.
    pub(crate) struct ReservationPath {
        /// As it was answered when the reservation was made.
        id: ReservationId,
    }
}

impl CommandPath for ReservationPath {
    /// The service makes these ids, so any other is the name of a reservation that does not exist.
    fn unknown(names: &Value) -> Option<Problem> {
        let id = names["id"].as_str().unwrap_or("\u{fffd}");
        let detail = format!("no reservation {id} exists");
        Some(Problem::missing(Code::UnknownReservation, detail, id))
    }
}

words! { Policy { "all" => Policy::All, "partial" => Policy::Partial, } }

object! {
    /// Stock that is to be held for somebody until a moment.
    pub(crate) struct ReserveStock as "ReservationRequest" {
        /// For whom, as an opaque id.
        owner: Label,
        lines: List<StockLine>,
        /// How long, in seconds from the recorded time on: at most thirty days.
        ttl_seconds: TtlSeconds,
        /// `all` lines or none, or of each line what is there; default `all`.
        #[serde(default)]
        policy: Option<Policy>,
        /// A hold of the same owner that is released in the same transaction, so that its stock can
        /// be held again at once.
        #[serde(default)]
        replaces: Option<ReservationId>,
    }
    with cause
}

impl Command for ReserveStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        // A reservation of one line stays in the lane of that line's item.
        let lines: Vec<inventory::StockLine> = self.lines.convert();
        let slot = lines.first().map_or(0, |line| slot_of(line.sku.as_str()));
        let command = inventory::ReserveStock {
            id: ReservationId::new(slot, Uuid::now_v7()),
            owner: self.owner,
            lines,
            ttl_seconds: self.ttl_seconds.0,
            policy: self.policy.unwrap_or(Policy::All),
            replaces: self.replaces,
            cause: cause(self.reason, self.reference, self.note, self.metadata),
        };
        let command = inventory::Command::ReserveStock(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

object! {
    /// A part of a reservation or a transfer.
    pub(crate) struct PartLine as "Part" {
        /// The line, from 1.
        line: LineNumber,
        /// How much of it, in base units.
        quantity: Quantity,
    }
}

impl From<PartLine> for Part {
    fn from(PartLine { line, quantity }: PartLine) -> Self {
        Self { line: line.0, quantity: quantity.0 }
    }
}

/// Implements [`Command`] for a step of a reservation that exists.
macro_rules! step {
    ($type:ty as $body:ident => $step:expr) => {
        impl Command for $type {
            type Path = ReservationPath;

            fn into_request(
                self,
                path: ReservationPath,
                precondition: Option<Precondition>,
            ) -> Request {
                let $body = self;
                let command = inventory::ChangeReservation {
                    id: path.id,
                    step: $step,
                    precondition,
                    cause: cause($body.reason, $body.reference, $body.note, $body.metadata),
                };
                let command = inventory::Command::ChangeReservation(command);
                Request { command, occurred_at: $body.occurred_at }
            }
        }
    };
}

object! {
    /// For how long the reservation is held.
    pub(crate) struct ExtendReservation as "Extension" {
        /// In seconds from the recorded time on: at most thirty days.
        ttl_seconds: TtlSeconds,
    }
    with cause
}

step! {
    ExtendReservation as body => Step::Extend { ttl_seconds: body.ttl_seconds.0 }
}

object! {
    /// Why the reservation is confirmed. A reference becomes that of the reservation.
    pub(crate) struct ConfirmReservation as "Confirmation" {}
    with cause
}

step! { ConfirmReservation as body => Step::Confirm }

object! {
    /// The parts of the reservation to release.
    pub(crate) struct ReleaseReservation as "Release" {
        /// Parts of it; absent, all that is left.
        #[serde(default)]
        lines: Option<List<PartLine>>,
    }
    with cause
}

step! {
    ReleaseReservation as body => Step::Release(body.lines.map(List::convert))
}

object! {
    /// The parts of the promise to cancel.
    pub(crate) struct CancelReservation as "Cancellation" {
        /// Parts of it; absent, all that is not fulfilled.
        #[serde(default)]
        lines: Option<List<PartLine>>,
    }
    with cause
}

step! { CancelReservation as body => Step::Cancel(body.lines.map(List::convert)) }

object! {
    /// The parts of the promise to fulfil.
    pub(crate) struct FulfilReservation as "Fulfilment" {
        /// Parts of it; absent, all that is left.
        #[serde(default)]
        lines: Option<List<PartLine>>,
    }
    with cause
}

step! { FulfilReservation as body => Step::Fulfil(body.lines.map(List::convert)) }

object! {
    /// The fulfilled parts that come back.
    pub(crate) struct ReturnReservation as "Return" {
        lines: List<PartLine>,
    }
    with cause
}

step! { ReturnReservation as body => Step::Return(body.lines.convert()) }
