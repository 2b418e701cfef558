//! Errors of Postgres.

use sqlx::Error;

/// Whether the database is away or overloaded, so that the same statement may succeed later, as opposed to a
/// fault in a statement or its result.
pub fn is_unavailable(error: &Error) -> bool {
    match error {
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed => true,
        // Classes of SQLSTATE: connection, authorisation, database missing, rollback, resources, lock, operator,
        // system (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
        Error::Database(error) => error.code().is_some_and(|code| {
            matches!(code.get(..2), Some("08" | "28" | "3D" | "40" | "53" | "55" | "57" | "58"))
        }),
        _ => false,
    }
}
