//! Commands to test with; the location is MAIN unless given.

use std::time::Duration;

use shared_events::event::Cause;
use shared_events::lane::EventId;
use shared_events::order::{OrderLine, OrderPolicy};
use shared_events::payment::{PaymentDetails, PaymentOutcome, RequestKind};
use shared_events::reservation::Part;
use shared_events::time::Timestamp;
use shared_events::values::{Label, OrderId, ReservationId, ReversalId, TransferId};
use uuid::Uuid;

use crate::*;

pub(crate) fn line(sku: &str, quantity: i64) -> StockLine {
    StockLine {
        sku: sku.parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        quantity,
        expected_version: None,
    }
}

fn stock_lines(lines: &[(&str, i64)]) -> Vec<StockLine> {
    lines.iter().map(|(sku, quantity)| line(sku, *quantity)).collect()
}

pub(crate) fn receive(lines: &[(&str, i64)]) -> Command {
    Command::ReceiveStock(ReceiveStock { lines: stock_lines(lines), cause: Cause::default() })
}

pub(crate) fn issue(lines: &[(&str, i64)]) -> Command {
    let (lines, cause) = (stock_lines(lines), Cause::default());
    Command::IssueStock(IssueStock { lines, purpose: None, cause })
}

pub(crate) fn adjust(lines: &[(&str, i64)], accept_shortage: bool) -> Command {
    let lines = lines
        .iter()
        .map(|(sku, delta)| AdjustLine {
            sku: sku.parse().unwrap(),
            location: "MAIN".parse().unwrap(),
            delta: *delta,
            expected_quantity: None,
            expected_version: None,
        })
        .collect();
    Command::AdjustStock(AdjustStock { lines, accept_shortage, cause: Cause::default() })
}

pub(crate) fn set(quantity: i64, expected_quantity: Option<i64>, accept_shortage: bool) -> Command {
    Command::SetStock(SetStock {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        quantity,
        expected_quantity,
        precondition: None,
        accept_shortage,
        cause: Cause::default(),
    })
}

/// Lines of sku, from, to and quantity.
fn move_lines(lines: &[(&str, &str, &str, i64)]) -> Vec<MoveLine> {
    let line = |(sku, from, to, quantity): &(&str, &str, &str, i64)| MoveLine {
        sku: sku.parse().unwrap(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        quantity: *quantity,
        expected_version: None,
    };
    lines.iter().map(line).collect()
}

pub(crate) fn moving(lines: &[(&str, &str, &str, i64)]) -> Command {
    Command::MoveStock(MoveStock { lines: move_lines(lines), cause: Cause::default() })
}

pub(crate) fn transfer_id(number: u128) -> TransferId {
    TransferId::new(0, Uuid::from_u128(number))
}

pub(crate) fn dispatch(
    number: u128,
    lines: &[(&str, &str, &str, i64)],
    expected_at: Option<Timestamp>,
) -> Command {
    let (id, lines, cause) = (transfer_id(number), move_lines(lines), Cause::default());
    Command::DispatchTransfer(DispatchTransfer { id, lines, expected_at, cause })
}

/// A change of the transfer with this number.
pub(crate) fn transfer(number: u128, change: TransferChange) -> Command {
    let (id, cause) = (transfer_id(number), Cause::default());
    Command::ChangeTransfer(ChangeTransfer { id, change, precondition: None, cause })
}

pub(crate) fn order_id(number: u128) -> OrderId {
    OrderId::new(0, Uuid::from_u128(number))
}

/// An order of lines at MAIN, to be paid within these seconds.
pub(crate) fn place(number: u128, lines: &[(&str, i64)], deadline_seconds: u32) -> Command {
    let line = |(number, (sku, quantity)): (u32, &(&str, i64))| OrderLine {
        line: number,
        sku: sku.parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        requested: *quantity,
        quantity: 0,
    };
    Command::PlaceOrder(PlaceOrder {
        id: order_id(number),
        owner: "customer-17850".parse().unwrap(),
        lines: (1..).zip(lines).map(line).collect(),
        payment: PaymentDetails::default(),
        deadline_seconds,
        policy: OrderPolicy::All,
        wait_seconds: None,
        cause: Cause::default(),
    })
}

/// The same order, content with a part of each line.
pub(crate) fn partial(place: Command) -> Command {
    let Command::PlaceOrder(command) = place else { unreachable!("{place:?}") };
    Command::PlaceOrder(PlaceOrder { policy: OrderPolicy::Partial, ..command })
}

/// The same order, which waits for what it lacks.
pub(crate) fn waiting(place: Command, wait_seconds: u32) -> Command {
    let Command::PlaceOrder(command) = place else { unreachable!("{place:?}") };
    let (policy, wait_seconds) = (OrderPolicy::Wait, Some(wait_seconds));
    Command::PlaceOrder(PlaceOrder { policy, wait_seconds, ..command })
}

/// A change of the order with this number.
pub(crate) fn order(number: u128, change: OrderChange) -> Command {
    let (id, cause) = (order_id(number), Cause::default());
    Command::ChangeOrder(ChangeOrder { id, change, precondition: None, cause })
}

/// What the sweeper asks for the order with this number; an operator looks after a day.
pub(crate) fn continuing(number: u128) -> Command {
    let operator_after = Duration::from_secs(24 * 60 * 60);
    order(number, OrderChange::Continue { operator_after })
}

/// A reply of the payment service to its request about the order with this number.
pub(crate) fn reply(number: u128, outcome: PaymentOutcome) -> Command {
    let kind = match outcome {
        PaymentOutcome::Authorised | PaymentOutcome::Declined => RequestKind::Authorise,
        PaymentOutcome::Voided => RequestKind::Void,
    };
    let request = kind.request(&order_id(number));
    let payment_id = (outcome == PaymentOutcome::Authorised).then(|| "p-1".parse().unwrap());
    order(number, OrderChange::Reply(Reply { request, outcome, payment_id, reason: None }))
}

pub(crate) fn register(sku: &str) -> RegisterItem {
    RegisterItem {
        sku: sku.parse().unwrap(),
        name: None,
        scale: None,
        unit: None,
        reorder_point: None,
        metadata: None,
        precondition: None,
    }
}

pub(crate) fn locate(code: &str) -> RegisterLocation {
    RegisterLocation { code: code.parse().unwrap(), name: None, kind: None, precondition: None }
}

pub(crate) fn retire(sku: &str) -> Command {
    Command::RetireItem(RetireItem {
        sku: sku.parse().unwrap(),
        precondition: None,
        cause: Cause::default(),
    })
}

pub(crate) fn reinstate(sku: &str) -> Command {
    Command::ReinstateItem(ReinstateItem {
        sku: sku.parse().unwrap(),
        precondition: None,
        cause: Cause::default(),
    })
}

pub(crate) fn id(number: u128) -> ReservationId {
    ReservationId::new(0, Uuid::from_u128(number))
}

/// A reservation of all lines, for a minute.
pub(crate) fn reserve(number: u128, lines: &[(&str, i64)]) -> ReserveStock {
    ReserveStock {
        id: id(number),
        owner: "somebody".parse().unwrap(),
        lines: stock_lines(lines),
        ttl_seconds: 60,
        policy: Policy::All,
        replaces: None,
        cause: Cause::default(),
    }
}

pub(crate) fn reserving(number: u128, lines: &[(&str, i64)]) -> Command {
    Command::ReserveStock(reserve(number, lines))
}

/// A step of the reservation with this number.
pub(crate) fn step(number: u128, step: Step) -> Command {
    let (id, cause) = (id(number), Cause::default());
    Command::ChangeReservation(ChangeReservation { id, step, precondition: None, cause })
}

pub(crate) fn parts(parts: &[(u32, i64)]) -> Vec<Part> {
    parts.iter().map(|(line, quantity)| Part { line: *line, quantity: *quantity }).collect()
}

pub(crate) fn reversal(number: u128) -> ReversalId {
    ReversalId::new(Uuid::from_u128(number))
}

pub(crate) fn reverse(number: u128, target: Target) -> Command {
    Command::Reverse(Reverse {
        id: reversal(number),
        target,
        accept_shortage: false,
        cause: Cause::default(),
    })
}

/// The correlation of the command with this number.
pub(crate) fn correlation(number: usize) -> Target {
    let label: Label = format!("c{number}").parse().unwrap();
    Target::Correlation(label)
}

pub(crate) fn event(id: EventId) -> Target {
    Target::Event(id)
}
