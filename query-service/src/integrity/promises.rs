//! What no lane can tell alone: that the open lines of reservations add up to what the figures say is
//! reserved and allocated.
//!
//! A reservation and its stock may stand in different lanes, and a view of two lanes may show half of
//! an atomic command for a moment. So a difference counts only when it is still there, row for row the
//! same, once everything is applied that was recorded when it was first seen: what was under way then
//! has come in by now, and would have changed one of the rows. Where that cannot be seen, because the
//! rows keep changing or a lane stands still, nothing is said.
//!
//! It is not exact for a hold past its end that only one of the two sides has recorded as ended: such
//! a hold may count or not.

use std::time::Duration;

use shared_events::lane::{EventId, Position, PositionToken};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::database;
use crate::integrity::proof::difference::{Difference, Kind};
use crate::integrity::walk::Halt;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;

/// Pairs that are looked at once more.
const SUSPECTS_MAX: i64 = 100;

/// How often is looked once more.
const LOOKS: usize = 3;

/// How long the views may take to apply what was recorded.
const APPLIED_MAX: Duration = Duration::from_secs(3);

/// A pair whose figures are not what open reservations add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suspect {
    sku: String,
    location: String,
    /// The pair's last event, if it has a history.
    event: Option<EventId>,
    reserved: i64,
    allocated: i64,
    held_least: i64,
    held_most: i64,
    promised: i64,
    /// The versions of all rows that decide.
    seen: String,
}

/// Compares all pairs, or those of one sku; gives the first difference that is one for certain.
///
/// # Errors
/// The read database or the log does not answer.
pub async fn compare(
    connection: &mut PgConnection,
    log: &LogClient,
    progress: &Progress,
    sku: Option<&str>,
) -> Result<Option<Difference>, Halt> {
    let mut suspects = suspects(connection, sku).await?;
    for _ in 0..LOOKS {
        if suspects.is_empty() {
            return Ok(None);
        }
        let heads = log.heads().await?.lanes.into_iter();
        let recorded: PositionToken = heads.map(|(lane, head)| (lane, head.position)).collect();
        if tokio::time::timeout(APPLIED_MAX, progress.reach(&recorded)).await.is_err() {
            return Ok(None);
        }
        let again = self::suspects(connection, sku).await?;
        if let Some(certain) = again.iter().find(|one| suspects.contains(one)) {
            return Ok(Some(certain.difference()));
        }
        suspects = again;
    }
    Ok(None)
}

async fn suspects(connection: &mut PgConnection, sku: Option<&str>) -> Result<Vec<Suspect>, Halt> {
    let rows = sqlx::query(include_str!("../../queries/prove_promises.sql"))
        .bind(sku)
        .bind(SUSPECTS_MAX)
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(Suspect::of).collect::<sqlx::Result<_>>()?)
}

impl Suspect {
    fn of(row: &PgRow) -> sqlx::Result<Self> {
        let lane: Option<i16> = row.try_get("lane")?;
        let position: Option<i64> = row.try_get("position")?;
        let place = lane.map(database::lane).zip(position.map(Position));
        Ok(Self {
            sku: row.try_get("sku")?,
            location: row.try_get("location")?,
            event: place.map(|(lane, position)| EventId(lane, position)),
            reserved: row.try_get("reserved")?,
            allocated: row.try_get("allocated")?,
            held_least: row.try_get("held_least")?,
            held_most: row.try_get("held_most")?,
            promised: row.try_get("promised")?,
            seen: row.try_get("seen")?,
        })
    }

    fn difference(&self) -> Difference {
        let (member, expected, found) = if self.allocated == self.promised {
            let Self { held_least, held_most, reserved, .. } = self;
            let expected = match held_least == held_most {
                true => held_most.to_string(),
                false => format!("{held_least} to {held_most}"),
            };
            ("reserved", expected, reserved)
        } else {
            ("allocated", self.promised.to_string(), &self.allocated)
        };
        Difference {
            sku: Some(self.sku.clone()),
            stream: Some(format!("stock/{}/{}", self.sku, self.location)),
            event: self.event,
            member: Some(member.to_owned()),
            ..Difference::new(Kind::Promise, expected, found)
        }
    }
}
