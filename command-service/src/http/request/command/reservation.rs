//! The life of a reservation.

use shared_events::reservation::Part;
use shared_events::slot::slot_of;
use shared_events::values::ReservationId;
use uuid::Uuid;

use super::super::address::Address;
use super::super::cause::cause;
use super::super::reader::Members;
use super::super::value::{line_number, quantity, text, ttl_seconds, word};
use super::LINES_MAX;
use super::stock::stock_line;
use crate::inventory::{ChangeReservation, Command, Policy, ReserveStock, Step};

const POLICIES: [(&str, Policy); 2] = [("all", Policy::All), ("partial", Policy::Partial)];

pub(super) fn reserve_stock(body: &mut Members<'_>) -> Option<Command> {
    let owner = body.required("owner", text);
    let lines = body.list("lines", LINES_MAX, stock_line);
    let ttl_seconds = body.required("ttl_seconds", ttl_seconds);
    let policy = body.optional("policy", word(&POLICIES)).unwrap_or(Policy::All);
    let cause = cause(body);
    let lines = lines?;
    let slot = slot_of(lines.first()?.sku.as_str());
    Some(Command::ReserveStock(ReserveStock {
        id: ReservationId::new(slot, Uuid::now_v7()),
        owner: owner?,
        lines,
        ttl_seconds: ttl_seconds?,
        policy,
        cause,
    }))
}

/// A step in the life of a reservation that exists.
pub(super) fn change(
    address: Address<'_>,
    body: &mut Members<'_>,
    step: fn(&mut Members<'_>) -> Option<Step>,
) -> Option<Command> {
    let id = address.made_subject("id", body);
    let expected_version = address.expected_version(body);
    let step = step(body);
    let cause = cause(body);
    Some(Command::ChangeReservation(ChangeReservation {
        id: id?,
        step: step?,
        expected_version,
        cause,
    }))
}

pub(super) fn extend(body: &mut Members<'_>) -> Option<Step> {
    let ttl_seconds = body.required("ttl_seconds", ttl_seconds)?;
    Some(Step::Extend { ttl_seconds })
}

pub(super) fn confirm(_body: &mut Members<'_>) -> Option<Step> {
    Some(Step::Confirm)
}

pub(super) fn release(body: &mut Members<'_>) -> Option<Step> {
    Some(Step::Release(parts_or_whole(body)))
}

pub(super) fn cancel(body: &mut Members<'_>) -> Option<Step> {
    Some(Step::Cancel(parts_or_whole(body)))
}

pub(super) fn fulfil(body: &mut Members<'_>) -> Option<Step> {
    Some(Step::Fulfil(parts_or_whole(body)))
}

pub(super) fn take_back(body: &mut Members<'_>) -> Option<Step> {
    body.list("lines", LINES_MAX, part).map(Step::Return)
}

/// Nothing stands for the whole; it does so after a fault too, which refuses the request.
fn parts_or_whole(body: &mut Members<'_>) -> Option<Vec<Part>> {
    body.optional_list("lines", LINES_MAX, part)
}

fn part(part: &mut Members<'_>) -> Option<Part> {
    let line = part.required("line", line_number);
    let quantity = part.required("quantity", quantity);
    Some(Part { line: line?, quantity: quantity? })
}
