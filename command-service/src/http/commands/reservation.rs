//! Reservations, from the hold to the return.

use serde_json::Value;
use shared_events::reservation::{Fill, Part};
use shared_events::slot::slot_of;
use shared_events::values::{Label, ReservationId};
use uuid::Uuid;

use super::stock::StockLine;
use super::{Command, CommandPath, NoPath};
use crate::http::json::numbers::{LineNumber, Priority, Quantity, TtlSeconds, WaitSeconds};
use crate::http::json::values::{List, cause, words};
use crate::http::json::{Faults, JsonPointer, object};
use crate::http::problem::{Code, Problem};
use crate::inventory::{self, Policy, Precondition, Request, Step, Wait};

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

/// The name of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyName {
    All,
    Partial,
    Wait,
}

words! { PolicyName {
    "all" => PolicyName::All, "partial" => PolicyName::Partial, "wait" => PolicyName::Wait,
} }

words! { Fill { "parts" => Fill::Parts, "whole" => Fill::Whole, } }

object! {
    /// Stock that is to be held for somebody until a moment.
    pub(crate) struct ReserveStock as "ReservationRequest" {
        /// For whom, as an opaque id.
        owner: Label,
        lines: List<StockLine>,
        /// How long, in seconds from the recorded time on: at most thirty days.
        ttl_seconds: TtlSeconds,
        /// `all` lines or none, or of each line what is there, or that and `wait` for the rest; default
        /// `all`.
        #[serde(default)]
        policy: Option<PolicyName>,
        /// How long it waits at most, in seconds from the recorded time on: up to a year. Only, and always,
        /// with the policy `wait`. The time that it is held begins when nothing waits any more.
        #[serde(default)]
        wait_seconds: Option<WaitSeconds>,
        /// Who waits with a higher one gets stock first; default 5. Only with the policy `wait`.
        #[serde(default)]
        priority: Option<Priority>,
        /// Whether a line takes `parts` of what it lacks as they come, or nothing until there is the `whole`
        /// of it; default `parts`. Only with the policy `wait`.
        #[serde(default)]
        fill: Option<Fill>,
        /// A hold of the same owner that is released in the same transaction, so that its stock can
        /// be held again at once.
        #[serde(default)]
        replaces: Option<ReservationId>,
    }
    with cause
    check ReserveStock::waits_by_policy
}

impl ReserveStock {
    fn waits_by_policy(&self, at: JsonPointer<'_>, faults: &mut Faults) {
        if self.policy == Some(PolicyName::Wait) {
            if self.wait_seconds.is_none() {
                faults.add(at.member("wait_seconds"), "must be given with the policy wait");
            }
            return;
        }
        let given = [
            ("wait_seconds", self.wait_seconds.is_some()),
            ("priority", self.priority.is_some()),
            ("fill", self.fill.is_some()),
        ];
        for (name, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            faults.add(at.member(name), "must be left out, unless the policy is wait");
        }
    }

    fn policy(&self) -> Policy {
        match (self.policy, self.wait_seconds) {
            (Some(PolicyName::Wait), Some(seconds)) => Policy::Wait(Wait {
                seconds: seconds.0,
                priority: self.priority.map_or(Wait::PRIORITY, |priority| priority.0),
                fill: self.fill.unwrap_or(Fill::Parts),
            }),
            (Some(PolicyName::Partial), _) => Policy::Partial,
            // Waiting without an end was refused when the body was read.
            (None | Some(PolicyName::All | PolicyName::Wait), _) => Policy::All,
        }
    }
}

impl Command for ReserveStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        let policy = self.policy();
        // A reservation of one line stays in the lane of that line's item.
        let lines: Vec<inventory::StockLine> = self.lines.convert();
        let slot = lines.first().map_or(0, |line| slot_of(line.sku.as_str()));
        let command = inventory::ReserveStock {
            id: ReservationId::new(slot, Uuid::now_v7()),
            owner: self.owner,
            lines,
            ttl_seconds: self.ttl_seconds.0,
            policy,
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
    /// What becomes of the waiting of a reservation. Absent members stay.
    pub(crate) struct ChangeWaiting as "ReservationPatch" {
        /// Who waits with a higher one gets stock first. It keeps its place among equals.
        #[serde(default)]
        priority: Option<Priority>,
        /// How long it waits at most, in seconds from the recorded time on: up to a year.
        #[serde(default)]
        wait_seconds: Option<WaitSeconds>,
    }
    with cause
}

step! {
    ChangeWaiting as body => Step::ChangeWait {
        priority: body.priority.map(|priority| priority.0),
        seconds: body.wait_seconds.map(|seconds| seconds.0),
    }
}

object! {
    /// The parts of the reservation to release; of each line first what waits, then what is held.
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
