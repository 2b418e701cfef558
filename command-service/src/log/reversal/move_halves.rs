//! Finds the other half of a move. Both halves are reversed together, so that no goods appear or vanish.
//!
//! A move records its two halves one after the other in the item's lane. A reversal does the same with
//! their opposites, and so does the reversal of a reversal.

use shared_events::event::Event;
use shared_events::lane::{EventId, Position};
use shared_events::recorded::RecordedEvent;
use sqlx::PgConnection;

use crate::log::load::LoadError;
use crate::log::row::{EventRow, lane_number};

/// The longest chain of reversals of reversals in which halves are found.
const DEPTH_MAX: usize = 100;

/// An event and, if it is half of a move or reverses one, the other half. Empty if the event does not
/// exist.
pub(crate) async fn event_and_other_half(
    connection: &mut PgConnection,
    id: EventId,
) -> Result<Vec<EventRow>, LoadError> {
    // 1. Follow the reversals back to the original event.
    let mut chain = Vec::new();
    let mut next = Some(id);
    while let Some(id) = next.take().filter(|_| chain.len() < DEPTH_MAX) {
        let neighbourhood = Neighbourhood::read(connection, id).await?;
        next = neighbourhood.reversed()?;
        chain.push(neighbourhood);
    }
    // 2. Find its other half, and follow that half's reversals forward.
    let mut current = chain.pop();
    let mut half = current.as_ref().and_then(Neighbourhood::other_half);
    while let Some(later) = chain.pop() {
        half = match half {
            Some(half) => later.reversal_of(half)?,
            None => None,
        };
        current = Some(later);
    }
    let belongs = |EventRow(event): &EventRow| event.id() == id || Some(event.id()) == half;
    Ok(current.map_or_else(Vec::new, |current| current.rows.into_iter().filter(belongs).collect()))
}

/// An event and its neighbours in the lane.
struct Neighbourhood {
    id: EventId,
    rows: Vec<EventRow>,
}

impl Neighbourhood {
    async fn read(connection: &mut PgConnection, id: EventId) -> Result<Self, LoadError> {
        let rows = sqlx::query_as(include_str!("../../../queries/read_neighbours.sql"))
            .bind(lane_number(id.0))
            .bind(id.1.0)
            .fetch_all(connection)
            .await?;
        Ok(Self { id, rows })
    }

    fn event(&self) -> Option<&RecordedEvent> {
        self.rows.iter().map(|EventRow(event)| event).find(|event| event.id() == self.id)
    }

    /// The event that this one reverses, if it is a reversal.
    fn reversed(&self) -> Result<Option<EventId>, LoadError> {
        self.event().map_or(Ok(None), reversed_event)
    }

    fn other_half(&self) -> Option<EventId> {
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

    fn reversal_of(&self, half: EventId) -> Result<Option<EventId>, LoadError> {
        for EventRow(event) in &self.rows {
            if reversed_event(event)? == Some(half) {
                return Ok(Some(event.id()));
            }
        }
        Ok(None)
    }
}

/// The event that this one reverses, if it is a reversal.
fn reversed_event(event: &RecordedEvent) -> Result<Option<EventId>, LoadError> {
    if event.event_type != "StockReversed" {
        return Ok(None);
    }
    match event.event() {
        Ok(Event::StockReversed(reversed)) => Ok(Some(reversed.reverses)),
        Ok(_) => Ok(None),
        Err(source) => Err(LoadError::Unreadable { stream: event.stream.clone(), source }),
    }
}
