//! The streams and lanes that a batch needs, found out before anything is locked.

use std::collections::{BTreeSet, HashMap, HashSet};

use inventory::{Command, Inventory, Target};
use shared_events::lane::{Lane, LaneMap};
use shared_events::stream::Stream;
use shared_events::values::Sku;
use sqlx::PgConnection;

use super::cache::Memory;
use super::catch_up;
use crate::log::idempotency;
use crate::log::load::LoadError;
use crate::log::reversal::Selection;
use crate::log::submission::Submission;

/// The streams and lanes that a batch needs. It depends only on the commands and on events that never
/// change, so it stays valid under the locks.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The streams whose lanes are locked.
    streams: BTreeSet<Stream>,
    /// Those of them that begin with the batch and so have no history to read.
    new: HashSet<Stream>,
    /// The streams that are read without a lock.
    locations: BTreeSet<Stream>,
    /// The items whose stock at every location is needed. It is in the items' own lanes.
    pub(crate) items_everywhere: Vec<Sku>,
    pub(crate) reversals: HashMap<Target, Selection>,
    /// The lanes to lock, each with the lock of the key that needs it, or without one if the lane is
    /// needed anyway.
    pub(crate) needed: BTreeSet<(Lane, Option<i64>)>,
    /// One for each request, in the batch's order.
    pub(crate) admissions: Vec<Admission>,
}

/// Whether the events of a request fit into its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Now,
    /// It must wait for the next batch.
    Later,
    /// It does not fit into any transaction.
    Never {
        limit: usize,
    },
}

impl Plan {
    /// Plans a batch. Reads the lines of reservations and transfers and the reversal targets without a
    /// lock.
    pub(crate) async fn of(
        connection: &mut PgConnection,
        memory: &mut Memory,
        batch: &[&Submission],
        bytes_max: usize,
    ) -> Result<Self, LoadError> {
        let mut plan = Self::default();
        let all = batch.iter().flat_map(|submission| submission.commands());
        let changed: BTreeSet<Stream> = all.filter_map(Command::changed).collect();
        let known = catch_up::states(connection, memory, changed.iter()).await?;
        let mut bytes = 0;
        for submission in batch {
            let (size, streams) = plan.estimate(connection, submission, &known, bytes_max).await?;
            let admission = match bytes + size {
                _ if size > bytes_max => Admission::Never { limit: bytes_max },
                together if together > bytes_max => Admission::Later,
                together => {
                    bytes = together;
                    plan.add(&memory.cache.lanes(), submission, streams);
                    Admission::Now
                }
            };
            plan.admissions.push(admission);
        }
        plan.locations.retain(|location| !plan.streams.contains(location));
        // Drop the selections of requests that are not admitted: their lanes are not locked.
        let commands = plan.admitted(batch).flat_map(Submission::commands);
        let targets: HashSet<&Target> = commands.filter_map(Command::reversal).collect();
        plan.reversals.retain(|target, _| targets.contains(target));
        Ok(plan)
    }

    /// Estimates the bytes of a request's events, and finds the streams that decide it. Stops as soon as
    /// the estimate exceeds the bound.
    async fn estimate(
        &mut self,
        connection: &mut PgConnection,
        submission: &Submission,
        known: &Inventory,
        bytes_max: usize,
    ) -> Result<(usize, Vec<Stream>), LoadError> {
        let (mut size, mut streams) = (0, Vec::new());
        for command in submission.commands() {
            if let Some(target) = command.reversal()
                && !self.reversals.contains_key(target)
            {
                let selection = Selection::read(connection, target).await?;
                self.reversals.insert(target.clone(), selection);
            }
            let before = streams.len();
            streams.extend(self.required(command, known));
            // Two streams for each line, the item's and the stock's.
            size += submission.size_of(command, (streams.len() - before) / 2);
            if size > bytes_max {
                break;
            }
        }
        Ok((size, streams))
    }

    /// Adds a request and the streams that decide it.
    pub(crate) fn add(
        &mut self,
        lanes: &LaneMap,
        submission: &Submission,
        streams: impl IntoIterator<Item = Stream>,
    ) {
        let key = submission.stored_key().map(idempotency::lock_number);
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

    /// The requests that are decided in this batch.
    pub(crate) fn admitted<'a>(
        &self,
        batch: &[&'a Submission],
    ) -> impl Iterator<Item = &'a Submission> {
        let requests = batch.iter().zip(&self.admissions);
        requests.filter(|(_, admission)| **admission == Admission::Now).map(|(request, _)| *request)
    }

    /// The streams whose exact state decides a command, as far as they are known.
    pub(crate) fn required(
        &self,
        command: &Command,
        known: &Inventory,
    ) -> impl Iterator<Item = Stream> {
        let targets = command.reversal().and_then(|target| self.reversals.get(target));
        let targets = targets.into_iter().flat_map(Selection::streams);
        command.streams().into_iter().chain(of_lines(command, known)).chain(targets)
    }

    /// Whether all streams that decide the command are locked. Only the lines of a reservation or a
    /// transfer can be new since the batch was planned.
    pub(crate) fn covers(&self, command: &Command, known: &Inventory) -> bool {
        of_lines(command, known).all(|stream| self.streams.contains(&stream))
    }

    /// The streams that a scratch copy for a command needs, except for an item's stock everywhere.
    pub(crate) fn scratch_streams(
        &self,
        command: &Command,
        known: &Inventory,
    ) -> impl Iterator<Item = Stream> {
        let locations = command.locations().into_iter().map(Stream::Location);
        self.required(command, known).chain(locations)
    }

    /// The locks of the requests' keys, ascending.
    pub(crate) fn key_locks(&self) -> Vec<i64> {
        let keys: BTreeSet<i64> = self.needed.iter().filter_map(|(_, key)| *key).collect();
        keys.into_iter().collect()
    }

    pub(crate) fn is_locked(&self, stream: &Stream) -> bool {
        self.streams.contains(stream)
    }

    /// Every stream whose state the batch needs.
    pub(crate) fn all_streams(&self) -> impl Iterator<Item = &Stream> {
        let existing = self.streams.iter().filter(|stream| !self.new.contains(stream));
        existing.chain(&self.locations)
    }
}

/// The streams of the lines of the reservation or transfer that a command changes, if it is known.
fn of_lines(command: &Command, known: &Inventory) -> impl Iterator<Item = Stream> {
    let changed = command.changed().map(|changed| known.streams_of_lines(&changed));
    changed.into_iter().flatten()
}
