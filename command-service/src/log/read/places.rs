//! Where the things that are named by an id are.

use inventory::Target;
use shared_events::stream::Stream;
use shared_events::values::LocationCode;

use super::{History, LogReader, ReadError};
use crate::log::reversal::Selection;

/// The locations of several events.
#[derive(Debug)]
pub enum Places {
    These(Vec<LocationCode>),
    /// More events than are read for one reversal.
    TooMany,
}

impl LogReader {
    /// The locations that a stream's first event names; none if the stream has no events. The lines of a
    /// reservation, a transfer or an order never change.
    pub async fn places_of_stream(&self, stream: &Stream) -> Result<Vec<LocationCode>, ReadError> {
        let first = self.page(&History::Stream(stream.clone()), 1, 1).await?;
        let Some(first) = first.first() else { return Ok(Vec::new()) };
        let event = first.event();
        let event =
            event.map_err(|error| ReadError::Corrupt(sqlx::Error::Decode(Box::new(error))))?;
        Ok(event.locations().into_iter().cloned().collect())
    }

    /// The locations of what a reversal would reverse.
    pub async fn places_of_target(&self, target: &Target) -> Result<Places, ReadError> {
        let mut connection = self.pool.acquire().await?;
        let selection = Selection::read(&mut connection, target).await?;
        Ok(selection.locations().map_or(Places::TooMany, Places::These))
    }
}
