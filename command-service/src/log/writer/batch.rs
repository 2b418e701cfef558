//! A batch: it takes requests and decides each as it comes, on the latest state that the writer knows.

use std::collections::VecDeque;
use std::sync::Arc;

use inventory::StreamState;
use shared_events::lane::{Lane, LaneMap};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::ReservationId;
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

/// Reservations that follow their fills in the transaction of the command that filled them: so few that they cost
/// it little.
const SETTLED_MAX: usize = 4;

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
    /// Reservations that followed a fill.
    filled: usize,
}

/// A batch on its way to the log.
pub(crate) struct InFlight {
    pub(crate) after: AfterCommit,
    pub(crate) requests: Vec<Queued>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) since: Instant,
    /// Reservations that followed a fill in it.
    pub(crate) filled: usize,
}

impl OpenBatch {
    pub(crate) fn begin(memory: &Memory, bounds: Bounds, prepared: Prepared) -> Self {
        let Prepared { inventory, known, plan, held } = prepared;
        let lanes = memory.cache.lanes();
        let recorded_at = held.as_ref().map_or(Timestamp::UNIX_EPOCH, |held| held.recorded_at);
        let sequencer = Sequencer::new(recorded_at);
        Self {
            plan,
            decider: Decider::new(Arc::clone(&lanes), known, inventory, sequencer),
            lanes,
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
            filled: 0,
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
                Some(outcome) => {
                    self.outcomes.push(outcome);
                    self.requests.extend(requests.pop_front());
                    self.settle_filled(&mut latest);
                }
                None => self.is_full = true,
            }
        }
    }

    /// Lets a few of the reservations that a request filled follow at once, in the same transaction. The sweeper
    /// finds the others, those that would take a look at the log, and those of orders, which go on with their
    /// order.
    fn settle_filled(&mut self, latest: &mut LatestState<'_>) {
        let filled = self.decider.decided().append.deadlines.take_filled();
        for id in filled.into_iter().take(SETTLED_MAX) {
            if !self.is_of_no_order(&id, latest) {
                continue;
            }
            if let Some(outcome) = self.decide(&Submission::settling(id), latest) {
                self.filled += outcome.recorded_of("ReservationFilled");
            }
        }
    }

    fn is_of_no_order(&mut self, id: &ReservationId, latest: &mut LatestState<'_>) -> bool {
        self.load_stream(&Stream::Reservation(id.clone()), latest).is_some()
            && self.decider.decided().inventory.reservation(id).is_some_and(|of| of.order.is_none())
    }

    /// Decides one request; none if it does not fit, something that decides it is not known, or its lane is
    /// not held.
    fn decide(&mut self, submission: &Submission, latest: &mut LatestState<'_>) -> Option<Outcome> {
        if let Some(outcome) = self.decider.stored(submission) {
            return Some(outcome);
        }
        let now = match &self.held {
            Some(held) => held.recorded_at,
            None => latest.memory.policy.now()?,
        };
        let (bytes, streams) = self.load(submission, latest)?;
        if bytes > self.bounds.bytes_max {
            let limit = self.bounds.bytes_max;
            return Some(Outcome::NotExecuted(NotExecuted::TooLarge { limit }));
        }
        if self.bytes + bytes > self.bounds.bytes_max {
            return None;
        }
        self.decider.decided().sequencer.advance_time(now);
        self.expect_lanes(&streams, latest)?;
        self.decided_from.get_or_insert(now);
        self.bytes += bytes;
        self.plan.add_decisive(streams);
        self.keys.extend(submission.stored_key().cloned());
        Some(self.decider.decide(&self.plan, submission))
    }

    /// Loads the states that decide a request. Returns the estimated bytes of its events, and the streams
    /// whose exact state decides it.
    fn load(
        &mut self,
        submission: &Submission,
        latest: &mut LatestState<'_>,
    ) -> Option<(usize, Vec<Stream>)> {
        let (mut bytes, mut decisive) = (0, Vec::new());
        for command in submission.commands() {
            if !self.plan.is_prepared_for(command) {
                return None;
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
        Some((bytes, decisive))
    }

    fn load_stream(&mut self, stream: &Stream, latest: &mut LatestState<'_>) -> Option<()> {
        let inventory = &mut self.decider.decided().inventory;
        if !inventory.contains(stream) {
            inventory.insert(latest.of_stream(stream)?);
        }
        Some(())
    }

    /// Adds the lanes that decide a request to those whose heads the append expects.
    fn expect_lanes(&mut self, streams: &[Stream], latest: &LatestState<'_>) -> Option<()> {
        for stream in streams {
            let lane = self.lanes.lane_of(stream);
            if self.decider.decided().sequencer.has_lane(lane) {
                continue;
            }
            if self.held.as_ref().is_some_and(|held| !held.lanes.contains(&lane)) {
                return None;
            }
            let head = latest.head(lane)?;
            self.expected_heads.push(head);
            self.decider.decided().sequencer.add_lane(head);
        }
        Some(())
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
        let Self { requests, outcomes, since, filled, .. } = self;
        Some((append, expected, InFlight { after, requests, outcomes, since, filled }))
    }
}
