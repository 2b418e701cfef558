//! Lets one version answer instead of another.

use anyhow::ensure;
use shared_events::lane::Position;
use sqlx::{Connection, PgConnection};

use crate::database;
use crate::projection::ProjectionVersion;
use crate::rebuild::fill::{Filler, Positions};

/// Swaps in one statement, with every lane of the new version at least as far as the old one is at
/// that moment. The old one's checkpoints are held meanwhile, so that it cannot run ahead; readers
/// notice nothing of that.
pub(super) async fn swap(
    connection: &mut PgConnection,
    filler: &Filler,
    old: ProjectionVersion,
) -> anyhow::Result<()> {
    // 1. As near as can be without holding anything.
    filler.fill_to_heads(connection).await?;
    // 2. The last few events.
    let mut transaction = connection.begin().await?;
    let held: Vec<(i16, i64)> = sqlx::query_as(include_str!("../../queries/hold_checkpoints.sql"))
        .bind(old.name())
        .bind(old.version())
        .fetch_all(&mut *transaction)
        .await?;
    let at: Positions =
        held.into_iter().map(|(lane, at)| (database::lane(lane), Position(at))).collect();
    filler.fill(&at, &mut transaction).await?;
    // 3. The swap.
    let swapped = sqlx::query(include_str!("../../queries/swap_version.sql"))
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
