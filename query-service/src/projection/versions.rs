//! Which versions of the projections there are, and which of them answer.

use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};

use crate::projection::{Projection, ProjectionVersion};

/// A version that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub of: ProjectionVersion,
    /// A rebuild fills it; nobody else writes it.
    pub is_filling: bool,
    /// It answers queries.
    pub is_active: bool,
}

/// Every version of the projections that this binary knows.
///
/// # Errors
/// The database is away, or not migrated.
pub async fn list_versions(database: impl PgExecutor<'_>) -> sqlx::Result<Vec<Listed>> {
    let rows =
        sqlx::query(include_str!("../../queries/list_versions.sql")).fetch_all(database).await?;
    rows.iter().filter_map(|row| listed(row).transpose()).collect()
}

fn listed(row: &PgRow) -> sqlx::Result<Option<Listed>> {
    let Some(projection) = Projection::named(row.try_get("projection")?) else {
        return Ok(None);
    };
    Ok(Some(Listed {
        of: projection.version(row.try_get("version")?),
        is_filling: row.try_get("filling")?,
        is_active: row.try_get("active")?,
    }))
}
