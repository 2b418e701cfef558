//! `verify`: reads the whole log and reports the first difference.
//!
//! Each lane is read as of one moment, so that its events and what it says of redactions fit.
//!
//! It uses the service's own role and may run while services write: each lane is read up to the head
//! it has at the start. Memory holds one page of events and one entry for each stream of one lane;
//! after that one folded state at a time, to compare each snapshot.

use std::error::Error;
use std::fmt::{self, Display};
use std::io::Write;
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::Value;
use shared_events::chain::data_hash;
use shared_events::lane::{Lane, Version};
use shared_events::lane_check::{LaneCheck, Redactions};
use shared_events::stream::Stream;
use sqlx::postgres::{PgArguments, PgConnection, PgExecutor, PgPool, PgPoolOptions, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres, Row};

use crate::config::VerifyConfig;
use crate::inventory::FOLD_VERSION;
use crate::log::read::{Folded, LaneHead, LogReader, ReadError, Until};
use crate::log::row::{EventRow, lane_number};

/// Events in one page.
const PAGE_LEN: i64 = 1_000;

/// Events about redactions in one page. Each may name a thousand others.
const REDACTIONS_LEN: i64 = 10;

/// Something in the log, or in a table that follows from it, that contradicts the events before.
#[derive(Debug, FromRow)]
struct Difference {
    lane: i16,
    position: i64,
    /// The name of the stream in the row; none where there is no row.
    stream: Option<String>,
    what: String,
    expected: String,
    found: String,
}

impl Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, position, stream, what, expected, found } = self;
        write!(out, "lane {lane}, position {position}, ")?;
        if let Some(stream) = stream {
            write!(out, "stream {stream}, ")?;
        }
        write!(out, "{what}: expected {expected}, found {found}")
    }
}

/// Why the scan ended early.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("{0}")]
    Differs(Difference),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        Self::Read(error.into())
    }
}

/// Checks the whole log. Prints a line for each lane, and the first difference.
pub async fn verify(config: VerifyConfig) -> anyhow::Result<()> {
    let started = Instant::now();
    let options = config.write_database_url.options().application_name("command-service verify");
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = pool.context("the write database cannot be reached")?;
    match scan(&pool).await {
        Ok(Counts { lanes, events, redacted }) => {
            let took = started.elapsed();
            let redacted = match redacted {
                0 => String::new(),
                some => format!("{some} redacted, "),
            };
            say(&format!("{events} events in {lanes} lanes, {redacted}no difference, {took:.1?}"))
        }
        Err(Stopped::Differs(difference)) => {
            say(&format!("difference: {difference}"))?;
            bail!("the log is inconsistent; the first difference is on stdout");
        }
        Err(Stopped::Read(error)) => Err(error).context("the log cannot be verified"),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}").context("stdout cannot be written")
}

/// What was read.
struct Counts {
    lanes: usize,
    events: i64,
    redacted: u64,
}

async fn scan(pool: &PgPool) -> Result<Counts, Stopped> {
    // 1. Each lane from its beginning to the head it has now.
    let heads = LogReader::new(pool.clone()).heads().await?;
    let (mut events, mut redacted) = (0, 0);
    for head in &heads {
        let snapshot = "begin isolation level repeatable read, read only";
        let mut transaction = pool.begin_with(snapshot).await?;
        redacted += scan_lane(&mut transaction, head).await?;
        transaction.commit().await?;
        events += head.position.0;
    }
    // 2. What spans lanes, and the tables that follow from the events.
    for statement in [
        include_str!("../queries/verify_keys.sql"),
        include_str!("../queries/verify_reversals.sql"),
        include_str!("../queries/verify_deadlines.sql"),
    ] {
        expect_none(pool, sqlx::query_as(statement)).await?;
    }
    // 3. The stored folds.
    let (good, foreign) = check_snapshots(pool).await?;
    // Nobody may be reading the report; the scan continues.
    let _ = say(&format!("snapshots: {good} match, {foreign} of another log are ignored"));
    Ok(Counts { lanes: heads.len(), events, redacted })
}

/// Returns the number of redacted events.
async fn scan_lane(connection: &mut PgConnection, head: &LaneHead) -> Result<u64, Stopped> {
    let lane = lane_number(head.lane);
    let mut check = LaneCheck::new(head.lane);
    check.expect(redactions(connection, head.lane).await?);
    while check.position() < head.position {
        let first = check.position().next();
        let rows = sqlx::query(include_str!("../queries/verify_lane.sql"))
            .bind(lane)
            .bind(first.0)
            .bind(PAGE_LEN.min(head.position.0 - check.position().0))
            .fetch_all(&mut *connection)
            .await?;
        if rows.is_empty() {
            let found = "no event".to_owned();
            return Err(Stopped::Differs(Difference {
                lane,
                position: first.0,
                stream: None,
                what: "position".to_owned(),
                expected: first.to_string(),
                found,
            }));
        }
        for row in &rows {
            check_row(head.lane, &mut check, row)?;
        }
        let outcomes = sqlx::query_as(include_str!("../queries/verify_outcomes.sql"))
            .bind(lane)
            .bind(first.0)
            .bind(check.position().0);
        expect_none(&mut *connection, outcomes).await?;
    }
    let _ = say(&format!(
        "lane {lane}: {} events of {} streams, chain {}",
        check.position(),
        check.streams(),
        check.chain()
    ));
    Ok(check.redacted())
}

/// What a lane says of its redactions, also behind the head that it is read to.
async fn redactions(connection: &mut PgConnection, lane: Lane) -> sqlx::Result<Redactions> {
    let mut redactions = Redactions::default();
    let mut from = Version(1);
    loop {
        let page: Vec<EventRow> = sqlx::query_as(include_str!("../queries/read_stream.sql"))
            .bind(Stream::Redaction(lane.0).to_string())
            .bind(from.0)
            .bind(REDACTIONS_LEN)
            .fetch_all(&mut *connection)
            .await?;
        let Some(EventRow(last)) = page.last() else {
            return Ok(redactions);
        };
        from = last.version.next();
        page.iter().for_each(|EventRow(event)| redactions.follow(event));
    }
}

/// Checks the next row of a lane: its types, the hash of its data, and that it follows.
fn check_row(lane: Lane, check: &mut LaneCheck, row: &PgRow) -> Result<(), Stopped> {
    let position = check.position().next().0;
    let stream = row.try_get("stream").ok();
    let differs = |what: &str, expected: String, found: String| {
        let (lane, what) = (lane_number(lane), what.to_owned());
        Err(Stopped::Differs(Difference { lane, position, stream, what, expected, found }))
    };
    let event = match EventRow::from_row(row) {
        Ok(EventRow(event)) => event,
        Err(sqlx::Error::ColumnDecode { index, source }) => {
            return differs(&index, "a value of its type".to_owned(), source.to_string());
        }
        Err(error) => return Err(error.into()),
    };
    // The chain covers the data by its hash, so a wrong hash would show as a wrong chain. What is left of a
    // redacted event has another hash, which an event of the lane announces.
    let (hash, stored) = (data_hash(event.data.get()), row.try_get::<Vec<u8>, _>("data_hash")?);
    if event.redacted.is_none() && hash[..] != stored[..] {
        return differs("data_hash", hex::encode(hash), hex::encode(stored));
    }
    match check.follow(&event, event.event().as_ref()) {
        None => Ok(()),
        Some(broken) => {
            let figure = broken.member.map(|member| format!("{member} after it"));
            let what = figure.as_deref().unwrap_or(broken.rule.as_str());
            differs(what, broken.expected, broken.found)
        }
    }
}

/// Runs a statement that selects the first difference.
async fn expect_none(
    executor: impl PgExecutor<'_>,
    statement: QueryAs<'_, Postgres, Difference, PgArguments>,
) -> Result<(), Stopped> {
    match statement.fetch_optional(executor).await? {
        None => Ok(()),
        Some(difference) => Err(Stopped::Differs(difference)),
    }
}

/// Compares each snapshot of today's fold version with the fold of its stream. Returns how many
/// match, and how many belong to another log, as after a restore of the events alone.
async fn check_snapshots(pool: &PgPool) -> Result<(u64, u64), Stopped> {
    let log = LogReader::new(pool.clone());
    let (mut good, mut foreign) = (0, 0);
    let mut after = String::new();
    loop {
        let next = sqlx::query(include_str!("../queries/verify_snapshot.sql"))
            .bind(FOLD_VERSION)
            .bind(&after)
            .fetch_optional(pool)
            .await?;
        let Some(row) = next else {
            return Ok((good, foreign));
        };
        after = row.try_get("stream")?;
        if row.try_get("is_of_this_log")? {
            check_snapshot(&log, &row).await?;
            good += 1;
        } else {
            foreign += 1;
        }
    }
}

async fn check_snapshot(log: &LogReader, row: &PgRow) -> Result<(), Stopped> {
    let version = Version(row.try_get("version")?);
    let stream: Stream = decoded(row.try_get::<&str, _>("stream")?.parse())?;
    let found: Value = decoded(serde_json::from_str(row.try_get("state")?))?;
    let (lane, position, expected) = match log.fold_all(&stream, Until::Version(version)).await? {
        Folded::State { lane, position, state, .. } => {
            (lane_number(lane), position.0, decoded(serde_json::to_value(&state))?)
        }
        // The last event of the snapshot was there a moment ago.
        Folded::Unknown | Folded::Beyond { .. } | Folded::Ahead { .. } => (0, 0, Value::Null),
    };
    match first_difference(&expected, &found) {
        None => Ok(()),
        Some((member, expected, found)) => Err(Stopped::Differs(Difference {
            lane,
            position,
            stream: Some(stream.to_string()),
            what: format!("{member} in the snapshot of version {version}"),
            expected,
            found,
        })),
    }
}

fn decoded<T, E: Error + Send + Sync + 'static>(value: Result<T, E>) -> Result<T, ReadError> {
    value.map_err(|error| ReadError::Corrupt(sqlx::Error::Decode(Box::new(error))))
}

/// The JSON pointer to the first difference of two values, and both values there.
fn first_difference(expected: &Value, found: &Value) -> Option<(String, String, String)> {
    let below =
        |step: &str, expected: Option<&Value>, found: Option<&Value>| match (expected, found) {
            (Some(expected), Some(found)) => first_difference(expected, found)
                .map(|(rest, expected, found)| (format!("/{step}{rest}"), expected, found)),
            (expected, found) => Some((format!("/{step}"), text(expected), text(found))),
        };
    match (expected, found) {
        (Value::Object(all), Value::Object(other)) => {
            let mut names: Vec<&String> = all.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().find_map(|name| below(name, all.get(name), other.get(name)))
        }
        (Value::Array(all), Value::Array(other)) => (0..all.len().max(other.len()))
            .find_map(|nth| below(&nth.to_string(), all.get(nth), other.get(nth))),
        _ if expected == found => None,
        _ => Some((String::new(), text(Some(expected)), text(Some(found)))),
    }
}

fn text(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_reported_with_its_pointer() {
        let differs = |member: &str, expected: &str, found: &str| {
            Some((member.to_owned(), expected.to_owned(), found.to_owned()))
        };
        for (expected, found, first) in [
            (json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]}), None),
            (json!({"a": [1, 2]}), json!({"a": [1, 3]}), differs("/a/1", "2", "3")),
            (json!({"a": [1]}), json!({"a": []}), differs("/a/0", "1", "nothing")),
            (json!({}), json!({"c": {}}), differs("/c", "nothing", "{}")),
            (json!(null), json!({}), differs("", "null", "{}")),
        ] {
            assert_eq!(first_difference(&expected, &found), first);
        }
    }
}
