//! A batch: it takes requests and decides each as it comes, on the latest state that the writer knows.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use inventory::{Command, StreamState};
use shared_events::lane::{Lane, LaneMap};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Sku;
use tokio::time::Instant;

use super::cache::Memory;
use super::commit::AfterCommit;
use super::deciding::Decider;
use super::plan::{self, Plan};
use super::prepare::{Held, Prepared};
use super::queue::{Bounds, Queued};
use super::sequencer::Sequencer;
use crate::log::append::{Append, Expected};
use crate::log::row::LaneHead;
use crate::log::submission::{IdempotencyKey, NotExecuted, Outcome, Submission};

/// The latest known state: after the batch in flight, or else as cached.
pub(crate) struct LatestState<'a> {
    pub(crate) memory: &'a mut Memory,
    pub(crate) in_flight: Option<&'a AfterCommit>,
}

impl LatestState<'_> {
    fn of_stream(&mut self, stream: &Stream) -> Option<StreamState> {
        let in_flight = self.in_flight.and_then(|after| after.state(stream));
        in_flight.or_else(|| self.memory.cache.get(stream).cloned())
    }

    fn head(&self, lane: Lane) -> Option<LaneHead> {
        let in_flight = self.in_flight.and_then(|after| after.head(lane));
        in_flight.or_else(|| self.memory.cache.head(lane))
    }
}

/// A batch that still takes requests.
pub(crate) struct OpenBatch {
    lanes: Arc<LaneMap>,
    plan: Plan,
    decider: Decider,
    items_everywhere: BTreeSet<Sku>,
    held: Option<Held>,
    pub(crate) requests: Vec<Queued>,
    outcomes: Vec<Outcome>,
    expected_heads: Vec<LaneHead>,
    /// The keys, none of which has an outcome yet.
    keys: Vec<IdempotencyKey>,
    /// The time of the first decision.
    decided_from: Option<Timestamp>,
    /// When the batch began.
    since: Instant,
    bounds: Bounds,
    /// The estimated bytes of the events.
    bytes: usize,
    pub(crate) is_full: bool,
}

/// A batch on its way to the log.
pub(crate) struct InFlight {
    pub(crate) after: AfterCommit,
    pub(crate) requests: Vec<Queued>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) since: Instant,
}

/// Why a batch does not take a request.
enum NotTaken {
    /// The batch is full.
    Full,
    /// Something that decides the request is not known, or its lane is not held.
    Unprepared,
}

impl OpenBatch {
    pub(crate) fn begin(memory: &Memory, bounds: Bounds, prepared: Prepared) -> Self {
        let Prepared { inventory, known, selections, items_everywhere, held, .. } = prepared;
        let lanes = memory.cache.lanes();
        let recorded_at = held.as_ref().map_or(Timestamp::UNIX_EPOCH, |held| held.recorded_at);
        let sequencer = Sequencer::new(recorded_at);
        Self {
            plan: Plan::new(selections),
            decider: Decider::new(Arc::clone(&lanes), known, inventory, sequencer),
            lanes,
            items_everywhere,
            held,
            requests: Vec::new(),
            outcomes: Vec::new(),
            expected_heads: Vec::new(),
            keys: Vec::new(),
            decided_from: None,
            since: Instant::now(),
            bounds,
            bytes: 0,
            is_full: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(crate) fn takes_more(&self) -> bool {
        !self.is_full && self.requests.len() < self.bounds.commands_max
    }

    /// Decides requests in their order, up to the first that does not fit or cannot be decided.
    pub(crate) fn take(&mut self, requests: &mut VecDeque<Queued>, mut latest: LatestState<'_>) {
        if self.is_empty() {
            self.since = Instant::now();
        }
        while self.takes_more()
            && let Some(queued) = requests.front()
        {
            match self.decide(&queued.submission, &mut latest) {
                Ok(outcome) => {
                    self.outcomes.push(outcome);
                    self.requests.extend(requests.pop_front());
                }
                Err(NotTaken::Full | NotTaken::Unprepared) => self.is_full = true,
            }
        }
    }

    fn decide(
        &mut self,
        submission: &Submission,
        latest: &mut LatestState<'_>,
    ) -> Result<Outcome, NotTaken> {
        if let Some(outcome) = self.decider.stored(submission) {
            return Ok(outcome);
        }
        let now = match &self.held {
            Some(held) => held.recorded_at,
            None => latest.memory.policy.now().ok_or(NotTaken::Unprepared)?,
        };
        let (bytes, streams) = self.load(submission, latest)?;
        if bytes > self.bounds.bytes_max {
            let limit = self.bounds.bytes_max;
            return Ok(Outcome::NotExecuted(NotExecuted::TooLarge { limit }));
        }
        if self.bytes + bytes > self.bounds.bytes_max {
            return Err(NotTaken::Full);
        }
        self.decider.decided().sequencer.advance_time(now);
        self.expect_lanes(&streams, latest)?;
        self.decided_from.get_or_insert(now);
        self.bytes += bytes;
        self.plan.add(submission, streams);
        self.keys.extend(submission.stored_key().cloned());
        Ok(self.decider.decide(&self.plan, submission))
    }

    /// Loads the states that decide a request. Returns the estimated bytes of its events, and the streams
    /// whose exact state decides it.
    fn load(
        &mut self,
        submission: &Submission,
        latest: &mut LatestState<'_>,
    ) -> Result<(usize, Vec<Stream>), NotTaken> {
        let (mut bytes, mut decisive) = (0, Vec::new());
        for command in submission.commands() {
            if !self.is_prepared_for(command) {
                return Err(NotTaken::Unprepared);
            }
            // The lines of a reservation or a transfer name more streams.
            if let Some(changed) = command.changed() {
                self.load_stream(&changed, latest)?;
            }
            let inventory = &self.decider.decided().inventory;
            let streams: Vec<Stream> = self.plan.required(command, inventory).collect();
            bytes += plan::size(submission, command, &streams);
            if bytes > self.bounds.bytes_max {
                break;
            }
            let new = command.new_stream();
            for stream in streams.iter().filter(|stream| new.as_ref() != Some(stream)) {
                self.load_stream(stream, latest)?;
            }
            for location in command.locations() {
                self.load_stream(&Stream::Location(location), latest)?;
            }
            decisive.extend(streams);
        }
        Ok((bytes, decisive))
    }

    /// Whether the log was read for it, if the command needs that.
    fn is_prepared_for(&self, command: &Command) -> bool {
        let is_read = |target| self.plan.selections.contains_key(target);
        let is_loaded = |sku| self.items_everywhere.contains(sku);
        command.reversal().is_none_or(is_read) && command.item_everywhere().is_none_or(is_loaded)
    }

    fn load_stream(
        &mut self,
        stream: &Stream,
        latest: &mut LatestState<'_>,
    ) -> Result<(), NotTaken> {
        let inventory = &mut self.decider.decided().inventory;
        if !inventory.contains(stream) {
            inventory.insert(latest.of_stream(stream).ok_or(NotTaken::Unprepared)?);
        }
        Ok(())
    }

    /// Adds the lanes that decide a request to those whose heads the append expects.
    fn expect_lanes(
        &mut self,
        streams: &[Stream],
        latest: &LatestState<'_>,
    ) -> Result<(), NotTaken> {
        for stream in streams {
            let lane = self.lanes.lane_of(stream);
            if self.decider.decided().sequencer.has_lane(lane) {
                continue;
            }
            if self.held.as_ref().is_some_and(|held| !held.lanes.contains(&lane)) {
                return Err(NotTaken::Unprepared);
            }
            let head = latest.head(lane).ok_or(NotTaken::Unprepared)?;
            self.expected_heads.push(head);
            self.decider.decided().sequencer.add_lane(head);
        }
        Ok(())
    }

    /// Closes the batch, if it has any requests: the rows to write, their conditions, and the batch in
    /// flight.
    pub(crate) fn close(mut self, memory: &Memory) -> Option<(Append, Expected, InFlight)> {
        if self.requests.is_empty() {
            return None;
        }
        self.requests.iter_mut().for_each(Queued::leave_queue);
        let is_held = self.held.is_some();
        let (after, append) = AfterCommit::split(memory, &self.plan, self.decider.finish());
        let expected = Expected {
            heads: self.expected_heads,
            keys: self.keys,
            times: self.decided_from.filter(|_| !is_held).map(|from| (from, after.recorded_at)),
            in_transaction: is_held,
        };
        let Self { requests, outcomes, since, .. } = self;
        Some((append, expected, InFlight { after, requests, outcomes, since }))
    }
}
