//! The facts that reversals are about: which they are is read before the locks, for what is recorded
//! never changes; what became of them since, after.

mod moved;

use std::collections::{HashMap, HashSet};

use shared_events::event::{Event, StockChange};
use shared_events::lane::EventId;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use sqlx::PgConnection;

use super::load::LoadError;
use super::row::{self, EventRow, lane_number};
use crate::inventory::{Inventory, PastEvent, Target, place};

/// Events that one reversal may take back.
pub(crate) const REVERSED_EVENTS_MAX: usize = 5_000;

/// What a target selects.
#[derive(Debug)]
pub(super) enum Selected {
    /// These facts, none where nothing is recorded of it.
    Facts(Vec<Fact>),
    /// More than one reversal may take back.
    TooMany,
}

/// A recorded fact, with what it means.
#[derive(Debug)]
pub(super) struct Fact {
    recorded: RecordedEvent,
    event: Event,
}

impl Selected {
    /// The streams that decide whether the facts can be taken back.
    pub(super) fn streams(&self) -> impl Iterator<Item = Stream> + '_ {
        let changes = self.facts().iter().filter_map(|fact| fact.event.stock_change());
        changes.flat_map(|change| place(change.sku, change.location))
    }

    fn facts(&self) -> &[Fact] {
        match self {
            Self::Facts(facts) => facts,
            Self::TooMany => &[],
        }
    }
}

/// Reads what a target selects.
pub(super) async fn select(
    connection: &mut PgConnection,
    target: &Target,
) -> Result<Selected, LoadError> {
    let limit = i64::try_from(REVERSED_EVENTS_MAX + 1).expect("a small number");
    let rows: Vec<EventRow> = match target {
        Target::Event(id) => moved::event_and_other_half(connection, *id).await?,
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
        return Ok(Selected::TooMany);
    }
    let fact = |EventRow(recorded): EventRow| match recorded.event() {
        Ok(event) => Ok(Fact { recorded, event }),
        Err(source) => Err(LoadError::Unreadable { stream: recorded.stream, source }),
    };
    Ok(Selected::Facts(rows.into_iter().map(fact).collect::<Result<_, _>>()?))
}

/// Puts into the working set what the reversals of a batch are about: the facts, whether they were
/// taken back, and what stands in the way where they cannot be. To be called with their lanes locked.
pub(super) async fn bring(
    connection: &mut PgConnection,
    selections: &HashMap<Target, Selected>,
    inventory: &mut Inventory,
) -> Result<(), LoadError> {
    let facts: Vec<&Fact> = selections.values().flat_map(Selected::facts).collect();
    if facts.is_empty() {
        return Ok(());
    }
    let reversed = find_reversed(connection, &facts).await?;
    let short = short_streams(&facts, &reversed, inventory);
    let in_the_way: Vec<&Fact> =
        facts.iter().copied().filter(|fact| short.contains(&fact.recorded.stream)).collect();
    let dependents = find_dependents(connection, &in_the_way).await?;
    for (target, selected) in selections {
        let past = selected.facts().iter().map(|fact| {
            let id = fact.recorded.id();
            let past = PastEvent {
                event: fact.event.clone(),
                is_reversed: reversed.contains_key(&id),
                reversed_by: reversed.get(&id).copied(),
                dependents: dependents.get(&id).cloned().unwrap_or_default(),
            };
            (id, past)
        });
        inventory.insert_selection(target.clone(), past);
    }
    Ok(())
}

/// The streams that have less available than their facts brought in: only there can anything stand in
/// the way.
fn short_streams(
    facts: &[&Fact],
    reversed: &HashMap<EventId, EventId>,
    inventory: &Inventory,
) -> HashSet<Stream> {
    let mut taken: HashMap<&Stream, (i64, i64)> = HashMap::new();
    for fact in facts.iter().filter(|fact| !reversed.contains_key(&fact.recorded.id())) {
        let Some(StockChange { sku, location, delta, .. }) = fact.event.stock_change() else {
            continue;
        };
        let available = || inventory.stock(sku, location).figures.available();
        let (_, brought) = taken.entry(&fact.recorded.stream).or_insert_with(|| (available(), 0));
        *brought = brought.saturating_add(delta.on_hand.max(0));
    }
    let short = taken.into_iter().filter(|(_, (available, brought))| available < brought);
    short.map(|(stream, _)| stream.clone()).collect()
}

async fn find_reversed(
    connection: &mut PgConnection,
    facts: &[&Fact],
) -> Result<HashMap<EventId, EventId>, LoadError> {
    let (lanes, positions) = row::lanes_and_positions(facts.iter().map(|fact| fact.recorded.id()));
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
    facts: &[&Fact],
) -> Result<HashMap<EventId, Vec<EventId>>, LoadError> {
    let mut dependents: HashMap<EventId, Vec<EventId>> = HashMap::new();
    if facts.is_empty() {
        return Ok(dependents);
    }
    let (lanes, positions) = row::lanes_and_positions(facts.iter().map(|fact| fact.recorded.id()));
    let streams: Vec<String> = facts.iter().map(|fact| fact.recorded.stream.to_string()).collect();
    let versions: Vec<i64> = facts.iter().map(|fact| fact.recorded.version.0).collect();
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

/// Which facts a batch takes back, in the columns of `reversals`.
#[derive(Debug, Default)]
pub(super) struct Reversals {
    lanes: Vec<i16>,
    positions: Vec<i64>,
    by_lanes: Vec<i16>,
    by_positions: Vec<i64>,
    reversals: Vec<String>,
}

impl Reversals {
    /// Notes an event, if it takes another back.
    pub(super) fn add(&mut self, event: &Event, by: EventId) {
        let Event::StockReversed(reversed) = event else {
            return;
        };
        self.lanes.push(lane_number(reversed.reverses.0));
        self.positions.push(reversed.reverses.1.0);
        self.by_lanes.push(lane_number(by.0));
        self.by_positions.push(by.1.0);
        self.reversals.push(reversed.reversal.to_string());
    }

    /// Writes them.
    pub(super) async fn save(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if self.lanes.is_empty() {
            return Ok(());
        }
        sqlx::query(include_str!("../../queries/insert_reversals.sql"))
            .bind(self.lanes)
            .bind(self.positions)
            .bind(self.by_lanes)
            .bind(self.by_positions)
            .bind(self.reversals)
            .execute(connection)
            .await?;
        Ok(())
    }
}
