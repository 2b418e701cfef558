//! What the migrations of both databases have in common.

use anyhow::{Context, ensure};
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, PgConnection};

use crate::config::DatabaseUrl;

/// Lanes of a new log, unless another number is requested.
const LANES_DEFAULT: u16 = 16;

/// Connects as the owner and runs the missing migrations, of which sqlx lets one run at a time.
pub async fn migrate(
    owner: &DatabaseUrl,
    service: &str,
    migrations: &Migrator,
) -> anyhow::Result<PgConnection> {
    let options = owner.options().application_name(&format!("{service} migrate"));
    let mut connection =
        options.connect().await.context("the database cannot be reached (MIGRATE_DATABASE_URL)")?;
    migrations.run(&mut connection).await.context("a migration failed")?;
    Ok(connection)
}

/// The number of lanes. The first migration fixes it.
pub fn number_of_lanes(requested: Option<u16>, stored: Option<u16>) -> anyhow::Result<u16> {
    if let (Some(requested), Some(stored)) = (requested, stored) {
        ensure!(
            requested == stored,
            "the database has {stored} lanes, and their number cannot change: LANES={requested} is \
             refused"
        );
    }
    Ok(stored.or(requested).unwrap_or(LANES_DEFAULT))
}

#[cfg(test)]
mod tests {
    use super::number_of_lanes;

    #[test]
    fn the_number_of_lanes_is_fixed_once() {
        for (requested, stored, lanes) in [
            (None, None, Some(16)),
            (Some(4), None, Some(4)),
            (None, Some(4), Some(4)),
            (Some(4), Some(4), Some(4)),
            (Some(8), Some(4), None),
        ] {
            assert_eq!(number_of_lanes(requested, stored).ok(), lanes, "{requested:?} {stored:?}");
        }
    }
}
