//! What a batch writes, and the two statements that write it: into a transaction that holds the locks,
//! or all at once where the log is as it was foreseen.

mod columns;

use std::collections::BTreeMap;

use shared_events::lane::Lane;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, Row};

use self::columns::Columns;
use super::cache::LaneClock;
use super::due::Deadlines;
use super::outcomes::{self, Unrecorded};
use super::row::lane_number;
use super::snapshot;
use super::submission::IdempotencyKey;
use crate::inventory::StreamState;

/// A statement while its values are bound, in their order.
pub(super) type Binding = Query<'static, Postgres, PgArguments>;

/// What a batch writes: events, and what is derived from them.
#[derive(Debug, Default)]
pub(super) struct Append {
    /// The events.
    pub(super) events: Columns,
    /// When streams are due.
    pub(super) deadlines: Deadlines,
    /// The outcomes that leave no event.
    pub(super) outcomes: Vec<Unrecorded>,
    /// The states to keep, by their stream.
    pub(super) snapshots: BTreeMap<Stream, StreamState>,
}

/// What has to be true of the log for a batch that was decided without locks.
#[derive(Debug)]
pub(super) struct Conditions {
    /// The heads of the lanes.
    pub(super) heads: Vec<(Lane, LaneClock)>,
    /// The keys without an outcome, and their locks.
    pub(super) keys: Vec<IdempotencyKey>,
    pub(super) key_locks: Vec<i64>,
    /// When its first request was decided.
    pub(super) decided_from: Timestamp,
}

impl Append {
    /// Writes under the locks of a transaction.
    pub(super) async fn write(
        self,
        connection: &mut PgConnection,
        decided_at: Timestamp,
    ) -> sqlx::Result<()> {
        let statement = sqlx::query(include_str!("../../queries/append_batch.sql"));
        self.bind(statement, decided_at).execute(connection).await?;
        Ok(())
    }

    /// Writes and commits, if the conditions hold; then tells the database's clock.
    pub(super) async fn write_foreseen(
        self,
        connection: &mut PgConnection,
        conditions: Conditions,
        decided_at: Timestamp,
    ) -> sqlx::Result<Option<Timestamp>> {
        let Conditions { heads, keys, key_locks, decided_from } = conditions;
        let lanes: Vec<i16> = heads.iter().map(|(lane, _)| lane_number(*lane)).collect();
        let positions: Vec<i64> = heads.iter().map(|(_, head)| head.position.0).collect();
        let chains: Vec<Vec<u8>> = heads.iter().map(|(_, head)| head.chain.0.to_vec()).collect();
        let callers: Vec<String> = keys.iter().map(|key| key.caller.to_string()).collect();
        let keys: Vec<String> = keys.iter().map(|key| key.key.to_string()).collect();
        let statement = sqlx::query(include_str!("../../queries/append_foreseen.sql"))
            .bind(lanes)
            .bind(positions)
            .bind(chains)
            .bind(key_locks)
            .bind(callers)
            .bind(keys)
            .bind(decided_from.to_utc());
        let row = self.bind(statement, decided_at).fetch_one(connection).await?;
        Ok(row.try_get::<Option<DateTime<Utc>>, _>(0)?.map(Timestamp::new))
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        let Self { events, deadlines, outcomes, snapshots } = self;
        events.len() == 0 && deadlines.is_empty() && outcomes.is_empty() && snapshots.is_empty()
    }

    fn bind(self, statement: Binding, decided_at: Timestamp) -> Binding {
        let statement = statement.bind(decided_at.to_utc());
        let statement = self.events.bind(statement);
        let statement = self.deadlines.bind(statement);
        let statement = outcomes::bind(&self.outcomes, statement);
        snapshot::bind(self.snapshots, statement)
    }
}
