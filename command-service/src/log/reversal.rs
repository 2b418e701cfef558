//! The targets of reversals: their events, whether those are reversed, and what depends on them.
//!
//! All of it follows from events in the lanes of the targets. So what was read holds for a batch whose
//! append finds the heads of these lanes where they were before the reading.

pub(crate) mod dry_run;
mod move_halves;

use std::collections::{HashMap, HashSet};

use inventory::{Inventory, Target, TargetEvent, item_and_stock};
use shared_events::event::{Event, StockChange, TransferRef};
use shared_events::lane::EventId;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::values::LocationCode;
use sqlx::{PgConnection, Row};

use super::load::LoadError;
use super::row::{self, EventRow};

/// The most events that one reversal may reverse.
pub(crate) const REVERSED_EVENTS_MAX: usize = 5_000;

/// The events that a target names.
#[derive(Debug)]
pub(crate) enum Selection {
    /// Empty if nothing is recorded under the target.
    Events(Vec<SelectedEvent>),
    /// More than [`REVERSED_EVENTS_MAX`].
    TooMany,
}

#[derive(Debug)]
pub(crate) struct SelectedEvent {
    recorded: RecordedEvent,
    event: Event,
}

impl Selection {
    /// The streams that decide whether the events can be reversed.
    pub(crate) fn streams(&self) -> impl Iterator<Item = Stream> + '_ {
        let changes = self.events().iter().filter_map(|selected| selected.event.stock_change());
        changes.flat_map(|change| item_and_stock(change.sku, change.location))
    }

    /// The locations that the events are about; `None` if there are too many events.
    pub(crate) fn locations(&self) -> Option<Vec<LocationCode>> {
        match self {
            Self::Events(events) => {
                let named = events.iter().flat_map(|selected| selected.event.locations());
                Some(named.cloned().collect())
            }
            Self::TooMany => None,
        }
    }

    fn events(&self) -> &[SelectedEvent] {
        match self {
            Self::Events(events) => events,
            Self::TooMany => &[],
        }
    }

    /// Reads the events of a target.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        target: &Target,
    ) -> Result<Self, LoadError> {
        let limit = i64::try_from(REVERSED_EVENTS_MAX + 1).expect("a small number");
        let rows: Vec<EventRow> = match target {
            Target::Event(id) => move_halves::event_and_other_half(connection, *id).await?,
            Target::Correlation(id) => {
                sqlx::query_as(include_str!("../../queries/read_correlation.sql"))
                    .bind(id.as_str())
                    .bind(limit)
                    .fetch_all(connection)
                    .await?
            }
            Target::Reversal(id) => {
                sqlx::query_as(include_str!("../../queries/read_reversal.sql"))
                    .bind(id.as_str())
                    .bind(limit)
                    .fetch_all(connection)
                    .await?
            }
            Target::Events(ids) => row::events_at(connection, ids).await?,
        };
        if rows.len() > REVERSED_EVENTS_MAX {
            return Ok(Self::TooMany);
        }
        let selected = |EventRow(recorded): EventRow| match recorded.event() {
            Ok(event) => Ok(SelectedEvent { recorded, event }),
            Err(source) => Err(LoadError::Unreadable { stream: recorded.stream, source }),
        };
        Ok(Self::Events(rows.into_iter().map(selected).collect::<Result<_, _>>()?))
    }
}

/// Inserts the targets of a batch's reversals into the working set: their events, whether those are
/// reversed, and which later events may prevent it.
pub(crate) async fn insert_targets(
    connection: &mut PgConnection,
    selections: &HashMap<Target, Selection>,
    inventory: &mut Inventory,
) -> Result<(), LoadError> {
    let events: Vec<&SelectedEvent> = selections.values().flat_map(Selection::events).collect();
    if events.is_empty() {
        return Ok(());
    }
    let reversed = find_reversed(connection, &events).await?;
    let short = short_streams(&events, &reversed, inventory);
    let on_short: Vec<&SelectedEvent> =
        events.iter().copied().filter(|event| short.contains(&event.recorded.stream)).collect();
    let dependents = find_dependents(connection, &on_short).await?;
    let promises = find_promises(connection, &short).await?;
    let later_steps = find_later_steps(connection, &events).await?;
    for (target, selection) in selections {
        let targets = selection.events().iter().map(|selected| {
            let id = selected.recorded.id();
            let event = TargetEvent {
                event: selected.event.clone(),
                occurred_at: selected.recorded.occurred_at,
                is_reversed: reversed.contains_key(&id),
                reversed_by: reversed.get(&id).copied(),
                dependents: dispatched(&selected.event)
                    .and_then(|transfer| later_steps.get(&transfer))
                    .or_else(|| dependents.get(&id))
                    .cloned()
                    .unwrap_or_default(),
                promises: promises.get(&selected.recorded.stream).cloned().unwrap_or_default(),
            };
            (id, event)
        });
        inventory.insert_selection(target.clone(), targets);
    }
    Ok(())
}

/// The streams that have less available than their target events added. Only on these can later events
/// prevent a reversal.
fn short_streams(
    events: &[&SelectedEvent],
    reversed: &HashMap<EventId, EventId>,
    inventory: &Inventory,
) -> HashSet<Stream> {
    let mut sums: HashMap<&Stream, (i64, i64)> = HashMap::new();
    for selected in events.iter().filter(|event| !reversed.contains_key(&event.recorded.id())) {
        let Some(StockChange { sku, location, delta, .. }) = selected.event.stock_change() else {
            continue;
        };
        let available = || inventory.stock(sku, location).figures.available();
        let (_, added) = sums.entry(&selected.recorded.stream).or_insert_with(|| (available(), 0));
        *added = added.saturating_add(delta.on_hand.max(0));
    }
    let short = sums.into_iter().filter(|(_, (available, added))| available < added);
    short.map(|(stream, _)| stream.clone()).collect()
}

async fn find_reversed(
    connection: &mut PgConnection,
    events: &[&SelectedEvent],
) -> Result<HashMap<EventId, EventId>, LoadError> {
    let (lanes, positions) = ids(events);
    let rows = sqlx::query(include_str!("../../queries/find_reversed.sql"))
        .bind(lanes)
        .bind(positions)
        .fetch_all(connection)
        .await?;
    let pair = |row| {
        let by = row::event_id(row, "by_lane", "by_position")?;
        Ok((row::event_id(row, "lane", "position")?, by))
    };
    Ok(rows.iter().map(pair).collect::<sqlx::Result<_>>()?)
}

async fn find_dependents(
    connection: &mut PgConnection,
    events: &[&SelectedEvent],
) -> Result<HashMap<EventId, Vec<EventId>>, LoadError> {
    let mut dependents: HashMap<EventId, Vec<EventId>> = HashMap::new();
    if events.is_empty() {
        return Ok(dependents);
    }
    let (lanes, positions) = ids(events);
    let streams: Vec<String> =
        events.iter().map(|event| event.recorded.stream.to_string()).collect();
    let versions: Vec<i64> = events.iter().map(|event| event.recorded.version.0).collect();
    let rows = sqlx::query(include_str!("../../queries/find_dependents.sql"))
        .bind(lanes)
        .bind(positions)
        .bind(streams)
        .bind(versions)
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let dependent = row::event_id(row, "lane", "dependent")?;
        dependents.entry(row::event_id(row, "lane", "position")?).or_default().push(dependent);
    }
    Ok(dependents)
}

/// The events that made the promises which still stand, by stream.
async fn find_promises(
    connection: &mut PgConnection,
    streams: &HashSet<Stream>,
) -> Result<HashMap<Stream, Vec<EventId>>, LoadError> {
    let mut promises: HashMap<Stream, Vec<EventId>> = HashMap::new();
    if streams.is_empty() {
        return Ok(promises);
    }
    let names: HashMap<String, &Stream> =
        streams.iter().map(|stream| (stream.to_string(), stream)).collect();
    let rows = sqlx::query(include_str!("../../queries/find_promises.sql"))
        .bind(names.keys().cloned().collect::<Vec<String>>())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        if let Some(stream) = names.get(row.try_get::<&str, _>("stream")?) {
            let promise = row::event_id(row, "lane", "position")?;
            promises.entry((*stream).clone()).or_default().push(promise);
        }
    }
    Ok(promises)
}

/// The transfer that an event dispatched.
fn dispatched(event: &Event) -> Option<Stream> {
    let id = match event {
        Event::TransferDispatched(step) => &step.after.id,
        Event::StockDispatched(_) | Event::StockExpected(_) => {
            event.stock_change()?.transfer.map(|TransferRef { id, .. }| id)?
        }
        _ => return None,
    };
    Some(Stream::Transfer(id.clone()))
}

/// What became of the transfers that events dispatched: their later steps.
async fn find_later_steps(
    connection: &mut PgConnection,
    events: &[&SelectedEvent],
) -> Result<HashMap<Stream, Vec<EventId>>, LoadError> {
    let mut later: HashMap<Stream, Vec<EventId>> = HashMap::new();
    let transfers: HashMap<String, Stream> = events
        .iter()
        .filter_map(|selected| dispatched(&selected.event))
        .map(|stream| (stream.to_string(), stream))
        .collect();
    if transfers.is_empty() {
        return Ok(later);
    }
    let rows = sqlx::query(include_str!("../../queries/find_later_steps.sql"))
        .bind(transfers.keys().cloned().collect::<Vec<String>>())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        if let Some(stream) = transfers.get(row.try_get::<&str, _>("stream")?) {
            let step = row::event_id(row, "lane", "position")?;
            later.entry(stream.clone()).or_default().push(step);
        }
    }
    Ok(later)
}

fn ids(events: &[&SelectedEvent]) -> (Vec<i16>, Vec<i64>) {
    row::lanes_and_positions(events.iter().map(|event| event.recorded.id()))
}
