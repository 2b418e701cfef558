//! Which versions of the projections exist and which of them answer queries.

use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};

use crate::projection::{Projection, ProjectionVersion};

/// A version that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    pub of: ProjectionVersion,
    /// A rebuild fills it, and nothing else writes it.
    pub is_filling: bool,
    /// It answers queries.
    pub is_active: bool,
}

/// Every version of the projections that this binary knows.
pub async fn list_versions(
    database: impl PgExecutor<'_>,
    known: &[Projection],
) -> sqlx::Result<Vec<Listed>> {
    let rows =
        sqlx::query(include_str!("../../queries/list_versions.sql")).fetch_all(database).await?;
    rows.iter().filter_map(|row| listed(row, known).transpose()).collect()
}

fn listed(row: &PgRow, known: &[Projection]) -> sqlx::Result<Option<Listed>> {
    let name: &str = row.try_get("projection")?;
    let Some(projection) = known.iter().find(|one| one.name() == name) else {
        return Ok(None);
    };
    Ok(Some(Listed {
        of: projection.version(row.try_get("version")?),
        is_filling: row.try_get("filling")?,
        is_active: row.try_get("active")?,
    }))
}
