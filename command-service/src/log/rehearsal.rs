//! Rehearsals: what reversals would do, decided one after another on states as they are now, with
//! nothing recorded.

use std::collections::{BTreeSet, HashMap};

use shared_events::lane::EventId;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::PgConnection;

use super::load::{self, LoadError};
use super::past::{self, REVERSED_EVENTS_MAX, Selected};
use super::read::ReadError;
use super::snapshot::Overdue;
use crate::inventory::{
    Command, Inventory, Irreversible, Rejection, Request, Reverse, Target, decide,
};

/// Streams that are folded with one statement.
const STREAMS_MAX: usize = 1_000;

/// A working set that events of the past are brought into, and decided on.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    inventory: Inventory,
    now: Timestamp,
}

impl Rehearsal {
    /// Nothing is known yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { inventory: Inventory::default(), now }
    }

    /// Brings events, with the states that decide whether they can be taken back.
    pub(crate) async fn bring(
        &mut self,
        connection: &mut PgConnection,
        events: &[EventId],
    ) -> Result<(), ReadError> {
        for events in events.chunks(REVERSED_EVENTS_MAX) {
            self.bring_some(connection, events).await?;
        }
        Ok(())
    }

    async fn bring_some(
        &mut self,
        connection: &mut PgConnection,
        events: &[EventId],
    ) -> Result<(), LoadError> {
        let target = Target::Events(events.to_vec());
        let selected = past::select(connection, &target).await?;
        let cold: BTreeSet<Stream> =
            selected.streams().filter(|stream| self.inventory.state(stream).is_none()).collect();
        let cold: Vec<Stream> = cold.into_iter().collect();
        for streams in cold.chunks(STREAMS_MAX) {
            let folded = load::fold_streams(connection, streams, &mut Overdue::default()).await?;
            for state in folded.into_states() {
                self.inventory.insert(state);
            }
        }
        let selections: HashMap<Target, Selected> = HashMap::from([(target, selected)]);
        past::bring(connection, &selections, &mut self.inventory).await
    }

    /// Decides a reversal of events that were brought; what it would do is from here on done.
    pub(crate) fn reverse(&mut self, reverse: Reverse) -> Result<(), Rejection> {
        if let Target::Events(events) = &reverse.target {
            let past = |id: &EventId| Some((*id, self.inventory.past(*id)?.clone()));
            let facts: Vec<_> = events.iter().filter_map(past).collect();
            self.inventory.insert_selection(reverse.target.clone(), facts);
        }
        let request = Request { command: Command::Reverse(reverse), occurred_at: None };
        match decide(&self.inventory, &request, self.now) {
            Ok(events) => {
                for event in &events {
                    self.inventory.evolve(event);
                }
                Ok(())
            }
            Err(rejection) => Err(self.as_of_now(rejection)),
        }
    }

    /// What stands in the way does so no longer where the rehearsal has taken it back.
    fn as_of_now(&self, mut rejection: Rejection) -> Rejection {
        if let Rejection::NotReversible { why: Irreversible::MovedOn, dependents } = &mut rejection
        {
            dependents.retain(|id| self.inventory.past(*id).is_none_or(|past| !past.is_reversed));
        }
        rejection
    }
}

impl From<LoadError> for ReadError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Database(error) => error.into(),
            unreadable @ LoadError::Unreadable { .. } => {
                Self::Corrupt(sqlx::Error::Decode(Box::new(unreadable)))
            }
        }
    }
}
