//! Deletes old stored outcomes of requests that left no event.

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::time::sleep;

use crate::metrics;

/// Rows per delete, so that each takes only milliseconds.
const ROWS_MAX: u16 = 1_000;

/// Pause between deletes while there is more to delete.
const PAUSE: Duration = Duration::from_millis(200);

/// Pause after a failed delete.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Pause when nothing old is left.
const IDLE_PAUSE: Duration = Duration::from_secs(3_600);

/// Deletes outcomes older than `retention_days`, in small steps, until it is cancelled. Several instances may
/// run at once.
pub async fn purge(pool: PgPool, retention_days: u16) {
    loop {
        let pause = match delete_some(&pool, retention_days).await {
            Ok(deleted) => {
                metrics::outcomes_purged(deleted);
                pause_after(deleted)
            }
            Err(error) => {
                tracing::warn!(%error, "cannot purge old outcomes; retrying in {RETRY_PAUSE:?}");
                RETRY_PAUSE
            }
        };
        sleep(pause).await;
    }
}

async fn delete_some(pool: &PgPool, retention_days: u16) -> sqlx::Result<u64> {
    let deleted = sqlx::query(include_str!("../../../queries/purge_outcomes.sql"))
        .bind(i32::from(retention_days))
        .bind(i64::from(ROWS_MAX))
        .execute(pool)
        .await?;
    Ok(deleted.rows_affected())
}

/// After a full delete there may be more.
fn pause_after(deleted: u64) -> Duration {
    if deleted < u64::from(ROWS_MAX) { IDLE_PAUSE } else { PAUSE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_delete_is_followed_by_another_soon() {
        assert_eq!(pause_after(ROWS_MAX.into()), PAUSE);
        for deleted in [0, 1, u64::from(ROWS_MAX) - 1] {
            assert_eq!(pause_after(deleted), IDLE_PAUSE);
        }
    }
}
