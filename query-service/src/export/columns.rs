//! The columns of a file: what each holds of an event, and which kind it is. PURE.
//!
//! Those that the chain covers stand for the whole event; the others are copied from `data`, so that an
//! analyst needs no JSON. A new column goes to the end and raises [`FORMAT`]: readers find columns by name, and
//! files of before do not have it.

use std::borrow::Cow;

use shared_events::event::{Cause, Event, Figures, StockChange};
use shared_events::recorded::RecordedEvent;
use shared_events::redaction::Redacted;
use shared_events::time::Timestamp;
use shared_events::values::{Code, Label};

/// The number of this set of columns, in the metadata of every file.
pub(super) const FORMAT: &str = "1";

/// What one column holds of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    Text(Cow<'a, str>),
    Int(i32),
    Long(i64),
    /// Microseconds since 1970.
    Time(i64),
    Hash([u8; 32]),
}

/// What a column holds of every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text that seldom repeats.
    Text,
    /// Text that often repeats.
    Word,
    Int,
    Long,
    Time,
    Hash,
}

pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    pub(super) of: for<'a> fn(&Source<'a>) -> Option<Cell<'a>>,
}

/// An event, and what its data is about, if this binary knows its type.
pub(super) struct Source<'a> {
    recorded: &'a RecordedEvent,
    event: Option<&'a Event>,
    change: Option<StockChange<'a>>,
    cause: Option<&'a Cause>,
}

impl<'a> Source<'a> {
    pub(super) fn new(recorded: &'a RecordedEvent, event: Option<&'a Event>) -> Self {
        let change = event.and_then(Event::stock_change);
        let cause = change.map(|change| change.cause).or_else(|| {
            let event = event?;
            let reservation = event.reservation_step().map(|step| &step.cause);
            let transfer = || event.transfer_step().map(|step| &step.cause);
            let order = || event.order_step().map(|step| &step.cause);
            reservation.or_else(transfer).or_else(order)
        });
        Self { recorded, event, change, cause }
    }

    fn after(&self) -> Option<Figures> {
        self.change.map(|change| change.after)
    }

    fn delta(&self) -> Option<Figures> {
        self.change.map(|change| change.delta)
    }

    fn redacted(&self) -> Option<&'a Redacted> {
        self.recorded.redacted.as_deref()
    }

    fn reservation(&self) -> Option<&'a str> {
        let of_stock = self.change.and_then(|change| change.reservation).map(|one| one.id.as_str());
        of_stock
            .or_else(|| Some(self.event?.reservation_step()?.after.id.as_str()))
            .or_else(|| self.event?.order_step()?.after.reservation.as_ref().map(|id| id.as_str()))
    }

    fn transfer(&self) -> Option<&'a str> {
        let of_stock = self.change.and_then(|change| change.transfer).map(|one| one.id.as_str());
        of_stock.or_else(|| Some(self.event?.transfer_step()?.after.id.as_str()))
    }

    fn order(&self) -> Option<&'a str> {
        let event = self.event?;
        let of_order = event.order_step().map(|step| step.after.id.as_str());
        of_order.or_else(|| event.reservation_step()?.order.as_ref().map(|id| id.as_str()))
    }
}

/// What was removed, with commas, as in the header on Kafka.
fn members(redacted: &Redacted) -> String {
    redacted.members.iter().map(|member| member.as_str()).collect::<Vec<_>>().join(",")
}

fn text(text: &str) -> Option<Cell<'_>> {
    Some(Cell::Text(Cow::Borrowed(text)))
}

fn written<'a>(text: impl ToString) -> Option<Cell<'a>> {
    Some(Cell::Text(Cow::Owned(text.to_string())))
}

fn label(label: Option<&Label>) -> Option<Cell<'_>> {
    label.map(Label::as_str).and_then(text)
}

fn long<'a>(amount: Option<i64>) -> Option<Cell<'a>> {
    amount.map(Cell::Long)
}

fn time<'a>(time: Timestamp) -> Option<Cell<'a>> {
    Some(Cell::Time(time.unix_micros()))
}

/// `!`: every event has it; `?`: some have.
macro_rules! columns {
    ($($name:ident: $kind:ident $required:tt $of:expr;)+) => {
        /// Every column, in the order of the file.
        pub(super) const COLUMNS: &[Column] = &[$(Column {
            name: stringify!($name),
            kind: Kind::$kind,
            is_required: columns!(@ $required),
            of: $of,
        },)+];
    };
    (@ !) => { true };
    (@ ?) => { false };
}

columns! {
    id: Text ! |one| written(one.recorded.id());
    lane: Int ! |one| Some(Cell::Int(one.recorded.lane.0.into()));
    position: Long ! |one| long(Some(one.recorded.position.0));
    stream: Word ! |one| written(&one.recorded.stream);
    version: Long ! |one| long(Some(one.recorded.version.0));
    type: Word ! |one| text(&one.recorded.event_type);
    schema_version: Int ! |one| Some(Cell::Int(one.recorded.schema_version.into()));
    occurred_at: Time ! |one| time(one.recorded.occurred_at);
    recorded_at: Time ! |one| time(one.recorded.recorded_at);
    actor: Word ? |one| label(one.recorded.actor.as_ref());
    caller: Word ? |one| label(one.recorded.caller.as_ref());
    correlation_id: Word ! |one| text(one.recorded.correlation_id.as_str());
    causation_id: Word ? |one| label(one.recorded.causation_id.as_ref());
    data: Text ! |one| text(one.recorded.data.get());
    personal_subject: Word ? |one| label(one.recorded.personal.as_deref().map(|personal| &personal.subject));
    personal_sealed: Text ? |one| one.recorded.personal.as_deref().and_then(|personal| text(&personal.sealed));
    redacted: Word ? |one| one.redacted().and_then(|redacted| written(members(redacted)));
    data_hash: Hash ? |one| one.redacted().map(|redacted| Cell::Hash(redacted.data_hash.0));
    personal_hash: Hash ? |one| one.redacted()?.personal_hash.map(|hash| Cell::Hash(hash.0));
    chain: Hash ! |one| Some(Cell::Hash(one.recorded.chain.0));
    sku: Word ? |one| one.change.and_then(|change| text(change.sku.as_str()));
    location: Word ? |one| one.change.and_then(|change| text(change.location.as_str()));
    on_hand: Long ? |one| long(one.after().map(|after| after.on_hand));
    reserved: Long ? |one| long(one.after().map(|after| after.reserved));
    allocated: Long ? |one| long(one.after().map(|after| after.allocated));
    incoming: Long ? |one| long(one.after().map(|after| after.incoming));
    waiting: Long ? |one| long(one.after().map(|after| after.waiting));
    delta_on_hand: Long ? |one| long(one.delta().map(|delta| delta.on_hand));
    delta_reserved: Long ? |one| long(one.delta().map(|delta| delta.reserved));
    delta_allocated: Long ? |one| long(one.delta().map(|delta| delta.allocated));
    delta_incoming: Long ? |one| long(one.delta().map(|delta| delta.incoming));
    delta_waiting: Long ? |one| long(one.delta().map(|delta| delta.waiting));
    reservation_id: Word ? |one| one.reservation().and_then(text);
    transfer_id: Word ? |one| one.transfer().and_then(text);
    order_id: Word ? |one| one.order().and_then(text);
    reason: Word ? |one| one.cause?.reason.as_ref().map(Code::as_str).and_then(text);
    reference_type: Word ? |one| label(one.cause?.reference.as_ref().map(|one| &one.kind));
    reference_id: Word ? |one| label(one.cause?.reference.as_ref().map(|one| &one.id));
}
