//! The tables beside the log, against the events they follow from.

use shared_events::lane::Position;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

use super::Stopped;
use super::lane::Difference;
use crate::log::row;

/// Checks which events are noted as taken back, and when reservations are due.
pub(super) async fn check(pool: &PgPool) -> Result<(), Stopped> {
    let reversals = include_str!("../../queries/verify_reversals.sql");
    let deadlines = include_str!("../../queries/verify_deadlines.sql");
    for (what, statement) in
        [("what it takes back, as noted", reversals), ("when it is due", deadlines)]
    {
        if let Some(row) = sqlx::query(statement).fetch_optional(pool).await? {
            return Err(Stopped::Differs(difference(what, &row)?));
        }
    }
    Ok(())
}

fn difference(what: &str, row: &PgRow) -> sqlx::Result<Difference> {
    let told = |column| {
        let text: Option<String> = row.try_get(column)?;
        Ok::<_, sqlx::Error>(text.unwrap_or_else(|| "nothing".to_owned()))
    };
    Ok(Difference {
        lane: row::lane(row, "lane")?,
        position: Position(row.try_get("position")?),
        stream: row.try_get("stream")?,
        what: what.to_owned(),
        expected: told("expected")?,
        found: told("found")?,
    })
}
