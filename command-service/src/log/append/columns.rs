//! Events as columns, for one statement to write them all.

use std::sync::Arc;

use shared_events::chain::data_hash;
use shared_events::recorded::RecordedEvent;
use sqlx::types::chrono::{DateTime, Utc};

use super::Binding;
use crate::log::row::{array, lane_number};
use crate::log::submission::IdempotencyKey;

/// The columns of the events to append, one entry an event.
#[derive(Debug, Default)]
pub(in crate::log) struct Columns {
    lanes: Vec<i16>,
    positions: Vec<i64>,
    streams: Vec<String>,
    versions: Vec<i64>,
    types: Vec<String>,
    schema_versions: Vec<i16>,
    occurred_at: Vec<DateTime<Utc>>,
    recorded_at: Vec<DateTime<Utc>>,
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
    pub(in crate::log) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Adds the events of one command; the first of them becomes the record of its key.
    pub(in crate::log) fn add(
        &mut self,
        events: &[Arc<RecordedEvent>],
        key: Option<&IdempotencyKey>,
    ) {
        self.add_events(events, key, None);
    }

    /// Adds the events of several commands together, so many of each.
    pub(in crate::log) fn add_together(
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
            self.recorded_at.push(event.recorded_at.to_utc());
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

    /// Binds the columns.
    pub(super) fn bind(self, statement: Binding) -> Binding {
        statement
            .bind(self.lanes)
            .bind(self.positions)
            .bind(self.streams)
            .bind(self.versions)
            .bind(self.types)
            .bind(self.schema_versions)
            .bind(self.occurred_at)
            .bind(self.recorded_at)
            .bind(given(self.actors))
            .bind(self.correlation_ids)
            .bind(given(self.causation_ids))
            .bind(self.data)
            .bind(self.data_hashes)
            .bind(self.chains)
            .bind(given(self.traceparents))
            .bind(given(self.callers))
            .bind(given(self.keys))
            .bind(given(self.request_hashes))
            .bind(given(self.command_lanes))
            .bind(given(self.command_positions))
            .bind(given(self.command_sizes))
    }
}

/// A column that holds nothing is sent as nothing: `unnest` fills what is short with nulls.
fn given<T>(column: Vec<Option<T>>) -> Vec<Option<T>> {
    if column.iter().any(Option::is_some) { column } else { Vec::new() }
}
