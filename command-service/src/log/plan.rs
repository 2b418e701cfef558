//! What a batch will touch, known before anything is locked.

use std::collections::{BTreeSet, HashMap};

use shared_events::lane::Lane;
use shared_events::stream::Stream;
use shared_events::values::Sku;
use sqlx::PgConnection;

use super::cache::Cache;
use super::load::{self, LoadError};
use super::outcomes;
use super::past::{self, Selected};
use super::submission::{IdempotencyKey, Submission};
use crate::inventory::{Command, Inventory, Target, place};

/// What a batch will touch. It is made from what commands say and from facts that never change, so
/// it holds still when the locks are there.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The streams whose lanes are locked.
    streams: BTreeSet<Stream>,
    /// The streams that are only looked at.
    locations: BTreeSet<Stream>,
    /// The items whose stock is looked at wherever it is, in the items' own lanes.
    pub(super) items_everywhere: Vec<Sku>,
    /// What the batch's reversals take back.
    pub(super) reversals: HashMap<Target, Selected>,
    /// Each lane that is needed, with the lock of the key for which it is; without one where it is
    /// needed in any case.
    pub(super) needed: BTreeSet<(Lane, Option<i64>)>,
    /// Which requests of the batch are decided in it, in the batch's order.
    pub(super) admissions: Vec<Admission>,
}

/// Whether a request is decided in its batch, by what its events will take together with those of
/// the requests before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is.
    Now,
    /// It waits for the next one.
    Later,
    /// It fits into no transaction.
    Never,
}

impl Plan {
    /// Plans a batch. Reads, without a lock, the lines of reservations and the facts to be reversed.
    pub(super) async fn of(
        connection: &mut PgConnection,
        cache: &mut Cache,
        batch: &[&Submission],
        bytes_max: usize,
    ) -> Result<Self, LoadError> {
        let mut plan = Self::default();
        let all = batch.iter().flat_map(|submission| commands(submission));
        let reservations: BTreeSet<Stream> =
            all.filter_map(Command::reservation).cloned().map(Stream::Reservation).collect();
        let known = states(connection, cache, reservations.iter()).await?;
        let mut bytes = 0;
        for submission in batch {
            let weight = plan.weigh(connection, submission, &known, bytes_max).await?;
            let admission = match bytes + weight {
                _ if weight > bytes_max => Admission::Never,
                together if together > bytes_max => Admission::Later,
                together => {
                    bytes = together;
                    plan.add(cache, submission, &known);
                    Admission::Now
                }
            };
            plan.admissions.push(admission);
        }
        plan.locations.retain(|location| !plan.streams.contains(location));
        Ok(plan)
    }

    /// About how many bytes the events of a request will take, now that its facts can be looked at; any
    /// number beyond the bound where they are too many.
    async fn weigh(
        &mut self,
        connection: &mut PgConnection,
        submission: &Submission,
        known: &Inventory,
        bytes_max: usize,
    ) -> Result<usize, LoadError> {
        let mut weight = 0;
        for command in commands(submission) {
            if let Some(target) = command.reversal()
                && !self.reversals.contains_key(target)
            {
                let selected = past::select(connection, target).await?;
                self.reversals.insert(target.clone(), selected);
            }
            // Two streams a place, the item's and the stock's.
            let places = self.required(command, known).len() / 2;
            weight += submission.weight_of(command, places);
            if weight > bytes_max {
                break;
            }
        }
        Ok(weight)
    }

    fn add(&mut self, cache: &Cache, submission: &Submission, known: &Inventory) {
        let key = stored_key(submission).map(outcomes::lock_number);
        for command in commands(submission) {
            let streams = self.required(command, known);
            self.needed.extend(streams.iter().map(|stream| (cache.lane_of(stream), key)));
            self.streams.extend(streams);
            self.items_everywhere.extend(command.item_everywhere().cloned());
            self.locations.extend(command.locations().into_iter().map(Stream::Location));
        }
    }

    /// The streams whose exact state decides a command, as far as it is known which those are.
    pub(super) fn required(&self, command: &Command, known: &Inventory) -> Vec<Stream> {
        let mut streams = command.streams();
        let reservation = command.reservation().and_then(|id| known.reservation(id));
        if let Some(details) = reservation.and_then(|state| state.details.as_ref()) {
            streams.extend(details.lines.iter().flat_map(|line| place(&line.sku, &line.location)));
        }
        if let Some(selected) = command.reversal().and_then(|target| self.reversals.get(target)) {
            streams.extend(selected.streams());
        }
        streams
    }

    /// Whether everything that decides the command is locked, going by what is known under the locks.
    pub(super) fn covers(&self, command: &Command, known: &Inventory) -> bool {
        self.required(command, known).iter().all(|stream| self.streams.contains(stream))
    }

    /// The streams of which a command's scratch copy is made, beside an item's stock everywhere.
    pub(super) fn touched(&self, command: &Command, known: &Inventory) -> Vec<Stream> {
        let mut streams = self.required(command, known);
        streams.extend(command.locations().into_iter().map(Stream::Location));
        streams
    }

    /// The locks of the keys under which outcomes are stored, ascending.
    pub(super) fn key_locks(&self) -> Vec<i64> {
        let keys: BTreeSet<i64> = self.needed.iter().filter_map(|(_, key)| *key).collect();
        keys.into_iter().collect()
    }

    /// Whether it is one of the streams whose lanes are locked.
    pub(super) fn is_locked(&self, stream: &Stream) -> bool {
        self.streams.contains(stream)
    }

    /// Every stream that the batch looks at.
    pub(super) fn all_streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().chain(&self.locations)
    }
}

fn commands(submission: &Submission) -> impl Iterator<Item = &Command> {
    submission.asked.requests().iter().map(|request| &request.command)
}

/// The key under which a submission's outcome is stored.
pub(super) fn stored_key(submission: &Submission) -> Option<&IdempotencyKey> {
    submission.key.as_ref().filter(|_| !submission.validate_only)
}

/// The states of streams: from the cache, or from the log where the cache does not hold them.
pub(super) async fn states<'a>(
    connection: &mut PgConnection,
    cache: &mut Cache,
    streams: impl Iterator<Item = &'a Stream>,
) -> Result<Inventory, LoadError> {
    let mut inventory = Inventory::default();
    let mut missing = Vec::new();
    for stream in streams {
        match cache.get(stream) {
            Some(state) => inventory.insert(state.clone()),
            None => missing.push(stream.clone()),
        }
    }
    if !missing.is_empty() {
        for state in load::cold(connection, cache, &missing).await?.into_states() {
            inventory.insert(state);
        }
    }
    Ok(inventory)
}
