//! `migrate`: migrates the write database and the database of keys to this version, and fixes the number of
//! lanes.

use anyhow::Context;
use service_edge::migrate::{migrate as run_migrations, number_of_lanes};
use shared_events::lane::LaneMap;
use sqlx::{Connection, PgConnection};

use crate::config::MigrateBothConfig;

/// Runs the missing migrations, then stores the lanes or checks the stored ones. Running it again, or
/// twice at once, changes nothing more.
pub async fn migrate(config: MigrateBothConfig) -> anyhow::Result<()> {
    let MigrateBothConfig { log: config, migrate_keys_database_url } = config;
    if let Some(owner) = &migrate_keys_database_url {
        let migrations = sqlx::migrate!("./keys/migrations");
        run_migrations(owner, "command-service", &migrations).await?.close().await?;
    }
    let migrations = sqlx::migrate!("./migrations");
    let owner = &config.migrate_database_url;
    let mut connection = run_migrations(owner, "command-service", &migrations).await?;
    let lanes = fix_lanes(&mut connection, config.lanes).await?;
    tracing::info!(lanes, "the write database is migrated");
    connection.close().await?;
    Ok(())
}

async fn fix_lanes(connection: &mut PgConnection, requested: Option<u16>) -> anyhow::Result<u16> {
    let mut transaction = connection.begin().await?;
    sqlx::query(include_str!("../queries/lock_lane_map.sql")).execute(&mut *transaction).await?;
    let stored: i64 = sqlx::query_scalar(include_str!("../queries/count_lanes.sql"))
        .fetch_one(&mut *transaction)
        .await?;
    let stored = u16::try_from(stored).context("the log has more lanes than the limit")?;
    let lanes = number_of_lanes(requested, (stored > 0).then_some(stored))?;
    if stored == 0 {
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
    }
    transaction.commit().await?;
    Ok(lanes)
}
