//! The two halves of a move, which are only taken back together: else units would appear or vanish.
//!
//! A command leaves both halves one after the other in the item's lane, and a reversal takes both back
//! one after the other too, however often a move is reversed, and the reversal reversed.

use shared_events::event::Event;
use shared_events::lane::{EventId, Position};
use shared_events::recorded::RecordedEvent;
use sqlx::PgConnection;

use super::{EventRow, LoadError, lane_number};

/// How often a reversal may have been reversed for its halves to be found.
const DEPTH_MAX: usize = 100;

/// An event, and where it is a half of a move, or takes one back, the other half. Nothing where there
/// is no such event.
pub(super) async fn event_and_other_half(
    connection: &mut PgConnection,
    id: EventId,
) -> Result<Vec<EventRow>, LoadError> {
    // 1. Go back to what was booked first.
    let mut places = Vec::new();
    let mut next = Some(id);
    while let Some(id) = next.take().filter(|_| places.len() < DEPTH_MAX) {
        let place = Place::read(connection, id).await?;
        next = place.reverses()?;
        places.push(place);
    }
    // 2. Come back with the other half, if that was a half.
    let mut half = None;
    let mut place = places.pop();
    if let Some(first) = &place {
        half = first.half_of_move();
    }
    while let Some(later) = places.pop() {
        half = match half {
            Some(half) => later.neighbour_that_reverses(half)?,
            None => None,
        };
        place = Some(later);
    }
    let belongs = |EventRow(event): &EventRow| event.id() == id || Some(event.id()) == half;
    Ok(place.map_or_else(Vec::new, |place| place.rows.into_iter().filter(belongs).collect()))
}

/// An event and its neighbours in the lane.
struct Place {
    id: EventId,
    rows: Vec<EventRow>,
}

impl Place {
    async fn read(connection: &mut PgConnection, id: EventId) -> Result<Self, LoadError> {
        let rows = sqlx::query_as(include_str!("../../../queries/read_move.sql"))
            .bind(lane_number(id.0))
            .bind(id.1.0)
            .fetch_all(connection)
            .await?;
        Ok(Self { id, rows })
    }

    fn event(&self) -> Option<&RecordedEvent> {
        self.rows.iter().map(|EventRow(event)| event).find(|event| event.id() == self.id)
    }

    /// What the event takes back, if it takes something back.
    fn reverses(&self) -> Result<Option<EventId>, LoadError> {
        self.event().map_or(Ok(None), reversed_by)
    }

    fn half_of_move(&self) -> Option<EventId> {
        let event = self.event()?;
        let (half, position) = match event.event_type.as_str() {
            "StockMovedOut" => ("StockMovedIn", event.position.0 + 1),
            "StockMovedIn" => ("StockMovedOut", event.position.0 - 1),
            _ => return None,
        };
        let other = self.rows.iter().map(|EventRow(other)| other);
        let other = other.filter(|other| other.correlation_id == event.correlation_id);
        let mut other = other.filter(|other| other.position == Position(position));
        other.find(|other| other.event_type == half).map(RecordedEvent::id)
    }

    fn neighbour_that_reverses(&self, half: EventId) -> Result<Option<EventId>, LoadError> {
        for EventRow(event) in &self.rows {
            if reversed_by(event)? == Some(half) {
                return Ok(Some(event.id()));
            }
        }
        Ok(None)
    }
}

/// What an event takes back, if it takes something back.
fn reversed_by(event: &RecordedEvent) -> Result<Option<EventId>, LoadError> {
    if event.event_type != "StockReversed" {
        return Ok(None);
    }
    match event.event() {
        Ok(Event::StockReversed(reversed)) => Ok(Some(reversed.reverses)),
        Ok(_) => Ok(None),
        Err(source) => Err(LoadError::Unreadable { stream: event.stream.clone(), source }),
    }
}
