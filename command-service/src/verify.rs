//! `verify`: walks the whole log and tells the first thing in it that cannot be.
//!
//! Reads page by page, as the service's own role and beside services that write: each lane is read
//! up to the head it has at the start. What is kept in memory is a lane's streams, one lane at a
//! time, for a stream lies in one lane; then one folded state at a time, to compare each snapshot.

mod lane;
mod derived;
mod snapshots;

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, bail};
use shared_events::lane::{Lane, Position};
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::{FromRow, Row};

use self::lane::{Difference, Entry, LaneCheck};
use crate::config::VerifyConfig;
use crate::log::read::{LaneHead, LogReader, ReadError};
use crate::log::row::{EventRow, lane_number};

/// Events read from the database, and kept in memory, at a time.
const PAGE_LEN: i64 = 1_000;

/// Why a walk came to no good end.
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

/// Checks the whole log; says on stdout what each lane holds, and the first difference.
///
/// # Errors
/// There is a difference, or the log cannot be read.
pub async fn verify(config: VerifyConfig) -> anyhow::Result<()> {
    let started = Instant::now();
    let options = config.write_database_url.options().application_name("command-service verify");
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = pool.context("the write database cannot be reached")?;
    match walk(&pool).await {
        Ok((lanes, events)) => {
            let took = started.elapsed();
            say(&format!("{events} events in {lanes} lanes, no difference, {took:.1?}"))
        }
        Err(Stopped::Differs(difference)) => {
            say(&format!("difference: {difference}"))?;
            bail!("the log is not what it should be; stdout has the first difference");
        }
        Err(Stopped::Read(error)) => Err(error).context("the log cannot be verified"),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}").context("stdout takes nothing")
}

/// How many lanes and events there are.
async fn walk(pool: &PgPool) -> Result<(usize, i64), Stopped> {
    // 1. How far each lane is now; what is written from here on is left to the next time.
    let heads = LogReader::new(pool.clone()).heads().await?;
    // 2. Each lane from its beginning, by position.
    let mut events = 0;
    for head in &heads {
        walk_lane(pool, head).await?;
        events += head.position.0;
    }
    // 3. What no lane can tell alone.
    check_keys(pool).await?;
    // 4. What is kept beside the log, and what is kept folded.
    derived::check(pool).await?;
    let snapshots::Counted { good, foreign } = snapshots::walk(pool).await?;
    let _ = say(&format!("snapshots: {good} as folded, {foreign} of another log and not believed"));
    Ok((heads.len(), events))
}

async fn walk_lane(pool: &PgPool, head: &LaneHead) -> Result<(), Stopped> {
    let mut check = LaneCheck::new(head.lane);
    while check.position() < head.position {
        let before = check.position();
        let limit = PAGE_LEN.min(head.position.0 - before.0);
        let rows = sqlx::query(include_str!("../queries/verify_lane.sql"))
            .bind(lane_number(head.lane))
            .bind(before.next().0)
            .bind(limit)
            .fetch_all(pool)
            .await?;
        if rows.is_empty() {
            return Err(Stopped::Differs(check.missing()));
        }
        for row in &rows {
            let entry = entry(row, &check)?;
            check.follow(&entry).map_err(Stopped::Differs)?;
        }
        check_outcomes(pool, head.lane, before.next(), check.position()).await?;
    }
    let (position, streams) = (check.position(), check.streams());
    // A lane's line tells how far the walk is; when nobody reads it, the walk goes on.
    let _ = say(&format!(
        "lane {}: {position} events of {streams} streams, chain {}",
        head.lane,
        check.chain()
    ));
    Ok(())
}

/// A row as an entry; a member that is not of its type is a difference.
fn entry(row: &PgRow, check: &LaneCheck) -> Result<Entry, Stopped> {
    match EventRow::from_row(row) {
        Ok(EventRow(event)) => Ok(Entry { event, data_hash: row.try_get("data_hash")? }),
        Err(sqlx::Error::ColumnDecode { index, source }) => {
            let stream = row.try_get("stream").ok();
            Err(Stopped::Differs(check.unreadable(stream, &index, source.as_ref())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks that the events which a command's first event names are there, and of that command.
async fn check_outcomes(
    pool: &PgPool,
    lane: Lane,
    from: Position,
    to: Position,
) -> Result<(), Stopped> {
    let wrong = sqlx::query(include_str!("../queries/verify_outcomes.sql"))
        .bind(lane_number(lane))
        .bind(from.0)
        .bind(to.0)
        .fetch_optional(pool)
        .await?;
    let Some(row) = wrong else {
        return Ok(());
    };
    let place = match (row.try_get("named_lane")?, row.try_get("named_position")?) {
        (Some::<i16>(lane), Some::<i64>(position)) => format!("at {lane}-{position}"),
        _ => "at no place".to_owned(),
    };
    let correlation_id: &str = row.try_get("correlation_id")?;
    let found = match row.try_get::<Option<&str>, _>("found")? {
        Some(other) => format!("one of correlation id {other} {place}"),
        None => format!("nothing {place}"),
    };
    Err(Stopped::Differs(Difference {
        lane,
        position: Position(row.try_get("position")?),
        stream: row.try_get("stream")?,
        what: format!("event {} of its command", row.try_get::<i64, _>("nth")?),
        expected: format!("an event of correlation id {correlation_id}"),
        found,
    }))
}

/// Checks that each idempotency key has one outcome.
async fn check_keys(pool: &PgPool) -> Result<(), Stopped> {
    let twice =
        sqlx::query(include_str!("../queries/verify_keys.sql")).fetch_optional(pool).await?;
    let Some(row) = twice else {
        return Ok(());
    };
    let (caller, key): (&str, &str) = (row.try_get("caller")?, row.try_get("key")?);
    Err(Stopped::Differs(Difference {
        lane: crate::log::row::lane(&row, "lane")?,
        position: Position(row.try_get("position")?),
        stream: row.try_get("stream")?,
        what: format!("idempotency key {key} of {caller}"),
        expected: "one outcome".to_owned(),
        found: format!("{} outcomes", row.try_get::<i64, _>("outcomes")?),
    }))
}
