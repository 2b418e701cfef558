//! The streams that decide requests, as far as they are known before deciding.

use std::collections::{BTreeSet, HashMap};

use inventory::{Command, Inventory, Target};
use shared_events::lane::{Lane, LaneMap};
use shared_events::stream::Stream;
use shared_events::values::Sku;
use sqlx::PgConnection;

use super::cache::Memory;
use super::catch_up;
use crate::log::load::LoadError;
use crate::log::reversal::Selection;
use crate::log::submission::Submission;

/// The streams that decide a batch's requests, and the events that its reversals name.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The streams whose exact state decides a request.
    decisive: BTreeSet<Stream>,
    /// Those of them that begin with the batch and so have no history to read.
    new: BTreeSet<Stream>,
    /// The streams that are read without regard to their lanes.
    locations: BTreeSet<Stream>,
    /// The items whose stock at every location is needed. It is in the items' own lanes.
    pub(crate) items_everywhere: BTreeSet<Sku>,
    /// The events that reversals name.
    pub(crate) selections: HashMap<Target, Selection>,
}

impl Plan {
    /// Plans the first of these requests, as many as fit into a batch and at least one. Reads the lines of
    /// reservations and transfers, and the events that reversals name.
    pub(crate) async fn of<'a>(
        connection: &mut PgConnection,
        memory: &mut Memory,
        requests: impl Iterator<Item = &'a Submission>,
        bytes_max: usize,
    ) -> Result<Self, LoadError> {
        let requests: Vec<&Submission> = requests.collect();
        let commands = requests.iter().flat_map(|submission| submission.commands());
        let changed: BTreeSet<Stream> = commands.filter_map(Command::changed).collect();
        let known = catch_up::states(connection, memory, changed.iter()).await?;
        let (mut plan, mut bytes) = (Self::default(), 0);
        for submission in requests {
            for command in submission.commands() {
                if bytes > bytes_max {
                    return Ok(plan);
                }
                if let Some(target) = command.reversal()
                    && !plan.selections.contains_key(target)
                {
                    let selection = Selection::read(connection, target).await?;
                    plan.selections.insert(target.clone(), selection);
                }
                let streams: Vec<Stream> = plan.required(command, &known).collect();
                bytes += size(submission, command, &streams);
                plan.decisive.extend(streams);
            }
            plan.add(submission);
        }
        Ok(plan)
    }

    /// The same without requests: what was read for a batch that is about to take them.
    pub(crate) fn without_requests(self) -> Self {
        let Self { items_everywhere, selections, .. } = self;
        Self { items_everywhere, selections, ..Self::default() }
    }

    /// Adds what a request names, except for its decisive streams.
    pub(crate) fn add(&mut self, submission: &Submission) {
        for command in submission.commands() {
            self.new.extend(command.new_stream());
            self.items_everywhere.extend(command.item_everywhere().cloned());
            self.locations.extend(command.locations().into_iter().map(Stream::Location));
        }
    }

    pub(crate) fn add_decisive(&mut self, streams: impl IntoIterator<Item = Stream>) {
        self.decisive.extend(streams);
    }

    /// Whether the log was read for it, if the command needs that.
    pub(crate) fn is_prepared_for(&self, command: &Command) -> bool {
        let is_read = |target| self.selections.contains_key(target);
        let is_loaded = |sku| self.items_everywhere.contains(sku);
        command.reversal().is_none_or(is_read) && command.item_everywhere().is_none_or(is_loaded)
    }

    /// The streams whose exact state decides a command, as far as they are known.
    pub(crate) fn required(
        &self,
        command: &Command,
        known: &Inventory,
    ) -> impl Iterator<Item = Stream> {
        let targets = command.reversal().and_then(|target| self.selections.get(target));
        let targets = targets.into_iter().flat_map(Selection::streams);
        let lines = command.changed().map(|changed| known.streams_of_lines(&changed));
        command.streams().into_iter().chain(lines.into_iter().flatten()).chain(targets)
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

    /// Whether the stream's exact state decides a request.
    pub(crate) fn is_decisive(&self, stream: &Stream) -> bool {
        self.decisive.contains(stream)
    }

    /// The lanes of the decisive streams, ascending.
    pub(crate) fn lanes(&self, lanes: &LaneMap) -> BTreeSet<Lane> {
        self.decisive.iter().map(|stream| lanes.lane_of(stream)).collect()
    }

    /// Every stream whose state the requests need.
    pub(crate) fn all_streams(&self) -> impl Iterator<Item = &Stream> {
        let existing = self.decisive.iter().filter(|stream| !self.new.contains(stream));
        existing.chain(self.locations.iter().filter(|stream| !self.decisive.contains(stream)))
    }
}

/// The estimated bytes of a command's events. Each of its lines has two streams, the item's and the stock's.
pub(crate) fn size(submission: &Submission, command: &Command, streams: &[Stream]) -> usize {
    submission.size_of(command, streams.len() / 2)
}
