//! Rules of transfers: dispatch, receive, close, return, and being overdue.

use shared_events::event::{Cause, Event, ExpectedStock, Figures, SentStock, TransferStep};
use shared_events::reservation::Part;
use shared_events::time::Timestamp;
use shared_events::transfer::{Transfer, TransferLine, TransferStatus};

use super::{check_newest, check_precondition, check_version, parts};
use crate::command::{ChangeTransfer, DispatchTransfer, MoveLine, TransferChange};
use crate::ledger::Ledger;
use crate::rejection::{Excess, Rejection};
use crate::working_set::Inventory;

pub(super) fn dispatch(
    inventory: &Inventory,
    now: Timestamp,
    command: &DispatchTransfer,
) -> Result<Vec<Event>, Rejection> {
    if command.expected_at.is_some_and(|expected_at| expected_at <= now) {
        return Err(Rejection::ExpectedAtPassed { now });
    }
    let ledger = Ledger::new(inventory, now);
    for line in &command.lines {
        ledger.check_known(&line.sku, &line.from)?;
        ledger.check_known(&line.sku, &line.to)?;
        check_version(line.expected_version, ledger.before(&line.sku, &line.from).version)?;
    }
    let line = |(number, line): (u32, &MoveLine)| TransferLine {
        line: number,
        sku: line.sku.clone(),
        from: line.from.clone(),
        to: line.to.clone(),
        quantity: line.quantity,
        received: 0,
        lost: 0,
        returned: 0,
    };
    let transfer = Transfer {
        id: command.id.clone(),
        status: TransferStatus::InTransit,
        expected_at: command.expected_at,
        overdue: false,
        reference: command.cause.reference.clone(),
        lines: (1..).zip(&command.lines).map(line).collect(),
    };
    let mut draft = Draft::new(ledger, transfer, &command.cause);
    for line in draft.transfer.lines.clone() {
        let left = draft.ledger.take(&line.sku, &line.from, line.quantity, Figures::available);
        let expected = draft.ledger.expect(&line.sku, &line.to, line.quantity)?;
        let quantity = line.quantity;
        draft.stock.push(Event::StockDispatched(draft.sent(&line, quantity, left)));
        draft.stock.push(Event::StockExpected(draft.expected(&line, quantity, expected)));
    }
    draft.record(Event::TransferDispatched)
}

pub(super) fn change_transfer(
    inventory: &Inventory,
    now: Timestamp,
    command: &ChangeTransfer,
    occurred_at: Option<Timestamp>,
) -> Result<Vec<Event>, Rejection> {
    let unknown = || Rejection::UnknownTransfer { id: command.id.clone() };
    let state = inventory.transfer(&command.id).ok_or_else(unknown)?;
    let before = state.details.as_ref().ok_or_else(unknown)?;
    check_precondition(command.precondition, state.version)?;
    if command.change != TransferChange::MarkOverdue {
        if before.is_done() {
            return Err(Rejection::TransferState { status: before.status });
        }
        check_newest(occurred_at, state.newest_at, now)?;
    }
    let is_due = before.due_at().is_some_and(|due_at| due_at <= now);
    let draft = Draft::new(Ledger::new(inventory, now), before.clone(), &command.cause);
    match &command.change {
        TransferChange::Receive(parts) => receive(draft, parts),
        TransferChange::Close => close(draft),
        TransferChange::Return(parts) => return_rest(draft, parts.as_deref()),
        TransferChange::MarkOverdue if is_due => mark_overdue(draft),
        TransferChange::MarkOverdue => Ok(Vec::new()),
    }
}

/// Receives parts of what is on its way.
fn receive(mut draft: Draft<'_>, asked: &[Part]) -> Result<Vec<Event>, Rejection> {
    draft.parts = draft.parts_of(Some(asked), |part| Rejection::OverReceive { part })?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.received += quantity) {
        let after = draft.ledger.arrive(&line.sku, &line.to, quantity)?;
        draft.stock.push(Event::StockArrived(draft.expected(&line, quantity, after)));
    }
    draft.transfer.status = if draft.nothing_is_open() {
        TransferStatus::Received
    } else {
        TransferStatus::PartiallyReceived
    };
    draft.record(Event::TransferReceived)
}

/// Records all that is on its way as lost.
fn close(mut draft: Draft<'_>) -> Result<Vec<Event>, Rejection> {
    draft.parts = draft.parts_of(None, |part| Rejection::OverReceive { part })?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.lost += quantity) {
        let after = draft.ledger.expect_less(&line.sku, &line.to, quantity);
        draft.stock.push(Event::StockLost(draft.expected(&line, quantity, after)));
    }
    draft.transfer.status = TransferStatus::Closed;
    draft.record(Event::TransferClosed)
}

/// Lets parts of what is on its way, or all of it, go back to where it left.
fn return_rest(mut draft: Draft<'_>, asked: Option<&[Part]>) -> Result<Vec<Event>, Rejection> {
    draft.parts = draft.parts_of(asked, |part| Rejection::OverReturn { part })?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.returned += quantity) {
        let expected = draft.ledger.expect_less(&line.sku, &line.to, quantity);
        let back = draft.ledger.put_in(&line.sku, &line.from, quantity)?;
        draft.stock.push(Event::StockRecalled(draft.expected(&line, quantity, expected)));
        draft.stock.push(Event::StockBroughtBack(draft.sent(&line, quantity, back)));
    }
    if draft.nothing_is_open() {
        draft.transfer.status = TransferStatus::Returned;
    }
    draft.record(Event::TransferReturned)
}

/// Notes that the transfer is late. No stock changes: whether the goods still come is not known.
fn mark_overdue(mut draft: Draft<'_>) -> Result<Vec<Event>, Rejection> {
    draft.transfer.overdue = true;
    draft.record(Event::TransferOverdue)
}

/// A step of a transfer in the making: the transfer after it and its stock events.
struct Draft<'a> {
    ledger: Ledger<'a>,
    transfer: Transfer,
    cause: &'a Cause,
    parts: Vec<Part>,
    stock: Vec<Event>,
}

impl<'a> Draft<'a> {
    fn new(ledger: Ledger<'a>, transfer: Transfer, cause: &'a Cause) -> Self {
        Self { ledger, transfer, cause, parts: Vec::new(), stock: Vec::new() }
    }

    fn parts_of(
        &self,
        asked: Option<&[Part]>,
        over: fn(Excess) -> Rejection,
    ) -> Result<Vec<Part>, Rejection> {
        let open = self.transfer.lines.iter().map(|line| (line.line, line.open()));
        parts::parts_of(open, asked, over)
    }

    /// Books the parts on their lines and returns those lines with the booked quantities.
    fn book_parts(&mut self, book: fn(&mut TransferLine, i64)) -> Vec<(TransferLine, i64)> {
        parts::book(&mut self.transfer.lines, |line| line.line, &self.parts, book)
    }

    fn nothing_is_open(&self) -> bool {
        self.transfer.lines.iter().all(|line| line.open() == 0)
    }

    fn sent(&self, line: &TransferLine, quantity: i64, after: Figures) -> SentStock {
        SentStock {
            sku: line.sku.clone(),
            location: line.from.clone(),
            to: line.to.clone(),
            transfer: self.transfer.id.clone(),
            line: line.line,
            quantity,
            after,
            cause: self.cause.clone(),
        }
    }

    fn expected(&self, line: &TransferLine, quantity: i64, after: Figures) -> ExpectedStock {
        ExpectedStock {
            sku: line.sku.clone(),
            location: line.to.clone(),
            from: line.from.clone(),
            transfer: self.transfer.id.clone(),
            line: line.line,
            quantity,
            after,
            cause: self.cause.clone(),
        }
    }

    /// The events: ends of expired holds, then the transfer's step, then its stock events.
    fn record(self, step: fn(TransferStep) -> Event) -> Result<Vec<Event>, Rejection> {
        let Self { ledger, transfer, cause, parts, stock } = self;
        let own = step(TransferStep { parts, after: transfer, cause: cause.clone() });
        ledger.finish(std::iter::once(own).chain(stock).collect())
    }
}
