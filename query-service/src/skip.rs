//! `skip`: lets a stopped lane continue after the one event that it cannot apply.
//!
//! The views miss that event from then on, which has to stay visible: the skip is recorded permanently,
//! in the transaction that moves the checkpoint.

use std::io::Write;

use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, value_parser};
use serde::Serialize;
use shared_events::lane::{EventId, Lane, Position};
use shared_events::recorded::RecordedEvent;
use sqlx::{ConnectOptions, Connection, PgConnection};
use utoipa::ToSchema;

use crate::config::{DatabaseUrl, LogConfig};
use crate::pipeline::log_client::LogClient;
use crate::projection::{Projection, ProjectionVersion};
use crate::projections;

/// Settings of `skip`.
#[derive(Debug, Clone, Args)]
pub struct SkipConfig {
    /// The stopped lane.
    #[arg(long, value_parser = value_parser!(u16).range(0..=1023))]
    pub lane: u16,

    /// The position at which it stopped, as `/v1/projections` shows it in `event`.
    #[arg(long, value_parser = value_parser!(i64).range(1..))]
    pub position: i64,

    /// The reason why the event may be skipped, for those who miss it later.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,

    /// Skip only in this projection; by default, in every projection that stopped there.
    #[arg(long, value_parser = projections::value_parser())]
    pub projection: Option<Projection>,

    /// The read database, as its owner.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,

    #[command(flatten)]
    pub log: LogConfig,
}

/// Why nothing was skipped, or not everywhere.
#[derive(Debug, thiserror::Error)]
pub enum SkipError {
    /// `others` says where versions wait instead.
    #[error("nothing is stopped at {event}{others}")]
    NotStopped { event: EventId, others: String },
    #[error("{projection} version {version} is no longer stopped at {event}")]
    Moved { projection: &'static str, version: i16, event: EventId },
    #[error("the log has no readable event {event}: {found}")]
    Mismatch { event: EventId, found: String },
    #[error("the log does not answer (COMMAND_URL): {0:#}")]
    Log(anyhow::Error),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// An event that a version of a projection goes without from now on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Skipped {
    #[schema(example = "low_stock")]
    pub projection: &'static str,
    pub version: i16,
    #[schema(example = "3-1042")]
    pub event: String,
}

/// The subcommand.
pub async fn skip(config: SkipConfig) -> anyhow::Result<()> {
    let event = EventId(Lane(config.lane), Position(config.position));
    let mut connection = config
        .migrate_database_url
        .options()
        .application_name("query-service skip")
        .connect()
        .await
        .context("the read database cannot be reached (MIGRATE_DATABASE_URL)")?;
    let log = LogClient::new(&config.log)?;
    let skipped =
        skip_stopped(&mut connection, &log, event, config.projection, &config.reason).await?;
    for Skipped { projection, version, event } in skipped {
        writeln!(std::io::stdout().lock(), "{event} is skipped in {projection} version {version}")?;
    }
    connection.close().await?;
    Ok(())
}

/// Skips the event in every version that is stopped exactly there: of one projection, or of all.
pub async fn skip_stopped(
    connection: &mut PgConnection,
    log: &LogClient,
    event: EventId,
    of: Option<Projection>,
    reason: &str,
) -> Result<Vec<Skipped>, SkipError> {
    // 1. Find the versions that are stopped there.
    let stopped = find_stopped(connection, event, of).await?;
    // 2. Read the event, for its chain.
    let recorded = find_event(log, event).await?;
    // 3. Move each version past it, in separate transactions: one that moved meanwhile changes nothing
    //    for the others.
    let mut skipped = Vec::with_capacity(stopped.len());
    for of in stopped {
        let (projection, version) = (of.name(), of.version());
        if !skip_event(connection, of, &recorded, reason).await? {
            return Err(SkipError::Moved { projection, version, event });
        }
        skipped.push(Skipped { projection, version, event: event.to_string() });
    }
    Ok(skipped)
}

async fn find_stopped(
    connection: &mut PgConnection,
    event: EventId,
    of: Option<Projection>,
) -> Result<Vec<ProjectionVersion>, SkipError> {
    let EventId(lane, position) = event;
    let stopped: Vec<(String, i16, i64, String, String)> =
        sqlx::query_as(include_str!("../queries/list_stopped.sql"))
            .bind(i16::from(lane))
            .bind(of.map(Projection::name))
            .fetch_all(connection)
            .await?;
    let mut waiting = Vec::new();
    let mut others = String::new();
    for (name, version, waits_at, at, error) in stopped {
        // A stop at another event means that the log contradicts what was applied, so there is
        // nothing to skip.
        let is_there = at.parse::<EventId>().is_ok_and(|at| at == event)
            || at.parse::<EventId>().is_err() && waits_at == position.0;
        match projections::named(&name) {
            Some(projection) if is_there && waits_at == position.0 => {
                waiting.push(projection.version(version));
            }
            _ => others.push_str(&format!("; {name} version {version} waits at {at}: {error}")),
        }
    }
    if waiting.is_empty() { Err(SkipError::NotStopped { event, others }) } else { Ok(waiting) }
}

async fn find_event(log: &LogClient, event: EventId) -> Result<RecordedEvent, SkipError> {
    let EventId(lane, position) = event;
    let before = Position(position.0 - 1);
    let page =
        log.events_after(lane, before).await.map_err(|error| SkipError::Log(error.into()))?;
    let found = match page.events.first().map(|arrival| &arrival.content) {
        Some(Ok(fact)) if fact.recorded.id() == event => return Ok(fact.recorded.clone()),
        Some(Ok(fact)) => format!("{} is there", fact.recorded.id()),
        Some(Err(unreadable)) => format!("{}: {}", unreadable.place, unreadable.error),
        None => "it ends before".to_owned(),
    };
    Err(SkipError::Mismatch { event, found })
}

/// Moves a version past an event; returns false if it is not stopped there.
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
        .bind(i16::from(event.lane))
        .bind(event.position.0)
        .bind(event.chain.0.to_vec())
        .bind(event.id().to_string())
        .bind(reason)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    // If the checkpoint did not move, nothing else may change either.
    if skipped == 1 {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(skipped == 1)
}
