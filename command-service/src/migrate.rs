//! `migrate`: brings the write database to this version's tables, and fixes the number of lanes.

use anyhow::{Context, ensure};
use shared_events::lane::LaneMap;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::config::MigrateConfig;

/// Lanes of a new log, unless another number is asked for.
const LANES_DEFAULT: u16 = 16;

/// Runs the migrations that are missing, then stores the lanes, or checks those that are stored.
/// Running it again, or twice at once, does nothing more.
///
/// # Errors
/// The database cannot be reached or changed, or its log has another number of lanes.
pub async fn migrate(config: MigrateConfig) -> anyhow::Result<()> {
    // 1. As the owner, on a connection of its own.
    let mut connection = config
        .migrate_database_url
        .options()
        .application_name("command-service migrate")
        .connect()
        .await
        .context("the write database cannot be reached (MIGRATE_DATABASE_URL)")?;
    // 2. Tables; sqlx lets one migration run at a time.
    sqlx::migrate!("./migrations").run(&mut connection).await.context("a migration failed")?;
    // 3. Lanes, fixed with the first migration.
    let lanes = fix_lanes(&mut connection, config.lanes).await?;
    tracing::info!(lanes, "the write database is migrated");
    connection.close().await?;
    Ok(())
}

async fn fix_lanes(connection: &mut PgConnection, asked: Option<u16>) -> anyhow::Result<u16> {
    let mut transaction = connection.begin().await?;
    sqlx::query(include_str!("../queries/lock_lane_map.sql")).execute(&mut *transaction).await?;
    let stored: i64 = sqlx::query_scalar(include_str!("../queries/count_lanes.sql"))
        .fetch_one(&mut *transaction)
        .await?;
    let stored = u16::try_from(stored).context("the log has more lanes than there can be")?;
    if stored > 0 {
        ensure!(
            asked.is_none_or(|asked| asked == stored),
            "the log has {stored} lanes, and their number is fixed when it is made; LANES={} cannot \
             be applied",
            asked.unwrap_or_default(),
        );
        return Ok(stored);
    }
    let lanes = asked.unwrap_or(LANES_DEFAULT);
    let map = LaneMap::even(lanes)?;
    let slots: Vec<i16> = map.slots().iter().map(|lane| lane.0.cast_signed()).collect();
    sqlx::query(include_str!("../queries/insert_lanes.sql"))
        .bind(i32::from(lanes))
        .execute(&mut *transaction)
        .await?;
    sqlx::query(include_str!("../queries/insert_slots.sql"))
        .bind(slots)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(lanes)
}
