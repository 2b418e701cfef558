//! `skip`: an operator lets a lane pass the one event at which it is stopped.
//!
//! What a view misses then has to stay visible: the skip is recorded for ever, in the transaction that
//! moves the checkpoint.

use std::io::Write;

use anyhow::{Context, bail, ensure};
use shared_events::lane::{EventId, Lane, Position};
use shared_events::recorded::RecordedEvent;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::config::SkipConfig;
use crate::database;
use crate::pipeline::log_client::LogClient;
use crate::projection::{Projection, ProjectionVersion};
use crate::projections;

/// Skips the event in every version that is stopped exactly there.
///
/// # Errors
/// No lane is stopped there, the log does not have the event, or one of the two cannot be asked.
pub async fn skip(config: SkipConfig) -> anyhow::Result<()> {
    let (lane, position) = (Lane(config.lane), Position(config.position));
    let event = EventId(lane, position);
    let mut connection = config
        .migrate_database_url
        .options()
        .application_name("query-service skip")
        .connect()
        .await
        .context("the read database cannot be reached (MIGRATE_DATABASE_URL)")?;
    // 1. Who waits there?
    let waiting = find_waiting(&mut connection, event, config.projection).await?;
    // 2. The event itself, for its chain.
    let recorded = find_event(&LogClient::new(&config.log)?, event).await?;
    // 3. Move over it. A transaction of its own each, so that one that moved meanwhile changes
    //    nothing for the others.
    for of in waiting {
        let is_done = skip_event(&mut connection, of, &recorded, &config.reason).await?;
        let (name, version) = (of.name(), of.version());
        ensure!(is_done, "{name} version {version} is not stopped at {event} any more");
        writeln!(std::io::stdout().lock(), "{event} is skipped in {name} version {version}")?;
    }
    connection.close().await?;
    Ok(())
}

async fn find_waiting(
    connection: &mut PgConnection,
    event: EventId,
    of: Option<Projection>,
) -> anyhow::Result<Vec<ProjectionVersion>> {
    let EventId(lane, position) = event;
    let stopped: Vec<(String, i16, i64, String, String)> =
        sqlx::query_as(include_str!("../queries/list_stopped.sql"))
            .bind(database::lane_column(lane))
            .bind(of.map(Projection::name))
            .fetch_all(connection)
            .await?;
    let mut waiting = Vec::new();
    let mut others = String::new();
    for (name, version, waits_at, at, error) in stopped {
        // A stop that names another event is one at which the log contradicts what was applied:
        // there is nothing to pass over.
        let is_there = at.parse::<EventId>().is_ok_and(|at| at == event)
            || at.parse::<EventId>().is_err() && waits_at == position.0;
        match projections::named(&name) {
            Some(projection) if is_there && waits_at == position.0 => {
                waiting.push(projection.version(version));
            }
            _ => others.push_str(&format!("; {name} version {version} waits at {at}: {error}")),
        }
    }
    if waiting.is_empty() {
        bail!("nothing is stopped at {event}{others}");
    }
    Ok(waiting)
}

async fn find_event(log: &LogClient, event: EventId) -> anyhow::Result<RecordedEvent> {
    let EventId(lane, position) = event;
    let page = log
        .events_after(lane, Position(position.0 - 1))
        .await
        .context("the log cannot be asked (COMMAND_URL)")?;
    let first = page.events.into_iter().next();
    match first.with_context(|| format!("the log does not have {event} yet"))?.content {
        Ok(fact) if fact.recorded.id() == event => Ok(fact.recorded),
        Ok(fact) => bail!("the log has {} where {event} should be", fact.recorded.id()),
        Err(unreadable) => bail!("{}: {}", unreadable.place, unreadable.error),
    }
}

/// Moves a version over an event at which it is stopped; `false` if it is not.
///
/// # Errors
/// The database is away.
pub async fn skip_event(
    connection: &mut PgConnection,
    of: ProjectionVersion,
    event: &RecordedEvent,
    reason: &str,
) -> sqlx::Result<bool> {
    let mut transaction = connection.begin().await?;
    let skipped = sqlx::query(include_str!("../queries/skip_event.sql"))
        .bind(of.name())
        .bind(of.version())
        .bind(database::lane_column(event.lane))
        .bind(event.position.0)
        .bind(event.chain.0.to_vec())
        .bind(event.id().to_string())
        .bind(reason)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    // Without the checkpoint's move the stop stays too.
    if skipped == 1 {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(skipped == 1)
}
