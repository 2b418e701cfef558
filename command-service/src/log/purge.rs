//! Forgetting old outcomes: those of requests with a key that left no event.

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::time::sleep;

/// Rows of one delete: few enough that it is over in milliseconds.
const ROWS_MAX: u16 = 1_000;

/// Between two deletes while there is more to delete.
const PAUSE: Duration = Duration::from_millis(200);

/// After a delete that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Between two looks when all that was old is gone.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);

/// Deletes outcomes older than `retention_days`, bit by bit and for ever. Several services at once
/// do no harm: what one has deleted the others do not find.
pub async fn purge(pool: PgPool, retention_days: u16) {
    loop {
        let pause = match delete_some(&pool, retention_days).await {
            Ok(deleted) => {
                metrics::counter!("stockbook_outcomes_purged_total").increment(deleted);
                pause_after(deleted)
            }
            Err(error) => {
                tracing::warn!(%error, "old outcomes cannot be purged; trying again in {RETRY_PAUSE:?}");
                RETRY_PAUSE
            }
        };
        sleep(pause).await;
    }
}

async fn delete_some(pool: &PgPool, retention_days: u16) -> sqlx::Result<u64> {
    let deleted = sqlx::query(include_str!("../../queries/purge_outcomes.sql"))
        .bind(i32::from(retention_days))
        .bind(i64::from(ROWS_MAX))
        .execute(pool)
        .await?;
    Ok(deleted.rows_affected())
}

/// A full delete says that there may be more.
fn pause_after(deleted: u64) -> Duration {
    if deleted < u64::from(ROWS_MAX) { LOOK_AGAIN } else { PAUSE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_delete_is_soon_followed_by_another() {
        assert_eq!(pause_after(ROWS_MAX.into()), PAUSE);
        for deleted in [0, 1, u64::from(ROWS_MAX) - 1] {
            assert_eq!(pause_after(deleted), LOOK_AGAIN);
        }
    }
}
