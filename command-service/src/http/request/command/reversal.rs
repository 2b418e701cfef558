//! Taking back what was booked.

use shared_events::event::Cause;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReversalId, Sku};
use uuid::Uuid;

use super::super::cause::cause;
use super::super::reader::Members;
use super::super::value::{text, word};
use crate::inventory::{Command, Reverse, Target};
use crate::reversals::WindowBy;

/// How a reversal may say what it takes back. A window is a request of its own, never one of a
/// batch, because it takes more than one transaction.
const TARGETS: [&str; 3] = ["event", "correlation_id", "reversal"];
const WINDOW: &str = "window";

const MOMENTS: [(&str, WindowBy); 2] =
    [("recorded_at", WindowBy::RecordedAt), ("occurred_at", WindowBy::OccurredAt)];

/// What a request of its own takes back.
#[derive(Debug)]
pub(in crate::http::request) enum Reversal {
    /// At once.
    Now(Reverse),
    /// What was booked in a window, one correlation after another.
    Window { id: ReversalId, window: Window, cause: Cause },
}

/// Which bookings a reversal of a window takes back.
#[derive(Debug)]
pub(in crate::http::request) struct Window {
    /// Which of their moments lies in the window.
    pub(in crate::http::request) by: WindowBy,
    /// Its first moment.
    pub(in crate::http::request) from: Timestamp,
    /// The first moment after it.
    pub(in crate::http::request) to: Timestamp,
    /// Only of this item.
    pub(in crate::http::request) sku: Option<Sku>,
    /// Only at this location.
    pub(in crate::http::request) location: Option<LocationCode>,
    /// Only what this actor asked for.
    pub(in crate::http::request) actor: Option<Label>,
}

/// A reversal in a batch.
pub(super) fn reverse(body: &mut Members<'_>) -> Option<Command> {
    one_of(body, &TARGETS);
    let target = target(body);
    let cause = cause(body);
    Some(Command::Reverse(Reverse { id: new_id(), target: target?, cause }))
}

/// A reversal in a request of its own.
pub(in crate::http::request) fn reversal(body: &mut Members<'_>) -> Option<Reversal> {
    let [event, correlation, reversal] = TARGETS;
    one_of(body, &[event, correlation, reversal, WINDOW]);
    let target = target(body);
    let window = body.object(WINDOW, window);
    let (id, cause) = (new_id(), cause(body));
    match window {
        Some(window) => Some(Reversal::Window { id, window, cause }),
        None => Some(Reversal::Now(Reverse { id, target: target?, cause })),
    }
}

fn new_id() -> ReversalId {
    ReversalId::new(Uuid::now_v7())
}

fn one_of(body: &mut Members<'_>, names: &[&str]) {
    if names.iter().filter(|name| body.has(name)).count() != 1 {
        body.note_self(format!("must have exactly one of {}", names.join(", ")));
    }
}

fn target(body: &mut Members<'_>) -> Option<Target> {
    let [event, correlation, reversal] = TARGETS;
    let event = body.optional(event, text).map(Target::Event);
    let correlation = body.optional(correlation, text).map(Target::Correlation);
    let reversal = body.optional(reversal, text).map(Target::Reversal);
    event.or(correlation).or(reversal)
}

fn window(window: &mut Members<'_>) -> Option<Window> {
    let by = window.required("by", word(&MOMENTS));
    let from = window.required("from", text);
    let to = window.required("to", |value| match (from, text(value)?) {
        (Some(from), to) if to <= from => Err("must be after `from`".to_owned()),
        (_, to) => Ok(to),
    });
    let sku = window.optional("sku", text);
    let location = window.optional("location", text);
    let actor = window.optional("actor", text);
    Some(Window { by: by?, from: from?, to: to?, sku, location, actor })
}
