//! Transfers of the log.

use serde_json::json;
use shared_events::event::Figures;
use shared_events::slot::slot_of;
use shared_events::stream::Stream;
use shared_events::transfer::{Transfer, TransferLine, TransferStatus};
use shared_events::values::TransferId;
use uuid::Uuid;

use super::{Log, at, document, on_hand};

/// What happens to a transfer after it was dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransferChange {
    Receive,
    Close,
    Return,
    Overdue,
}

impl TransferChange {
    pub(crate) const ALL: [Self; 4] = [Self::Receive, Self::Return, Self::Overdue, Self::Close];
}

impl Log {
    /// Dispatches a transfer of these lines (sku, from, to, quantity) and returns its number.
    pub(crate) fn dispatch(&mut self, lines: &[(&str, &str, &str, i64)]) -> usize {
        let number = self.transfers.len();
        let line =
            |(line, &(sku, from, to, quantity)): (u32, &(&str, &str, &str, i64))| TransferLine {
                line,
                sku: sku.parse().expect("a sku"),
                from: from.parse().expect("a location"),
                to: to.parse().expect("a location"),
                quantity,
                received: 0,
                lost: 0,
                returned: 0,
            };
        let transfer = Transfer {
            id: TransferId::new(slot_of(lines[0].0), Uuid::from_u128(number as u128)),
            status: TransferStatus::InTransit,
            expected_at: Some(at(1_000)),
            overdue: false,
            reference: Some(document("delivery_note", "d-1")),
            lines: (1..).zip(lines).map(line).collect(),
        };
        self.record_transfer(&transfer, "TransferDispatched");
        for line in &transfer.lines {
            let quantity = line.quantity;
            self.change_sent(&transfer, line, "StockDispatched", quantity, on_hand(-quantity));
            let delta = Figures { incoming: quantity, ..Figures::default() };
            self.change_expected(&transfer, line, "StockExpected", quantity, delta);
        }
        self.transfers.push(transfer);
        number
    }

    pub(crate) fn transfers(&self) -> usize {
        self.transfers.len()
    }

    /// Lets at most so much of each line of a transfer come in, be lost or go back, or all of it be
    /// overdue. A transfer that is done stays as it is.
    pub(crate) fn transfer(&mut self, number: usize, change: TransferChange, most: i64) {
        let mut after = self.transfers[number].clone();
        if after.is_done() || change == TransferChange::Overdue && after.overdue {
            return;
        }
        let mut parts = Vec::new();
        for line in &mut after.lines {
            let quantity =
                if change == TransferChange::Close { line.open() } else { line.open().min(most) };
            match change {
                TransferChange::Receive => line.received += quantity,
                TransferChange::Close => line.lost += quantity,
                TransferChange::Return => line.returned += quantity,
                TransferChange::Overdue => continue,
            }
            parts.push((line.clone(), quantity));
        }
        let is_open = after.lines.iter().any(|line| line.open() > 0);
        after.status = match change {
            TransferChange::Receive if is_open => TransferStatus::PartiallyReceived,
            TransferChange::Receive => TransferStatus::Received,
            TransferChange::Close => TransferStatus::Closed,
            TransferChange::Return if !is_open => TransferStatus::Returned,
            TransferChange::Return | TransferChange::Overdue => after.status,
        };
        after.overdue |= change == TransferChange::Overdue;
        let event_type = match change {
            TransferChange::Receive => "TransferReceived",
            TransferChange::Close => "TransferClosed",
            TransferChange::Return => "TransferReturned",
            TransferChange::Overdue => "TransferOverdue",
        };
        self.record_transfer(&after, event_type);
        for (line, quantity) in parts.iter().filter(|(_, quantity)| *quantity > 0) {
            let (line, quantity) = (line, *quantity);
            let gone = Figures { incoming: -quantity, ..Figures::default() };
            match change {
                TransferChange::Receive => {
                    let delta = Figures { on_hand: quantity, ..gone };
                    self.change_expected(&after, line, "StockArrived", quantity, delta);
                }
                TransferChange::Close => {
                    self.change_expected(&after, line, "StockLost", quantity, gone);
                }
                TransferChange::Return => {
                    self.change_expected(&after, line, "StockRecalled", quantity, gone);
                    let back = on_hand(quantity);
                    self.change_sent(&after, line, "StockBroughtBack", quantity, back);
                }
                TransferChange::Overdue => {}
            }
        }
        self.transfers[number] = after;
    }

    fn record_transfer(&mut self, after: &Transfer, event_type: &str) {
        let data = json!({ "after": after, "reference": after.reference });
        self.record(Stream::Transfer(after.id.clone()), event_type, &data);
    }

    fn change_sent(
        &mut self,
        transfer: &Transfer,
        line: &TransferLine,
        event_type: &str,
        quantity: i64,
        delta: Figures,
    ) {
        let members = json!({
            "to": line.to, "transfer": transfer.id, "line": line.line, "quantity": quantity,
        });
        self.change_stock(event_type, line.sku.as_str(), line.from.as_str(), delta, members);
    }

    fn change_expected(
        &mut self,
        transfer: &Transfer,
        line: &TransferLine,
        event_type: &str,
        quantity: i64,
        delta: Figures,
    ) {
        let members = json!({
            "from": line.from, "transfer": transfer.id, "line": line.line, "quantity": quantity,
        });
        self.change_stock(event_type, line.sku.as_str(), line.to.as_str(), delta, members);
    }
}
