//! Dry runs of reversals: they are decided one after another on the current states, and nothing is
//! recorded.

use std::collections::{BTreeSet, HashMap};

use inventory::{Command, Inventory, Irreversible, Rejection, Request, Reverse, Target, decide};
use shared_events::lane::EventId;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::PgConnection;

use super::{REVERSED_EVENTS_MAX, Selection, insert_targets};
use crate::log::load::{LoadError, fold_streams};
use crate::log::snapshot::Overdue;

/// The most streams to fold with one statement.
const STREAMS_MAX: usize = 1_000;

/// A working set into which targets are loaded, and on which their reversals are decided.
#[derive(Debug)]
pub(crate) struct DryRun {
    inventory: Inventory,
    now: Timestamp,
}

impl DryRun {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { inventory: Inventory::default(), now }
    }

    /// Loads target events and the states that decide whether they can be reversed.
    pub(crate) async fn load(
        &mut self,
        connection: &mut PgConnection,
        events: &[EventId],
    ) -> Result<(), LoadError> {
        for events in events.chunks(REVERSED_EVENTS_MAX) {
            self.load_some(connection, events).await?;
        }
        Ok(())
    }

    async fn load_some(
        &mut self,
        connection: &mut PgConnection,
        events: &[EventId],
    ) -> Result<(), LoadError> {
        let target = Target::Events(events.to_vec());
        let selection = Selection::read(connection, &target).await?;
        let missing: BTreeSet<Stream> =
            selection.streams().filter(|stream| !self.inventory.contains(stream)).collect();
        let missing: Vec<Stream> = missing.into_iter().collect();
        for streams in missing.chunks(STREAMS_MAX) {
            let folded = fold_streams(connection, streams, &mut Overdue::default()).await?;
            for state in folded.into_states() {
                self.inventory.insert(state);
            }
        }
        let selections = HashMap::from([(target, selection)]);
        insert_targets(connection, &selections, &mut self.inventory).await
    }

    /// Decides a reversal of loaded events. Later reversals see its effects.
    pub(crate) fn reverse(&mut self, reverse: Reverse) -> Result<(), Rejection> {
        if let Target::Events(events) = &reverse.target {
            let loaded = |id: &EventId| Some((*id, self.inventory.target_event(*id)?.clone()));
            let targets: Vec<_> = events.iter().filter_map(loaded).collect();
            self.inventory.insert_selection(reverse.target.clone(), targets);
        }
        let request = Request { command: Command::Reverse(reverse), occurred_at: None };
        match decide(&self.inventory, &request, self.now) {
            Ok(events) => {
                for event in &events {
                    self.inventory.evolve(event, request.time_of(event, self.now));
                }
                Ok(())
            }
            Err(rejection) => Err(self.without_reversed(rejection)),
        }
    }

    /// Leaves out dependents that the dry run itself has reversed.
    fn without_reversed(&self, mut rejection: Rejection) -> Rejection {
        if let Rejection::NotReversible { why: Irreversible::MovedOn, dependents } = &mut rejection
        {
            let target = |id: &EventId| self.inventory.target_event(*id);
            dependents.retain(|id| target(id).is_none_or(|target| !target.is_reversed));
        }
        rejection
    }
}
