//! Bodies that say what an accepted command did.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use serde::Serialize;
use shared_events::event::{DecodeError, Event, Reference, StockChange};
use shared_events::lane::{EventId, PositionToken, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::{Reservation, ReservationLine, ReservationStatus};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::transfer::Transfer;
use shared_events::values::{Label, LocationCode, ReservationId, ReversalId, Sku};
use utoipa::ToSchema;

use super::order::OrderAnswer;
use super::shapes::{ReferenceShape, TransferShape, reservation_status};
use crate::log::submission::Unchanged;

/// What an accepted command did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The position token that reflects the command; absent when it was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "3:1042")]
    pub(crate) position: Option<PositionToken>,
    /// The log's time; absent when it was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    recorded_at: Option<Timestamp>,
    /// The correlation id; absent only when a batch was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    correlation_id: Option<Label>,
    /// The reversal's id, where something was reversed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    reversal_id: Option<ReversalId>,
    /// The reservation afterwards, where the command is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ReservationAnswer, required = false)]
    reservation: Option<ReservationAnswer>,
    /// The transfer afterwards, where the command is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = TransferShape, required = false)]
    transfer: Option<Box<Transfer>>,
    /// The order afterwards, where the command is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OrderAnswer, required = false)]
    order: Option<Box<OrderAnswer>>,
    /// Of a redaction: other events of the same commands that hold one of the members.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    pub(crate) also_in: Option<Vec<EventId>>,
    /// What happened, in the order of the command's lines; nothing where there was nothing to do.
    events: Vec<EventLine>,
    /// The figures afterwards, of every item and location whose stock changed.
    figures: Vec<FigureLine>,
}

/// One event of a command.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedEvent)]
struct EventLine {
    /// Absent when the command was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "3-1042")]
    id: Option<EventId>,
    #[schema(value_type = String, example = "stock/85123A/MAIN")]
    stream: Stream,
    /// Absent when the command was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    version: Option<Version>,
    #[serde(rename = "type")]
    event_type: String,
}

/// The stock of an item at a location, in base units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedFigure)]
struct FigureLine {
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = String)]
    location: LocationCode,
    on_hand: i64,
    reserved: i64,
    allocated: i64,
    /// on_hand − reserved − allocated.
    available: i64,
    /// On its way here by transfers.
    incoming: i64,
    /// Asked for by those who wait for it.
    waiting: i64,
    /// Absent when the command was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    version: Option<Version>,
}

/// Where and when events were recorded together.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    pub(crate) position: PositionToken,
    recorded_at: Timestamp,
    correlation_id: Label,
}

impl Recording {
    /// What the events of one transaction share; nothing where there are none.
    pub(crate) fn of(events: &[Arc<RecordedEvent>]) -> Option<Self> {
        events.first().map(|first| Self {
            position: events.iter().map(|event| (event.lane, event.position)).collect(),
            recorded_at: first.recorded_at,
            correlation_id: first.correlation_id.clone(),
        })
    }
}

impl Accepted {
    /// What the recorded events of one command did, and the status that says so.
    pub(crate) fn recorded(
        events: &[Arc<RecordedEvent>],
        recording: Recording,
    ) -> Result<(StatusCode, Self), DecodeError> {
        let mut effect = Effect::default();
        for recorded in events {
            effect.follow(&recorded.event()?, Some((recorded.id(), recorded.version)));
        }
        let status = effect.status();
        let lines = events.iter().map(|event| EventLine::of_recorded(event)).collect();
        let Recording { position, recorded_at, correlation_id } = recording;
        let accepted = Self {
            position: Some(position),
            recorded_at: Some(recorded_at),
            ..effect.accepted(Some(correlation_id), lines)
        };
        Ok((status, accepted))
    }

    /// What the events of one command would do, and the status that would say so.
    pub(crate) fn possible(events: &[Event], correlation_id: Option<Label>) -> (StatusCode, Self) {
        let mut effect = Effect::default();
        for event in events {
            effect.follow(event, None);
        }
        let status = effect.status();
        let lines = events.iter().map(EventLine::of_possible).collect();
        (status, effect.accepted(correlation_id, lines))
    }

    /// Nothing happened because there was nothing to do.
    pub(crate) fn unchanged(unchanged: Unchanged) -> Self {
        let Unchanged { position, recorded_at, correlation_id, reservation } = unchanged;
        Self {
            position: Some(position),
            recorded_at: Some(recorded_at),
            reservation: reservation.map(ReservationAnswer::from),
            ..Effect::default().accepted(Some(correlation_id), Vec::new())
        }
    }
}

impl EventLine {
    fn of_recorded(event: &RecordedEvent) -> Self {
        Self {
            id: Some(event.id()),
            stream: event.stream.clone(),
            version: Some(event.version),
            event_type: event.event_type.clone(),
        }
    }

    fn of_possible(event: &Event) -> Self {
        Self {
            id: None,
            stream: event.stream(),
            version: None,
            event_type: event.event_type().to_owned(),
        }
    }
}

/// What a command's events come to, one after another.
#[derive(Debug, Default)]
struct Effect {
    names_something_new: bool,
    reservation: Option<Reservation>,
    transfer: Option<Transfer>,
    order: Option<OrderAnswer>,
    is_begun: bool,
    reversal_id: Option<ReversalId>,
    /// The last figures of every stock stream, in the order in which the streams first appear.
    figures: Vec<FigureLine>,
    places: HashMap<(Sku, LocationCode), usize>,
}

impl Effect {
    /// Follows an event with its place in the log, if it has one.
    fn follow(&mut self, event: &Event, place: Option<(EventId, Version)>) {
        self.names_something_new |= matches!(
            event,
            Event::ItemRegistered(_)
                | Event::LocationRegistered(_)
                | Event::ReservationHeld(_)
                | Event::ReservationWaitlisted(_)
                | Event::TransferDispatched(_)
        );
        if let Some(step) = event.reservation_step() {
            self.reservation = Some(step.after.clone());
        }
        if let Some(step) = event.transfer_step() {
            self.transfer = Some(step.after.clone());
        }
        if let Some(step) = event.order_step() {
            self.is_begun |= matches!(event, Event::OrderPlaced(_));
            let earlier = self.order.take();
            self.order = Some(OrderAnswer::of(&step.after, earlier, place));
        }
        if let Event::StockReversed(reversed) = event {
            self.reversal_id = Some(reversed.reversal.clone());
        }
        if let Some(change) = event.stock_change() {
            self.count(change, place.map(|(_, version)| version));
        }
    }

    fn count(&mut self, change: StockChange<'_>, version: Option<Version>) {
        let StockChange { sku, location, after, .. } = change;
        let line = FigureLine {
            sku: sku.clone(),
            location: location.clone(),
            on_hand: after.on_hand,
            reserved: after.reserved,
            allocated: after.allocated,
            available: after.available(),
            incoming: after.incoming,
            waiting: after.waiting,
            version,
        };
        let next = self.figures.len();
        match *self.places.entry((sku.clone(), location.clone())).or_insert(next) {
            place if place == next => self.figures.push(line),
            place => self.figures[place] = line,
        }
    }

    fn status(&self) -> StatusCode {
        match (self.is_begun, self.names_something_new) {
            (true, _) => StatusCode::ACCEPTED,
            (false, true) => StatusCode::CREATED,
            (false, false) => StatusCode::OK,
        }
    }

    /// The body without its place in the log.
    fn accepted(self, correlation_id: Option<Label>, events: Vec<EventLine>) -> Accepted {
        Accepted {
            position: None,
            recorded_at: None,
            correlation_id,
            reversal_id: self.reversal_id,
            reservation: self.reservation.map(ReservationAnswer::from),
            transfer: self.transfer.map(Box::new),
            order: self.order.map(Box::new),
            also_in: None,
            events,
            figures: self.figures,
        }
    }
}

/// Stock that is held for somebody until a moment, then promised firmly or released.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reservation)]
pub(crate) struct ReservationAnswer {
    #[schema(value_type = String, example = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    id: ReservationId,
    #[schema(value_type = String)]
    owner: Label,
    #[schema(schema_with = reservation_status)]
    status: ReservationStatus,
    /// When the hold ends, or ended; null while the reservation waits and once it was confirmed.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    expires_at: Option<Timestamp>,
    /// When it stops, or would have stopped, waiting; null if it never waited.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    wait_until: Option<Timestamp>,
    /// The priority that it waits, or waited, with; null if it never waited.
    #[schema(required = true, minimum = 0, maximum = 9)]
    priority: Option<u8>,
    #[schema(value_type = Option<ReferenceShape>, inline)]
    reference: Option<Reference>,
    #[schema(inline)]
    lines: Vec<LineAnswer>,
}

/// All amounts in base units.
#[derive(Debug, Serialize, ToSchema)]
struct LineAnswer {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    line: u32,
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = String)]
    location: LocationCode,
    /// What was asked for.
    requested: i64,
    /// What was held.
    quantity: i64,
    /// What waits for stock.
    waiting: i64,
    /// What of it was given back to available: released, cancelled or expired.
    released: i64,
    /// What of it left the stock.
    fulfilled: i64,
    /// What of the fulfilled part came back.
    returned: i64,
}

impl From<ReservationLine> for LineAnswer {
    fn from(of: ReservationLine) -> Self {
        let ReservationLine { line, sku, location, requested, quantity, waiting, .. } = of;
        let ReservationLine { released, fulfilled, returned, .. } = of;
        Self { line, sku, location, requested, quantity, waiting, released, fulfilled, returned }
    }
}

impl From<Reservation> for ReservationAnswer {
    fn from(reservation: Reservation) -> Self {
        let Reservation { id, owner, status, expires_at, wait_until, priority, reference, lines } =
            reservation;
        let expires_at = status.has_expiry().then_some(expires_at);
        let lines = lines.into_iter().map(LineAnswer::from).collect();
        Self { id, owner, status, expires_at, wait_until, priority, reference, lines }
    }
}
