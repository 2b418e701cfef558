//! Compares the lines of open reservations with the reserved, allocated and waiting figures, and those of
//! transfers under way with the incoming ones.
//!
//! A reservation or a transfer and its stock may be in different lanes, so the views may show half of a command for a
//! moment. A mismatch therefore counts only if all rows involved are still the same after everything
//! was applied that had been recorded when it was first seen. If the rows keep changing, or a lane
//! does not get there in time, nothing is reported.
//!
//! A hold past its end that only one side has recorded as expired may count or not, and so may what was filled
//! of a reservation that waits and has not followed.

use std::time::Duration;

use shared_events::lane::{EventId, Position, PositionToken};
use sqlx::{FromRow, PgConnection};

use crate::database;
use crate::integrity::difference::{Difference, Kind};
use crate::integrity::scan::Halt;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;

/// Mismatches that are looked at again.
const MISMATCHES_MAX: i64 = 100;

/// How often they are looked at again.
const ATTEMPTS_MAX: usize = 3;

/// How long the views may take to apply what was recorded.
const APPLIED_MAX: Duration = Duration::from_secs(3);

/// A stock stream whose figures are not the sum of the open reservations and transfers. Sums may be beyond 64 bits, and
/// the database has compared them.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
struct Mismatch {
    sku: String,
    location: String,
    /// The last event of the stream, if it has one.
    lane: Option<i16>,
    position: Option<i64>,
    reserved: String,
    allocated: String,
    incoming: String,
    waiting: String,
    /// What reservations wait for, and whether that is less.
    wanted: String,
    is_beyond: bool,
    queued: String,
    held_least: String,
    held_most: String,
    promised: String,
    under_way: String,
    /// The versions of all rows involved.
    seen: String,
}

/// Compares all stock streams, or those of one sku, and returns the first certain difference.
pub async fn compare(
    connection: &mut PgConnection,
    log: &LogClient,
    progress: &Progress,
    sku: Option<&str>,
) -> Result<Option<Difference>, Halt> {
    let mut mismatches = find_mismatches(connection, sku).await?;
    for _ in 0..ATTEMPTS_MAX {
        if mismatches.is_empty() {
            return Ok(None);
        }
        let heads = log.heads().await?.lanes.into_iter();
        let recorded: PositionToken = heads.map(|(lane, head)| (lane, head.position)).collect();
        if tokio::time::timeout(APPLIED_MAX, progress.reach(&recorded)).await.is_err() {
            return Ok(None);
        }
        let again = find_mismatches(connection, sku).await?;
        if let Some(certain) = again.iter().find(|one| mismatches.contains(one)) {
            return Ok(Some(certain.difference()));
        }
        mismatches = again;
    }
    Ok(None)
}

async fn find_mismatches(
    connection: &mut PgConnection,
    sku: Option<&str>,
) -> sqlx::Result<Vec<Mismatch>> {
    sqlx::query_as(include_str!("../../queries/verify_allocations.sql"))
        .bind(sku)
        .bind(MISMATCHES_MAX)
        .fetch_all(connection)
        .await
}

impl Mismatch {
    fn difference(&self) -> Difference {
        let Self { held_least, held_most, reserved, allocated, promised, .. } = self;
        let (member, expected, found) = if self.incoming != self.under_way {
            ("incoming", self.under_way.clone(), &self.incoming)
        } else if self.waiting != self.queued {
            ("waiting", self.queued.clone(), &self.waiting)
        } else if self.is_beyond {
            ("waiting", format!("at most {}", self.wanted), &self.waiting)
        } else if allocated != promised {
            ("allocated", promised.clone(), allocated)
        } else if held_least == held_most {
            ("reserved", held_most.clone(), reserved)
        } else {
            ("reserved", format!("{held_least} to {held_most}"), reserved)
        };
        let event = self.lane.zip(self.position);
        Difference {
            sku: Some(self.sku.clone()),
            stream: Some(format!("stock/{}/{}", self.sku, self.location)),
            event: event.map(|(lane, position)| EventId(database::lane(lane), Position(position))),
            member: Some(member.to_owned()),
            ..Difference::new(Kind::Promise, expected, found)
        }
    }
}
