//! How many transactions a view does with: fewer while Postgres cannot remove what they leave.
//!
//! Each transaction leaves a version of every row that it changes. Postgres removes it within moments, unless any session
//! of the database holds a snapshot: a `pg_dump`, or a forgotten transaction. Then every statement about a row that
//! changes all the time walks over all versions since. Checkpoints are such rows, and there are few of them, so their
//! dead versions show it.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::Instant;

/// How old the number of dead versions may be.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A view lingers as many times longer as there are this many dead versions of checkpoints, and at most so many times.
const DEAD_EACH: u32 = 500;
const TIMES_MAX: u32 = 9;

/// What is known of the dead versions.
#[derive(Debug, Default)]
pub(super) struct Crowding {
    looked_at: Option<Instant>,
    dead: u32,
}

impl Crowding {
    /// Looks at the database now and then. Without an answer, nothing changes.
    pub(super) async fn look(&mut self, pool: &PgPool) {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return;
        }
        self.looked_at = Some(Instant::now());
        let dead = sqlx::query_scalar(include_str!("../../../queries/count_dead_checkpoints.sql"));
        let dead: sqlx::Result<i64> = dead.fetch_one(pool).await;
        match dead {
            Ok(dead) => self.dead = u32::try_from(dead.max(0)).unwrap_or(u32::MAX),
            Err(error) => tracing::debug!(%error, "the dead versions of checkpoints are not known"),
        }
    }

    /// How long records are gathered for one transaction, of a view that usually gathers them for `linger`.
    pub(super) fn longer(&self, linger: Duration) -> Duration {
        linger * (self.dead / DEAD_EACH).clamp(1, TIMES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_become_fewer_with_dead_versions_up_to_a_limit() {
        let usual = Duration::from_millis(4);
        let linger = |dead| Crowding { looked_at: None, dead }.longer(usual);
        assert_eq!([0, 500, 999].map(linger), [usual; 3], "a usual number changes nothing");
        assert_eq!(linger(2_500), Duration::from_millis(20));
        assert_eq!(linger(u32::MAX), Duration::from_millis(36));
    }
}
