//! Persons whose keys were deleted.

use shared_events::event::{Event, SubjectForgotten};

use crate::command::ForgetSubject;
use crate::working_set::Inventory;

/// An event for each key of which the log does not say yet that it was deleted.
pub(super) fn forget(inventory: &Inventory, command: &ForgetSubject) -> Vec<Event> {
    let ForgetSubject { subject, keys } = command;
    let known = inventory.subject(subject);
    let is_new = |key| known.is_none_or(|state| !state.forgotten.contains(key));
    let forgotten = |key: &_| SubjectForgotten { subject: subject.clone(), key: Clone::clone(key) };
    keys.iter()
        .filter(|key| is_new(*key))
        .map(|key| Event::SubjectForgotten(forgotten(key)))
        .collect()
}
