//! `migrate`: migrates the read database to this version and fixes the number of lanes.

use service_edge::migrate::{self, migrate as run_migrations};
use shared_events::lane::LaneMap;
use shared_events::slot::SLOTS;
use shared_events::values::ValueError;
use sqlx::{Connection, PgConnection};

use crate::database;
use crate::projections;
use service_edge::config::MigrateConfig;

/// Runs the missing migrations, then stores the lanes or checks the stored ones, and adds missing
/// checkpoints. Running it again, or twice at once, changes nothing more.
pub async fn migrate(config: MigrateConfig) -> anyhow::Result<()> {
    let migrations = sqlx::migrate!("./migrations");
    let owner = &config.migrate_database_url;
    let mut connection = run_migrations(owner, "query-service", &migrations).await?;
    let lanes = fix_lanes(&mut connection, config.lanes).await?;
    tracing::info!(lanes, "the read database is migrated");
    connection.close().await?;
    Ok(())
}

async fn fix_lanes(connection: &mut PgConnection, requested: Option<u16>) -> anyhow::Result<u16> {
    let mut transaction = connection.begin().await?;
    sqlx::query(include_str!("../queries/lock_slots.sql")).execute(&mut *transaction).await?;
    let stored = match load_lane_map(&mut transaction).await {
        Ok(stored) => Some(number_of_lanes(&stored)),
        Err(LaneMapError::NotMigrated) => None,
        Err(error) => return Err(error.into()),
    };
    let lanes = migrate::number_of_lanes(requested, stored)?;
    if stored.is_none() {
        let map = LaneMap::even(lanes)?;
        let slots = map.slots().iter().map(|lane| i16::from(*lane));
        sqlx::query(include_str!("../queries/insert_slots.sql"))
            .bind(slots.collect::<Vec<i16>>())
            .execute(&mut *transaction)
            .await?;
    }
    for projection in projections::all() {
        for statement in [
            include_str!("../queries/insert_projection.sql"),
            include_str!("../queries/insert_first_version.sql"),
            include_str!("../queries/insert_checkpoints.sql"),
        ] {
            sqlx::query(statement).bind(projection.name()).execute(&mut *transaction).await?;
        }
    }
    sqlx::query(include_str!("../queries/insert_alert_marks.sql"))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(lanes)
}

/// The number of lanes in a map.
pub fn number_of_lanes(map: &LaneMap) -> u16 {
    let last = map.slots().iter().max();
    last.map_or(0, |lane| lane.0 + 1)
}

/// Why the lanes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LaneMapError {
    #[error("the read database is not migrated: run `query-service migrate` first")]
    NotMigrated,
    #[error("the database does not have all {SLOTS} slots: {0}")]
    Incomplete(ValueError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl LaneMapError {
    /// A missing table means that `migrate` has not run, or not in this version.
    pub fn of(error: sqlx::Error) -> Self {
        const UNDEFINED_TABLE: &str = "42P01";
        let code = error.as_database_error().and_then(|cause| cause.code());
        if code.is_some_and(|code| code == UNDEFINED_TABLE) {
            Self::NotMigrated
        } else {
            Self::Database(error)
        }
    }
}

/// The stored lane of every slot.
pub async fn load_lane_map(connection: &mut PgConnection) -> Result<LaneMap, LaneMapError> {
    let slots: Result<Vec<i16>, sqlx::Error> =
        sqlx::query_scalar(include_str!("../queries/load_slots.sql")).fetch_all(connection).await;
    let slots = match slots {
        Ok(slots) if slots.is_empty() => return Err(LaneMapError::NotMigrated),
        Ok(slots) => slots,
        Err(error) => return Err(LaneMapError::of(error)),
    };
    let lanes = slots.into_iter().map(database::lane).collect();
    LaneMap::from_slots(lanes).map_err(LaneMapError::Incomplete)
}
