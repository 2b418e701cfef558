//! Transfers: goods on their way from one location to another.

use serde_json::Value;
use shared_events::slot::slot_of;
use shared_events::time::Timestamp;
use shared_events::values::{Code, TransferId};
use uuid::Uuid;

use super::reservation::PartLine;
use super::stock::MoveLine;
use super::{Command, CommandPath, NoPath};
use crate::http::json::object;
use crate::http::json::values::{List, cause};
use crate::http::problem::{self, Problem};
use crate::inventory::{self, Precondition, Request, TransferChange};

object! {
    /// A transfer's path.
    pub(crate) struct TransferPath {
        /// As it was answered when the transfer began.
        id: TransferId,
    }
}

impl CommandPath for TransferPath {
    /// The service makes these ids, so any other is the name of a transfer that does not exist.
    fn unknown(names: &Value) -> Option<Problem> {
        let id = names["id"].as_str().unwrap_or("\u{fffd}");
        let detail = format!("no transfer {id} exists");
        Some(Problem::missing(problem::Code::UnknownTransfer, detail, id))
    }
}

object! {
    /// Goods that leave for other locations.
    pub(crate) struct DispatchTransfer as "TransferRequest" {
        lines: List<MoveLine>,
        /// When all of it should be there, later than now. A transfer that is not done by then is overdue.
        #[serde(default)]
        expected_at: Option<Timestamp>,
    }
    with cause
}

impl Command for DispatchTransfer {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        // A transfer of one line stays in the lane of that line's item.
        let lines: Vec<inventory::MoveLine> = self.lines.convert();
        let slot = lines.first().map_or(0, |line| slot_of(line.sku.as_str()));
        let command = inventory::DispatchTransfer {
            id: TransferId::new(slot, Uuid::now_v7()),
            lines,
            expected_at: self.expected_at,
            cause: cause(self.reason, self.reference, self.note, self.metadata),
        };
        let command = inventory::Command::DispatchTransfer(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

/// Implements [`Command`] for a change of a transfer that exists.
macro_rules! change {
    ($type:ty as $body:ident, $reason:expr => $change:expr) => {
        impl Command for $type {
            type Path = TransferPath;

            fn into_request(
                self,
                path: TransferPath,
                precondition: Option<Precondition>,
            ) -> Request {
                let $body = self;
                let command = inventory::ChangeTransfer {
                    id: path.id,
                    change: $change,
                    precondition,
                    cause: cause($reason, $body.reference, $body.note, $body.metadata),
                };
                let command = inventory::Command::ChangeTransfer(command);
                Request { command, occurred_at: $body.occurred_at }
            }
        }
    };
}

object! {
    /// The parts of the transfer that came in.
    pub(crate) struct ReceiveTransfer as "TransferReceipt" {
        lines: List<PartLine>,
    }
    with cause
}

change! { ReceiveTransfer as body, body.reason => TransferChange::Receive(body.lines.convert()) }

object! {
    /// Why the rest of the transfer is given up.
    pub(crate) struct CloseTransfer as "TransferClosing" {
        /// A code of your own, such as `lost` or `damaged`.
        reason: Code,
        /// When it happened; default the recorded time.
        #[serde(default)]
        occurred_at: Option<Timestamp>,
    }
    with context
}

change! { CloseTransfer as body, Some(body.reason) => TransferChange::Close }

object! {
    /// The parts of the transfer that go back.
    pub(crate) struct ReturnTransfer as "TransferReturn" {
        /// Parts of it; absent, all that is on its way.
        #[serde(default)]
        lines: Option<List<PartLine>>,
    }
    with cause
}

change! {
    ReturnTransfer as body, body.reason => TransferChange::Return(body.lines.map(List::convert))
}
