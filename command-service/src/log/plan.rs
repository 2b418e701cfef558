//! What a batch will touch, known before anything is locked.

use std::collections::{BTreeSet, HashMap, HashSet};

use shared_events::lane::{Lane, LaneMap};
use shared_events::stream::Stream;
use shared_events::values::Sku;
use sqlx::PgConnection;

use super::cache::Cache;
use super::load::{self, LoadError};
use super::outcomes;
use super::past::{self, Selected};
use super::submission::Submission;
use crate::inventory::{Command, Inventory, Target, place};

/// What a batch will touch. It is made from what commands say and from facts that never change, so
/// it holds still when the locks are there.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The streams whose lanes are locked.
    streams: BTreeSet<Stream>,
    /// Those of them that begin with the batch, so that there is nothing of them to read.
    new: HashSet<Stream>,
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
    Never {
        /// The bytes that one may have.
        limit: usize,
    },
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
        let all = batch.iter().flat_map(|submission| submission.commands());
        let reservations: BTreeSet<Stream> =
            all.filter_map(Command::reservation).cloned().map(Stream::Reservation).collect();
        let known = states(connection, cache, reservations.iter()).await?;
        let mut bytes = 0;
        for submission in batch {
            let (weight, streams) = plan.weigh(connection, submission, &known, bytes_max).await?;
            let admission = match bytes + weight {
                _ if weight > bytes_max => Admission::Never { limit: bytes_max },
                together if together > bytes_max => Admission::Later,
                together => {
                    bytes = together;
                    plan.add(&cache.lanes(), submission, streams);
                    Admission::Now
                }
            };
            plan.admissions.push(admission);
        }
        plan.locations.retain(|location| !plan.streams.contains(location));
        // What only requests that are not decided now take back stays out: its lanes are not locked.
        let commands = plan.admitted(batch).flat_map(Submission::commands);
        let targets: HashSet<&Target> = commands.filter_map(Command::reversal).collect();
        plan.reversals.retain(|target, _| targets.contains(target));
        Ok(plan)
    }

    /// About how many bytes the events of a request will take, now that its facts can be looked at, and
    /// the streams that decide it. Where the bytes are too many, any number beyond the bound, and no
    /// more streams than it took to see that.
    async fn weigh(
        &mut self,
        connection: &mut PgConnection,
        submission: &Submission,
        known: &Inventory,
        bytes_max: usize,
    ) -> Result<(usize, Vec<Stream>), LoadError> {
        let (mut weight, mut streams) = (0, Vec::new());
        for command in submission.commands() {
            if let Some(target) = command.reversal()
                && !self.reversals.contains_key(target)
            {
                let selected = past::select(connection, target).await?;
                self.reversals.insert(target.clone(), selected);
            }
            let before = streams.len();
            streams.extend(self.required(command, known));
            // Two streams a place, the item's and the stock's.
            weight += submission.weight_of(command, (streams.len() - before) / 2);
            if weight > bytes_max {
                break;
            }
        }
        Ok((weight, streams))
    }

    /// Adds a request that these streams decide.
    pub(super) fn add(
        &mut self,
        lanes: &LaneMap,
        submission: &Submission,
        streams: impl IntoIterator<Item = Stream>,
    ) {
        let key = submission.stored_key().map(outcomes::lock_number);
        for stream in streams {
            self.needed.insert((lanes.lane_of(&stream), key));
            self.streams.insert(stream);
        }
        for command in submission.commands() {
            self.new.extend(command.new_stream());
            self.items_everywhere.extend(command.item_everywhere().cloned());
            self.locations.extend(command.locations().into_iter().map(Stream::Location));
        }
    }

    /// Those of the planned batch's requests that are decided in it.
    pub(super) fn admitted<'a>(
        &self,
        batch: &[&'a Submission],
    ) -> impl Iterator<Item = &'a Submission> {
        let requests = batch.iter().zip(&self.admissions);
        requests.filter(|(_, admission)| **admission == Admission::Now).map(|(request, _)| *request)
    }

    /// The streams whose exact state decides a command, as far as it is known which those are.
    pub(super) fn required(
        &self,
        command: &Command,
        known: &Inventory,
    ) -> impl Iterator<Item = Stream> {
        let selected = command.reversal().and_then(|target| self.reversals.get(target));
        let selected = selected.into_iter().flat_map(Selected::streams);
        command.streams().into_iter().chain(reserved(command, known)).chain(selected)
    }

    /// Whether everything that decides the command is locked, going by what is known under the locks:
    /// since the plan was made, only a reservation's lines can have come to be known.
    pub(super) fn covers(&self, command: &Command, known: &Inventory) -> bool {
        reserved(command, known).all(|stream| self.streams.contains(&stream))
    }

    /// The streams of which a command's scratch copy is made, beside an item's stock everywhere.
    pub(super) fn touched(
        &self,
        command: &Command,
        known: &Inventory,
    ) -> impl Iterator<Item = Stream> {
        let locations = command.locations().into_iter().map(Stream::Location);
        self.required(command, known).chain(locations)
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

    /// Every stream whose state the batch looks at.
    pub(super) fn all_streams(&self) -> impl Iterator<Item = &Stream> {
        let existing = self.streams.iter().filter(|stream| !self.new.contains(stream));
        existing.chain(&self.locations)
    }
}

/// The streams of the lines of the reservation that a command changes, as far as it is known.
fn reserved(command: &Command, known: &Inventory) -> impl Iterator<Item = Stream> {
    let reservation = command.reservation().and_then(|id| known.reservation(id));
    let details = reservation.and_then(|state| state.details.as_ref());
    let lines = details.into_iter().flat_map(|details| &details.lines);
    lines.flat_map(|line| place(&line.sku, &line.location))
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
