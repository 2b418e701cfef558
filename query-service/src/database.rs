//! Connections to the read database, each with limits for its purpose.

use std::time::Duration;

use shared_events::lane::Lane;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::config::{DatabaseConfig, DatabaseUrl, Milliseconds, ProjectionConfig};
use crate::projection::ProjectionVersion;

/// How long an open transaction may be idle before the database ends it, in milliseconds.
const IDLE_IN_TRANSACTION_MAX_MS: u32 = 10_000;

/// How long one statement of an integrity check may take.
const CHECK_STATEMENT_MAX: Duration = Duration::from_secs(30);

/// Connections in addition to those of the writers, in case one of theirs is abandoned.
const PROJECTION_CONNECTIONS_SPARE: u32 = 1;

/// Connections for queries on one version of a projection. Connects lazily, as all pools here.
pub fn query_pool(settings: &DatabaseConfig, projection: ProjectionVersion) -> PgPool {
    let options = connect_options(settings, projection, "queries", settings.read_timeout_ms);
    PgPoolOptions::new()
        .max_connections(settings.read_connections_max)
        .acquire_timeout(settings.read_timeout_ms.0)
        .connect_lazy_with(options)
}

/// Connections that write one version of a projection.
pub fn projection_pool(
    settings: &DatabaseConfig,
    projection: ProjectionVersion,
    bounds: &ProjectionConfig,
) -> PgPool {
    let statement_timeout = bounds.apply_timeout_ms;
    let options = connect_options(settings, projection, "projection", statement_timeout).options([
        // A crash may undo the last batches with their checkpoints: they are applied again.
        ("synchronous_commit", "off"),
        ("default_transaction_isolation", "read committed"),
    ]);
    PgPoolOptions::new()
        .max_connections(bounds.projection_writers + PROJECTION_CONNECTIONS_SPARE)
        .acquire_timeout(settings.read_timeout_ms.0)
        .connect_lazy_with(options)
}

/// Connections that fill a new version of a projection, as the owner of the tables.
pub fn fill_pool(owner: &DatabaseUrl, of: ProjectionVersion, connections_max: usize) -> PgPool {
    let schema = of.schema();
    let options =
        owner.options().application_name(&format!("query-service {schema} fill")).options([
            ("search_path", format!("{schema},public")),
            // A crash may undo the last pages with their checkpoints: they are filled again.
            ("synchronous_commit", "off".to_owned()),
            ("default_transaction_isolation", "read committed".to_owned()),
        ]);
    let connections_max = u32::try_from(connections_max).unwrap_or(u32::MAX).saturating_add(1);
    PgPoolOptions::new().max_connections(connections_max).connect_lazy_with(options)
}

/// For the connection that publishes alerts, which belong to no version.
pub fn alert_options(settings: &DatabaseConfig) -> PgConnectOptions {
    bounded(settings, "alerts", settings.read_timeout_ms)
}

/// For an integrity check of one version of `stock`: read-only transactions that each see one snapshot.
pub fn check_options(settings: &DatabaseConfig, projection: ProjectionVersion) -> PgConnectOptions {
    connect_options(settings, projection, "integrity", Milliseconds(CHECK_STATEMENT_MAX)).options([
        ("default_transaction_isolation", "repeatable read"),
        ("default_transaction_read_only", "on"),
    ])
}

fn connect_options(
    settings: &DatabaseConfig,
    projection: ProjectionVersion,
    purpose: &str,
    statement_timeout: Milliseconds,
) -> PgConnectOptions {
    let schema = projection.schema();
    bounded(settings, &format!("{schema} {purpose}"), statement_timeout)
        .options([("search_path", format!("{schema},public"))])
}

fn bounded(
    settings: &DatabaseConfig,
    purpose: &str,
    statement_timeout: Milliseconds,
) -> PgConnectOptions {
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    settings
        .read_database_url
        .options()
        .application_name(&format!("query-service {purpose}"))
        .options([
            ("statement_timeout", milliseconds(statement_timeout.0)),
            ("lock_timeout", milliseconds(statement_timeout.0)),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MAX_MS.to_string()),
            // The database notices a dead client within 15 seconds.
            ("tcp_keepalives_idle", "5".to_owned()),
            ("tcp_keepalives_interval", "3".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ])
}

pub fn lane(column: i16) -> Lane {
    Lane(u16::try_from(column).expect("a stored lane is never negative"))
}

/// Runs a statement with one array per column; not at all for no rows. The columns stand in the
/// order of the statement's parameters.
macro_rules! write_rows {
    (
        $connection:expr, $statement:literal,
        for $row:pat in $rows:expr => { $($column:ident: $value:expr),+ $(,)? }
    ) => {{
        #[allow(non_camel_case_types)]
        struct Columns<$($column),+> {
            $($column: Vec<$column>),+
        }
        let (columns, count) = {
            let rows = $rows.into_iter();
            let expected = rows.size_hint().0;
            let mut columns = Columns { $($column: Vec::with_capacity(expected)),+ };
            let mut count = 0_usize;
            for $row in rows {
                $(columns.$column.push($value);)+
                count += 1;
            }
            (columns, count)
        };
        if count > 0 {
            sqlx::query(include_str!($statement))
                $(.bind(columns.$column))+
                .execute(&mut *$connection)
                .await?;
        }
    }};
}
pub(crate) use write_rows;
