//! `migrate`: brings the read database to this version's tables, and fixes the number of lanes.

use anyhow::{Context, ensure};
use shared_events::lane::LaneMap;
use shared_events::slot::SLOTS;
use shared_events::values::ValueError;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::config::MigrateConfig;
use crate::database;
use crate::projections;

/// Lanes of a new log, unless another number is asked for.
const LANES_DEFAULT: u16 = 16;

/// Runs the migrations that are missing, then stores the lanes, or checks those that are stored, and
/// gives every projection its checkpoints. Running it again, or twice at once, does nothing more.
///
/// # Errors
/// The database cannot be reached or changed, or was made for another number of lanes.
pub async fn migrate(config: MigrateConfig) -> anyhow::Result<()> {
    // 1. As the owner, on a connection of its own.
    let mut connection = config
        .migrate_database_url
        .options()
        .application_name("query-service migrate")
        .connect()
        .await
        .context("the read database cannot be reached (MIGRATE_DATABASE_URL)")?;
    // 2. Tables; sqlx lets one migration run at a time.
    sqlx::migrate!("./migrations").run(&mut connection).await.context("a migration failed")?;
    // 3. Lanes, fixed with the first migration, and a checkpoint for each.
    let lanes = fix_lanes(&mut connection, config.lanes).await?;
    tracing::info!(lanes, "the read database is migrated");
    connection.close().await?;
    Ok(())
}

async fn fix_lanes(connection: &mut PgConnection, asked: Option<u16>) -> anyhow::Result<u16> {
    let mut transaction = connection.begin().await?;
    sqlx::query(include_str!("../queries/lock_slots.sql")).execute(&mut *transaction).await?;
    let lanes = match load_lane_map(&mut transaction).await {
        Ok(stored) => {
            let stored = number_of_lanes(&stored);
            ensure!(
                asked.is_none_or(|asked| asked == stored),
                "the read database was made for {stored} lanes, and their number is fixed when the \
                 log is made; LANES={} cannot be applied",
                asked.unwrap_or_default(),
            );
            stored
        }
        Err(LaneMapError::NotMigrated) => {
            let lanes = asked.unwrap_or(LANES_DEFAULT);
            let map = LaneMap::even(lanes)?;
            let slots = map.slots().iter().map(|lane| database::lane_column(*lane));
            sqlx::query(include_str!("../queries/insert_slots.sql"))
                .bind(slots.collect::<Vec<i16>>())
                .execute(&mut *transaction)
                .await?;
            lanes
        }
        Err(error) => return Err(error.into()),
    };
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

/// How many lanes a map deals its slots out to.
pub fn number_of_lanes(map: &LaneMap) -> u16 {
    let last = map.slots().iter().max();
    last.map_or(0, |lane| lane.0 + 1)
}

/// Why the lanes are not known.
#[derive(Debug, thiserror::Error)]
pub enum LaneMapError {
    /// `migrate` has not run here.
    #[error("the read database is not migrated: run `query-service migrate` first")]
    NotMigrated,
    /// What is stored is not a whole map.
    #[error("the stored slots are not all {SLOTS}: {0}")]
    Incomplete(ValueError),
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl LaneMapError {
    /// A table that is not there means that `migrate` has not run, or not in this version.
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
///
/// # Errors
/// There is none yet, or the database is away.
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
