//! What others' events ask of a reservation, without an orchestrator.

use shared_events::event::{Event, ReservationStep, StepRefused};
use shared_events::payment::HoldOutcome;
use shared_events::time::Timestamp;

use super::reservation;
use crate::command::{ChangeReservation, SettleReservation, Step};
use crate::rejection::Rejection;
use crate::working_set::Inventory;

/// Confirms what is paid and releases what is refused. A step that is not possible is an event, on which the sender
/// can act.
pub(super) fn settle(
    inventory: &Inventory,
    now: Timestamp,
    command: &SettleReservation,
) -> Result<Vec<Event>, Rejection> {
    let (name, step) = match command.outcome {
        HoldOutcome::Paid => ("confirm", Step::Confirm),
        HoldOutcome::Refused => ("release", Step::Release(None)),
        HoldOutcome::Refunded => return Ok(Vec::new()),
    };
    let (id, cause) = (command.id.clone(), command.cause.clone());
    let change = ChangeReservation { id, step, precondition: None, cause };
    let rejection = match reservation::change_reservation(inventory, now, &change, None) {
        Ok(events) => return Ok(events),
        Err(rejection) => rejection,
    };
    let state = inventory.reservation(&command.id);
    let Some(after) = state.and_then(|state| state.details.clone()) else {
        return Err(rejection);
    };
    let cause = command.cause.clone();
    Ok(vec![Event::ReservationStepRefused(StepRefused {
        step: name.parse().expect("a word is a code"),
        code: rejection.code(),
        of: ReservationStep { parts: Vec::new(), after, order: None, cause },
    })])
}
