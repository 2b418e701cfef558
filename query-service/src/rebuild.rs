//! `rebuild`: fills a new version of a projection from the log, then switches answers to it.
//!
//! Every step is stored before the next begins, so a killed rebuild continues where it was when it is
//! started again. Until the swap it touches nothing that answers. After the swap both versions are kept
//! up to date, so that an operator can go back, until one of them is dropped.

mod fill;
mod compare;

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use serde::{Deserialize, Serialize};
use shared_events::lane::Position;
use sqlx::{ConnectOptions, Connection, PgConnection};
use utoipa::ToSchema;

use crate::config::{DatabaseUrl, LogConfig};
use crate::database;
use crate::migrate::load_lane_map;
use crate::pipeline::progress::Positions;
use crate::pipeline::versions::{Listed, list_versions};
use crate::projection::{Projection, ProjectionVersion};
use crate::projections;
use crate::rebuild::fill::Filler;

/// How long every service takes to notice a change of the list of versions.
const NOTICED_AFTER: Duration = Duration::from_secs(2);

/// How long a lock may be waited for.
const LOCK_MAX: &str = "10s";

/// The SQLSTATE of a lock that was not granted in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Settings of `rebuild`.
#[derive(Debug, Clone, Args)]
pub struct RebuildConfig {
    #[command(flatten)]
    pub parts: RebuildParts,

    /// Compare the new version with the active one, row by row, and do not switch. If there is no new
    /// version, it is created and filled.
    #[arg(long, conflicts_with_all = ["back", "drop"])]
    pub compare: bool,

    /// Switch back to the older version, which stays up to date until it is dropped.
    #[arg(long, conflicts_with = "drop")]
    pub back: bool,

    /// Drop the inactive version, whether it is the older one or was never filled.
    #[arg(long)]
    pub drop: bool,

    /// Switch although the active version has applied events that the log does not have: for a log that lost its
    /// last events, as after a failover or a restore. Answers may then know less than before.
    #[arg(long, conflicts_with_all = ["compare", "back", "drop"])]
    pub replace: bool,
}

/// What is rebuilt, where and from what.
#[derive(Debug, Clone, Args)]
pub struct RebuildParts {
    /// The projection to rebuild.
    #[arg(value_parser = projections::value_parser())]
    pub projection: Projection,

    /// The read database, as its owner.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,

    #[command(flatten)]
    pub log: LogConfig,
}

/// The steps of `rebuild`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildStep {
    /// Fill a new version, if none is filled yet, and switch to it.
    #[default]
    Swap,
    /// Fill a new version, if none is filled yet, and compare it with the active one.
    Compare,
    /// Switch back to the older version.
    Back,
    /// Drop the inactive version.
    Drop,
    /// Fill a new version and switch to it, even if the active one has events that the log lost.
    Replace,
}

impl RebuildConfig {
    /// The flags exclude each other.
    pub fn step(&self) -> RebuildStep {
        match (self.compare, self.back, self.drop, self.replace) {
            (true, ..) => RebuildStep::Compare,
            (_, true, ..) => RebuildStep::Back,
            (_, _, true, _) => RebuildStep::Drop,
            (.., true) => RebuildStep::Replace,
            (false, false, false, false) => RebuildStep::Swap,
        }
    }
}

/// Why a rebuild does not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("the read database cannot be reached (MIGRATE_DATABASE_URL): {0}")]
    Unreachable(#[source] sqlx::Error),
    #[error("another rebuild of {projection} is running")]
    Running { projection: &'static str },
    /// The versions that there are do not allow it.
    #[error("{0}")]
    Versions(String),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Does one step of a rebuild, or all of them. After an error, everything done so far stays.
pub async fn rebuild(config: RebuildConfig) -> anyhow::Result<()> {
    let step = config.step();
    Rebuild::begin(config.parts, step, LOCK_MAX).await?.run().await
}

/// A rebuild that may go on: no other one of its projection runs until it ends.
pub struct Rebuild {
    parts: RebuildParts,
    /// Holds the lock.
    connection: PgConnection,
    active: ProjectionVersion,
    task: Task,
}

enum Task {
    /// Fill this version, or a new one, and switch to it.
    Swap(Option<Listed>),
    Compare(Option<Listed>),
    Back(ProjectionVersion),
    Drop(ProjectionVersion),
    /// Fill a new version and switch to it, whatever the log has lost.
    Replace,
}

impl Rebuild {
    /// Takes the lock, for which it waits `lock_max` at most, and checks that the step is possible.
    pub async fn begin(
        parts: RebuildParts,
        step: RebuildStep,
        lock_max: &str,
    ) -> Result<Self, BeginError> {
        let projection = parts.projection.name();
        let options = parts.migrate_database_url.options();
        let options = options.application_name("query-service rebuild");
        let options = options.options([("lock_timeout", lock_max)]);
        let mut connection = options.connect().await.map_err(BeginError::Unreachable)?;
        let lock = sqlx::query(include_str!("../queries/lock_rebuild.sql")).bind(projection);
        lock.execute(&mut connection).await.map_err(|error| match error.as_database_error() {
            Some(refused) if refused.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {
                BeginError::Running { projection }
            }
            _ => error.into(),
        })?;
        let Versions { active, other } = versions(&mut connection, parts.projection).await?;
        let task = task(step, active, other).map_err(BeginError::Versions)?;
        Ok(Self { parts, connection, active, task })
    }

    pub async fn run(self) -> anyhow::Result<()> {
        let Self { parts, mut connection, active, task } = self;
        match task {
            Task::Swap(other) => {
                let filler = filled(&parts, &mut connection, active, other).await?;
                swap(&mut connection, &filler, active).await?;
                tracing::info!("{} answers now", filler.of().schema());
            }
            Task::Compare(other) => {
                let filler = filled(&parts, &mut connection, active, other).await?;
                let rows = compare::compare(&mut connection, active, filler.of()).await?;
                let (one, other) = (active.schema(), filler.of().schema());
                tracing::info!("{one} and {other} are equal: {rows} rows");
            }
            Task::Back(older) => {
                let filler = filler(&parts, &mut connection, older).await?;
                swap(&mut connection, &filler, active).await?;
                tracing::info!("{} answers again", older.schema());
            }
            Task::Replace => {
                let filler = filled(&parts, &mut connection, active, None).await?;
                replace(&mut connection, filler.of(), active).await?;
                tracing::info!("{} answers now, with what the log has", filler.of().schema());
            }
            Task::Drop(of) => {
                remove(&mut connection, of).await?;
                tracing::info!("{} is dropped", of.schema());
            }
        }
        connection.close().await?;
        Ok(())
    }
}

/// What a step means for these versions, or why it cannot be done.
fn task(
    step: RebuildStep,
    active: ProjectionVersion,
    other: Option<Listed>,
) -> Result<Task, String> {
    let is_older = |one: &Listed| one.of < active && !one.is_filling;
    match step {
        RebuildStep::Swap => match other.as_ref().filter(|one| is_older(one)) {
            None => Ok(Task::Swap(other)),
            Some(older) => Err(format!(
                "the older {} is kept besides {}: go back to it (step `back`, `--back`), or make room for a new \
                 version (step `drop`, `--drop`)",
                older.of.schema(),
                active.schema()
            )),
        },
        RebuildStep::Compare => Ok(Task::Compare(other)),
        RebuildStep::Back => {
            let older = other.filter(is_older).ok_or("there is no older version to go back to")?;
            Ok(Task::Back(older.of))
        }
        RebuildStep::Drop => {
            let other = other.ok_or("there is no version other than the one that answers")?;
            Ok(Task::Drop(other.of))
        }
        // What is there may have been filled with the lost events, too.
        RebuildStep::Replace => match other {
            None => Ok(Task::Replace),
            Some(other) => Err(format!(
                "{} is kept besides {}: make room for a new version (step `drop`, `--drop`)",
                other.of.schema(),
                active.schema()
            )),
        },
    }
}

/// The versions of a projection: the one that answers, and at most one other.
struct Versions {
    active: ProjectionVersion,
    other: Option<Listed>,
}

async fn versions(
    connection: &mut PgConnection,
    projection: Projection,
) -> Result<Versions, BeginError> {
    const MIGRATE: &str = "no version answers: run `query-service migrate` first";
    let versions = list_versions(connection, &projections::all()).await?;
    let mut versions: Vec<Listed> =
        versions.into_iter().filter(|one| one.of.projection() == projection).collect();
    let active = versions.iter().position(|one| one.is_active);
    let active = active.ok_or_else(|| BeginError::Versions(MIGRATE.to_owned()))?;
    let active = versions.remove(active).of;
    if versions.len() > 1 {
        let text = format!("there is more than one version besides {}", active.schema());
        return Err(BeginError::Versions(text));
    }
    Ok(Versions { active, other: versions.pop() })
}

/// The other version, created and filled if necessary.
async fn filled(
    parts: &RebuildParts,
    connection: &mut PgConnection,
    active: ProjectionVersion,
    other: Option<Listed>,
) -> anyhow::Result<Filler> {
    let (of, is_filling) = match other {
        Some(one) => (one.of, one.is_filling),
        None => (create(connection, active).await?, true),
    };
    let filler = filler(parts, connection, of).await?;
    if is_filling {
        // 1. Most of the events, without indexes, which would slow each row.
        tracing::info!("{} is filled from the log", of.schema());
        filler.fill_to_heads(connection).await?;
        // 2. The indexes.
        tracing::info!("{} gets its indexes", of.schema());
        copy(connection, include_str!("../queries/copy_indexes.sql"), active, of).await?;
        // 3. The events recorded meanwhile; from then on the services keep it up to date.
        filler.fill_to_heads(connection).await?;
        set_state(connection, of, "followed").await?;
    }
    Ok(filler)
}

/// Creates the next version, empty.
async fn create(
    connection: &mut PgConnection,
    active: ProjectionVersion,
) -> anyhow::Result<ProjectionVersion> {
    let mut transaction = connection.begin().await?;
    let number = sqlx::query_scalar(include_str!("../queries/take_version_number.sql"))
        .bind(active.name())
        .fetch_one(&mut *transaction)
        .await?;
    let of = active.projection().version(number);
    copy(&mut transaction, include_str!("../queries/copy_tables.sql"), active, of).await?;
    sqlx::query(include_str!("../queries/insert_version.sql"))
        .bind(of.name())
        .bind(of.version())
        .execute(&mut *transaction)
        .await?;
    sqlx::query(include_str!("../queries/insert_checkpoints.sql"))
        .bind(of.name())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(of)
}

async fn copy(
    connection: &mut PgConnection,
    statement: &'static str,
    from: ProjectionVersion,
    to: ProjectionVersion,
) -> sqlx::Result<()> {
    let statement = sqlx::query(statement).bind(from.schema()).bind(to.schema());
    statement.execute(connection).await.map(drop)
}

async fn filler(
    parts: &RebuildParts,
    connection: &mut PgConnection,
    of: ProjectionVersion,
) -> anyhow::Result<Filler> {
    let lane_map = load_lane_map(connection).await?;
    Filler::new(parts, of, lane_map)
}

async fn set_state(
    connection: &mut PgConnection,
    of: ProjectionVersion,
    state: &str,
) -> anyhow::Result<()> {
    let set = sqlx::query(include_str!("../queries/set_version_state.sql"))
        .bind(of.name())
        .bind(of.version())
        .bind(state)
        .execute(connection)
        .await?;
    ensure!(
        set.rows_affected() == 1,
        "{} is the version that answers, or no longer exists",
        of.schema()
    );
    Ok(())
}

/// Drops a version that does not answer.
async fn remove(connection: &mut PgConnection, of: ProjectionVersion) -> anyhow::Result<()> {
    // 1. Wait until every service has noticed the last swap: one may still answer from this version.
    let active_for: f64 = sqlx::query_scalar(include_str!("../queries/seconds_active.sql"))
        .bind(of.name())
        .fetch_one(&mut *connection)
        .await?;
    let settled = NOTICED_AFTER.saturating_sub(Duration::from_secs_f64(active_for.max(0.0)));
    tokio::time::sleep(settled).await;
    // 2. Wait until no service follows it.
    set_state(connection, of, "filling").await?;
    tokio::time::sleep(NOTICED_AFTER).await;
    // 3. Drop its tables and checkpoints together.
    let mut transaction = connection.begin().await?;
    sqlx::query(include_str!("../queries/delete_version.sql"))
        .bind(of.name())
        .bind(of.version())
        .execute(&mut *transaction)
        .await?;
    sqlx::query(include_str!("../queries/drop_tables.sql"))
        .bind(of.schema())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Lets the filled version answer instead of the old one, which the log contradicts.
async fn replace(
    connection: &mut PgConnection,
    new: ProjectionVersion,
    old: ProjectionVersion,
) -> anyhow::Result<()> {
    let replaced = sqlx::query(include_str!("../queries/replace_version.sql"))
        .bind(old.name())
        .bind(old.version())
        .bind(new.version())
        .execute(connection)
        .await?;
    ensure!(replaced.rows_affected() == 1, "{} does not answer any more", old.schema());
    Ok(())
}

/// Lets the filled version answer instead of the old one, in one statement. The checkpoints of the old
/// version are locked meanwhile, so every lane of the new one is at least as far; readers notice
/// nothing.
async fn swap(
    connection: &mut PgConnection,
    filler: &Filler,
    old: ProjectionVersion,
) -> anyhow::Result<()> {
    // 1. Most of the events without a lock.
    filler.fill_to_heads(connection).await?;
    // 2. The last few events.
    let mut transaction = connection.begin().await?;
    let held: Vec<(i16, i64)> = sqlx::query_as(include_str!("../queries/hold_checkpoints.sql"))
        .bind(old.name())
        .bind(old.version())
        .fetch_all(&mut *transaction)
        .await?;
    let at: Positions =
        held.into_iter().map(|(lane, at)| (database::lane(lane), Position(at))).collect();
    filler.fill(&at, &mut transaction).await?;
    // 3. The swap.
    let swapped = sqlx::query(include_str!("../queries/swap_version.sql"))
        .bind(old.name())
        .bind(old.version())
        .bind(filler.of().version())
        .execute(&mut *transaction)
        .await?;
    ensure!(
        swapped.rows_affected() == 1,
        "{} is not as far as {} in every lane: a lane of it is stopped",
        filler.of().schema(),
        old.schema()
    );
    transaction.commit().await?;
    Ok(())
}
