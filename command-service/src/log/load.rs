//! Loads the states of streams from the log: from their snapshots, then event by event.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use inventory::{Inventory, StreamState};
use shared_events::event::{DecodeError, Event};
use shared_events::lane::Version;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Sku;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::snapshot::{self, Overdue};

#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// This binary cannot read an event of the stream, so it must not decide anything on the stream.
    #[error("{stream} cannot be read: {source}")]
    Unreadable { stream: Stream, source: DecodeError },
}

/// Folds each stream from its snapshot, or from its beginning.
pub(crate) async fn fold_streams(
    connection: &mut PgConnection,
    streams: &[Stream],
    overdue: &mut Overdue,
) -> Result<Inventory, LoadError> {
    let mut inventory = Inventory::default();
    for stream in streams {
        inventory.insert(StreamState::initial(stream));
    }
    snapshot::restore(connection, streams, &mut inventory).await?;
    let names: Vec<String> = streams.iter().map(Stream::to_string).collect();
    let restored: Vec<i64> = streams.iter().map(|stream| inventory.version(stream).0).collect();
    let mut rows = sqlx::query(include_str!("../../queries/read_streams.sql"))
        .bind(names)
        .bind(&restored)
        .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let event = Event::from_json(
            row.try_get("type")?,
            row.try_get("schema_version")?,
            row.try_get("data")?,
        );
        let event = event.map_err(|source| unreadable(row.try_get("stream"), source))?;
        let occurred_at = Timestamp::new(row.try_get::<DateTime<Utc>, _>("occurred_at")?);
        if inventory.evolve(&event, occurred_at) != Version(row.try_get("version")?) {
            let stream = event.stream();
            return Err(sqlx::Error::Decode(format!("{stream} has a gap").into()).into());
        }
    }
    for (stream, restored) in streams.iter().zip(restored) {
        if let Some(state) = inventory.state(stream) {
            overdue.note(&state, state.version().0 - restored);
        }
    }
    Ok(inventory)
}

fn unreadable(stream: sqlx::Result<&str>, source: DecodeError) -> LoadError {
    match stream.map(str::parse) {
        Ok(Ok(stream)) => LoadError::Unreadable { stream, source },
        Ok(Err(error)) => LoadError::Database(sqlx::Error::Decode(Box::new(error))),
        Err(error) => LoadError::Database(error),
    }
}

/// The streams of all stock of the given items, which are in the items' lanes.
pub(crate) async fn stock_streams(
    connection: &mut PgConnection,
    skus: &BTreeSet<Sku>,
) -> Result<Vec<Stream>, LoadError> {
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let names: Vec<String> =
        sqlx::query_scalar(include_str!("../../queries/find_stock_streams.sql"))
            .bind(skus)
            .fetch_all(connection)
            .await?;
    let parse = |name: String| name.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)));
    Ok(names.into_iter().map(parse).collect::<Result<_, _>>()?)
}
