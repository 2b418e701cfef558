//! `rebuild`: fills a new version of a projection from the log beside the one that answers, and lets
//! it answer instead.
//!
//! Every step is stored before the next begins, so a rebuild that was killed goes on where it was when
//! it is started again. Until the swap nothing that answers is touched. Afterwards both versions are
//! kept up to date, so that one can go back, until one of them is dropped.

mod fill;
mod compare;
mod swap;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::config::{RebuildConfig, RebuildStep};
use crate::migrate::load_lane_map;
use crate::pipeline::versions::{Listed, list_versions};
use crate::projection::{Projection, ProjectionVersion};
use crate::projections;
use crate::rebuild::fill::Filler;

/// How long after a change of the list every service has noticed it.
const NOTICED_AFTER: Duration = Duration::from_secs(2);

/// How long a lock may be waited for.
const LOCK_MAX: &str = "10s";

/// Takes one step of a rebuild, or the whole of it.
///
/// # Errors
/// The step cannot be taken, or not to its end; what is done so far stays.
pub async fn rebuild(config: RebuildConfig) -> anyhow::Result<()> {
    let projection = config.projection;
    let mut connection = config
        .migrate_database_url
        .options()
        .application_name("query-service rebuild")
        .options([("lock_timeout", LOCK_MAX)])
        .connect()
        .await
        .context("the read database cannot be reached (MIGRATE_DATABASE_URL)")?;
    sqlx::query(include_str!("../queries/lock_rebuild.sql"))
        .bind(projection.name())
        .execute(&mut connection)
        .await
        .with_context(|| format!("another rebuild of {} seems to be running", projection.name()))?;
    let Standing { active, beside } = standing(&mut connection, projection).await?;
    match config.step() {
        RebuildStep::Swap => {
            if let Some(older) = beside
                && older.of < active
                && !older.is_filling
            {
                bail!(
                    "{} stands beside {}: --back returns to it, --drop makes room for another",
                    older.of.schema(),
                    active.schema()
                );
            }
            let filler = filled(&config, &mut connection, active, beside).await?;
            swap::swap(&mut connection, &filler, active).await?;
            say(&format!("{} answers from here on", filler.of().schema()))?;
        }
        RebuildStep::Compare => {
            let filler = filled(&config, &mut connection, active, beside).await?;
            let rows = compare::compare(&mut connection, active, filler.of()).await?;
            let (one, other) = (active.schema(), filler.of().schema());
            say(&format!("{one} and {other} are equal: {rows} rows"))?;
        }
        RebuildStep::Back => {
            let beside = beside.filter(|one| !one.is_filling && one.of < active);
            let older = beside.context("there is no older version to go back to")?.of;
            let filler = filler(&config, &mut connection, older).await?;
            swap::swap(&mut connection, &filler, active).await?;
            say(&format!("{} answers again", older.schema()))?;
        }
        RebuildStep::Drop => {
            let of = beside.context("no version stands beside the one that answers")?.of;
            remove(&mut connection, of).await?;
            say(&format!("{} is dropped", of.schema()))?;
        }
    }
    connection.close().await?;
    Ok(())
}

/// The versions of a projection: the one that answers, and at most one more.
struct Standing {
    active: ProjectionVersion,
    beside: Option<Listed>,
}

async fn standing(
    connection: &mut PgConnection,
    projection: Projection,
) -> anyhow::Result<Standing> {
    let versions = list_versions(connection, projections::ALL)
        .await
        .context("run `query-service migrate` first")?;
    let mut versions: Vec<Listed> =
        versions.into_iter().filter(|one| one.of.projection() == projection).collect();
    let active = versions.iter().position(|one| one.is_active);
    let active = active.context("no version answers: run `query-service migrate` first")?;
    let active = versions.remove(active).of;
    ensure!(versions.len() <= 1, "more than one version stands beside {}", active.schema());
    Ok(Standing { active, beside: versions.pop() })
}

/// The version beside the one that answers, made if there is none, filled if it is not.
async fn filled(
    config: &RebuildConfig,
    connection: &mut PgConnection,
    active: ProjectionVersion,
    beside: Option<Listed>,
) -> anyhow::Result<Filler> {
    let (of, is_filling) = match beside {
        Some(one) => (one.of, one.is_filling),
        None => (make(connection, active).await?, true),
    };
    let filler = filler(config, connection, of).await?;
    if is_filling {
        // 1. Most of it, without the indexes that each row would have to enter.
        say(&format!("{} is filled from the log", of.schema()))?;
        filler.fill_to_heads(connection).await?;
        // 2. The indexes.
        say(&format!("{} gets its indexes", of.schema()))?;
        copy(connection, include_str!("../queries/copy_indexes.sql"), active, of).await?;
        // 3. What was recorded meanwhile; then the services keep it up to date.
        filler.fill_to_heads(connection).await?;
        set_state(connection, of, "followed").await?;
    }
    Ok(filler)
}

/// Makes the next version, empty.
async fn make(
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
    config: &RebuildConfig,
    connection: &mut PgConnection,
    of: ProjectionVersion,
) -> anyhow::Result<Filler> {
    let lane_map = load_lane_map(connection).await?;
    Filler::new(config, of, lane_map)
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
    ensure!(set.rows_affected() == 1, "{} answers, or is there no longer", of.schema());
    Ok(())
}

/// Removes a version that does not answer.
async fn remove(connection: &mut PgConnection, of: ProjectionVersion) -> anyhow::Result<()> {
    // 1. A service that has not noticed the last swap may still answer from it.
    let active_for: f64 = sqlx::query_scalar(include_str!("../queries/seconds_active.sql"))
        .bind(of.name())
        .fetch_one(&mut *connection)
        .await?;
    let settled = NOTICED_AFTER.saturating_sub(Duration::from_secs_f64(active_for.max(0.0)));
    tokio::time::sleep(settled).await;
    // 2. Nobody follows it any longer, as soon as everybody has noticed.
    set_state(connection, of, "filling").await?;
    tokio::time::sleep(NOTICED_AFTER).await;
    // 3. Tables and checkpoints go together.
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

/// Tells the operator how it goes, on stderr.
fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}")
}
