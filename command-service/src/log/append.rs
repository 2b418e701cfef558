//! Giving decided events their places, and writing them.

use std::collections::HashMap;
use std::sync::Arc;

use shared_events::chain::{Chain, data_hash};
use shared_events::event::Event;
use shared_events::lane::{Lane, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use sqlx::PgConnection;
use sqlx::types::chrono::{DateTime, Utc};

use super::cache::LaneClock;
use super::load::Head;
use super::row::{array, lane_number};
use super::submission::{IdempotencyKey, Origin};

/// The places a batch may give out: the heads of the lanes it holds locked, and one time for all.
#[derive(Debug)]
pub(super) struct Places {
    heads: HashMap<Lane, LaneClock>,
    recorded_at: Timestamp,
}

impl Places {
    pub(super) fn new(heads: &[Head], recorded_at: Timestamp) -> Self {
        Self { heads: heads.iter().map(|head| (head.lane, head.clock)).collect(), recorded_at }
    }

    pub(super) fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// The head of a lane after the places given out so far.
    pub(super) fn head(&self, lane: Lane) -> LaneClock {
        self.heads.get(&lane).copied().unwrap_or_default()
    }

    pub(super) fn heads(&self) -> impl Iterator<Item = (Lane, LaneClock)> + '_ {
        self.heads.iter().map(|(lane, clock)| (*lane, *clock))
    }

    /// Gives an event the next place in its lane.
    pub(super) fn place(
        &mut self,
        lane: Lane,
        event: &Event,
        version: Version,
        occurred_at: Option<Timestamp>,
        origin: &Origin,
    ) -> RecordedEvent {
        let head = self.heads.entry(lane).or_default();
        let mut recorded = RecordedEvent {
            lane,
            position: head.position.next(),
            stream: event.stream(),
            version,
            event_type: event.event_type().to_owned(),
            schema_version: event.schema_version(),
            occurred_at: occurred_at.unwrap_or(self.recorded_at),
            recorded_at: self.recorded_at,
            actor: origin.actor.clone(),
            correlation_id: origin.correlation_id.clone(),
            causation_id: origin.causation_id.clone(),
            data: event.to_data(),
            chain: Chain::default(),
            traceparent: origin.traceparent.clone(),
        };
        recorded.chain = recorded.chain_after(head.chain);
        *head = LaneClock { position: recorded.position, chain: recorded.chain };
        recorded
    }
}

/// The columns of the events to append, one entry an event.
#[derive(Debug, Default)]
pub(super) struct Columns {
    lanes: Vec<i16>,
    positions: Vec<i64>,
    streams: Vec<String>,
    versions: Vec<i64>,
    types: Vec<String>,
    schema_versions: Vec<i16>,
    occurred_at: Vec<DateTime<Utc>>,
    actors: Vec<Option<String>>,
    correlation_ids: Vec<String>,
    causation_ids: Vec<Option<String>>,
    data: Vec<String>,
    data_hashes: Vec<Vec<u8>>,
    chains: Vec<Vec<u8>>,
    traceparents: Vec<Option<String>>,
    callers: Vec<Option<String>>,
    keys: Vec<Option<String>>,
    request_hashes: Vec<Option<Vec<u8>>>,
    command_lanes: Vec<Option<String>>,
    command_positions: Vec<Option<String>>,
    command_sizes: Vec<Option<String>>,
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Adds the events of one command; the first of them becomes the record of its key.
    pub(super) fn add(&mut self, events: &[Arc<RecordedEvent>], key: Option<&IdempotencyKey>) {
        self.add_events(events, key, None);
    }

    /// Adds the events of several commands together, so many of each.
    pub(super) fn add_together(
        &mut self,
        events: &[Arc<RecordedEvent>],
        sizes: &[usize],
        key: Option<&IdempotencyKey>,
    ) {
        self.add_events(events, key, Some(array(sizes.iter())));
    }

    fn add_events(
        &mut self,
        events: &[Arc<RecordedEvent>],
        key: Option<&IdempotencyKey>,
        sizes: Option<String>,
    ) {
        for (nth, event) in events.iter().enumerate() {
            let key = key.filter(|_| nth == 0);
            let is_list = key.is_some() && events.len() > 1;
            self.lanes.push(lane_number(event.lane));
            self.positions.push(event.position.0);
            self.streams.push(event.stream.to_string());
            self.versions.push(event.version.0);
            self.types.push(event.event_type.clone());
            self.schema_versions.push(event.schema_version);
            self.occurred_at.push(event.occurred_at.to_utc());
            self.actors.push(event.actor.as_ref().map(ToString::to_string));
            self.correlation_ids.push(event.correlation_id.to_string());
            self.causation_ids.push(event.causation_id.as_ref().map(ToString::to_string));
            self.data_hashes.push(data_hash(event.data.get()).to_vec());
            self.data.push(event.data.get().to_owned());
            self.chains.push(event.chain.0.to_vec());
            self.traceparents.push(event.traceparent.as_ref().map(ToString::to_string));
            self.callers.push(key.map(|key| key.caller.to_string()));
            self.keys.push(key.map(|key| key.key.to_string()));
            self.request_hashes.push(key.map(|key| key.request_hash.to_vec()));
            let lanes = || array(events.iter().map(|event| event.lane));
            let positions = || array(events.iter().map(|event| event.position));
            self.command_lanes.push(is_list.then(lanes));
            self.command_positions.push(is_list.then(positions));
            self.command_sizes.push(key.and_then(|_| sizes.clone()));
        }
    }

    /// Writes the events.
    pub(super) async fn append(
        self,
        connection: &mut PgConnection,
        recorded_at: Timestamp,
    ) -> sqlx::Result<()> {
        sqlx::query(include_str!("../../queries/append_events.sql"))
            .bind(self.lanes)
            .bind(self.positions)
            .bind(self.streams)
            .bind(self.versions)
            .bind(self.types)
            .bind(self.schema_versions)
            .bind(self.occurred_at)
            .bind(recorded_at.to_utc())
            .bind(self.actors)
            .bind(self.correlation_ids)
            .bind(self.causation_ids)
            .bind(self.data)
            .bind(self.data_hashes)
            .bind(self.chains)
            .bind(self.traceparents)
            .bind(self.callers)
            .bind(self.keys)
            .bind(self.request_hashes)
            .bind(self.command_lanes)
            .bind(self.command_positions)
            .bind(self.command_sizes)
            .execute(connection)
            .await?;
        Ok(())
    }
}
