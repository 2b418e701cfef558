//! Batches decided optimistically: before any lock, on the state that the writer remembers and on the
//! state after the batch in flight.
//!
//! One statement locks, checks, writes and commits such a batch, and the next batch fills while it is in
//! flight. If the lane heads under the locks are the expected ones, the writer missed nothing and would
//! decide the same there. If not, nothing is written and the batch is decided again under its locks.

use std::collections::VecDeque;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use inventory::{Inventory, StreamState};
use shared_events::lane::{Lane, LaneMap};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use tokio::select;
use tokio::time::Instant;

use super::cache::Memory;
use super::commit::{AfterCommit, Failure, commit};
use super::deciding::Decider;
use super::plan::Plan;
use super::queue::{Bounds, Queued};
use super::sequencer::Sequencer;
use super::session::Session;
use super::{State, WriterTask};
use crate::log::append::{Append, Expected};
use crate::log::idempotency::KnownOutcomes;
use crate::log::row::LaneHead;
use crate::log::submission::{IdempotencyKey, Outcome, Submission};

/// The latest known state, which optimistic decisions are based on.
struct LatestState<'a> {
    memory: &'a mut Memory,
    in_flight: Option<&'a AfterCommit>,
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

/// A batch that still takes requests and decides each as it comes.
struct OpenBatch {
    lanes: Arc<LaneMap>,
    plan: Plan,
    decider: Decider,
    requests: Vec<Queued>,
    outcomes: Vec<Outcome>,
    expected_heads: Vec<LaneHead>,
    /// The keys, none of which has an outcome yet.
    keys: Vec<IdempotencyKey>,
    decided_from: Timestamp,
    /// When the first request was decided.
    since: Instant,
    bounds: Bounds,
    /// The estimated bytes of the events.
    bytes: usize,
    is_full: bool,
}

/// A batch on its way to the log.
struct InFlight {
    after: AfterCommit,
    requests: Vec<Queued>,
    outcomes: Vec<Outcome>,
    since: Instant,
}

impl OpenBatch {
    /// Begins a batch, which is full at once if it must not be decided optimistically.
    fn begin(memory: &mut Memory, bounds: Bounds) -> Self {
        let lanes = memory.cache.lanes();
        let decider = Decider::new(
            Arc::clone(&lanes),
            Default::default(),
            KnownOutcomes::default(),
            Inventory::default(),
            Sequencer::new([], Timestamp::UNIX_EPOCH),
        );
        Self {
            lanes,
            plan: Plan::default(),
            decider,
            requests: Vec::new(),
            outcomes: Vec::new(),
            expected_heads: Vec::new(),
            keys: Vec::new(),
            decided_from: Timestamp::UNIX_EPOCH,
            since: Instant::now(),
            bounds,
            bytes: 0,
            is_full: !memory.policy.begin() || memory.policy.now().is_none(),
        }
    }

    fn takes_more(&self) -> bool {
        !self.is_full && self.requests.len() < self.bounds.commands_max
    }

    /// Decides requests in their order, up to the first that does not fit or cannot be decided.
    fn take(&mut self, requests: &mut VecDeque<Queued>, mut latest: LatestState<'_>) {
        while self.takes_more()
            && let Some(queued) = requests.front()
        {
            self.is_full = !self.decide(&queued.submission, &mut latest);
            if !self.is_full {
                self.requests.extend(requests.pop_front());
            }
        }
    }

    /// Decides one request, if it fits and all states that it needs are known.
    fn decide(&mut self, submission: &Submission, latest: &mut LatestState<'_>) -> bool {
        let Some((streams, now)) = self.load(submission, latest).zip(latest.memory.policy.now())
        else {
            return false;
        };
        if self.requests.is_empty() {
            self.since = Instant::now();
            self.decided_from = now;
        }
        self.decider.decided().sequencer.advance_time(now);
        self.plan.add(&self.lanes, submission, streams);
        let Ok(outcome) = self.decider.decide(&self.plan, submission) else {
            return false;
        };
        self.outcomes.push(outcome);
        self.keys.extend(submission.stored_key().cloned());
        true
    }

    /// Loads the states that decide a request; none if not all of them are known or the batch is full.
    fn load(
        &mut self,
        submission: &Submission,
        latest: &mut LatestState<'_>,
    ) -> Option<Vec<Stream>> {
        let (mut bytes, mut required) = (self.bytes, Vec::new());
        for command in submission.commands() {
            if command.reversal().is_some() || command.item_everywhere().is_some() {
                return None;
            }
            // The lines of a reservation or a transfer name more streams.
            if let Some(changed) = command.changed() {
                self.load_stream(&changed, latest)?;
            }
            let inventory = &self.decider.decided().inventory;
            let streams: Vec<Stream> = self.plan.required(command, inventory).collect();
            bytes += submission.size_of(command, streams.len() / 2);
            let new = command.new_stream();
            for stream in streams.iter().filter(|stream| new.as_ref() != Some(stream)) {
                self.load_stream(stream, latest)?;
            }
            for location in command.locations() {
                self.load_stream(&Stream::Location(location), latest)?;
            }
            required.extend(streams);
        }
        if bytes > self.bounds.bytes_max {
            return None;
        }
        for stream in &required {
            let lane = self.lanes.lane_of(stream);
            if !self.decider.decided().sequencer.has_lane(lane) {
                let head = latest.head(lane)?;
                self.expected_heads.push(head);
                self.decider.decided().sequencer.add_lane(head);
            }
        }
        self.bytes = bytes;
        Some(required)
    }

    fn load_stream(&mut self, stream: &Stream, latest: &mut LatestState<'_>) -> Option<()> {
        let inventory = &mut self.decider.decided().inventory;
        if !inventory.contains(stream) {
            inventory.insert(latest.of_stream(stream)?);
        }
        Some(())
    }

    /// Closes the batch, if it has any requests: the rows to write, their conditions, and the batch in
    /// flight.
    fn close(mut self, memory: &Memory) -> Option<(Append, Expected, InFlight)> {
        if self.requests.is_empty() {
            return None;
        }
        self.requests.iter_mut().for_each(Queued::leave_queue);
        let (after, append, _) = AfterCommit::split(memory, &self.plan, self.decider.finish());
        let expected = Expected {
            heads: self.expected_heads,
            keys: self.keys,
            key_locks: self.plan.key_locks(),
            decided_from: self.decided_from,
        };
        let Self { requests, outcomes, since, .. } = self;
        Some((append, expected, InFlight { after, requests, outcomes, since }))
    }
}

impl WriterTask {
    /// Executes batches, beginning with these requests, as long as they can be decided optimistically
    /// and meet no conflict. Returns the requests that must be decided under locks.
    pub(super) async fn execute_optimistically(
        &mut self,
        state: &mut State,
        batch: Vec<Queued>,
    ) -> Vec<Queued> {
        let State { session, memory } = state;
        let mut left = VecDeque::from(batch);
        let mut committed: Option<InFlight> = None;
        let mut open = OpenBatch::begin(memory, self.bounds());
        open.take(&mut left, LatestState { memory, in_flight: None });
        // 1. Send the decided batch.
        while let Some((rows, expected, mut in_flight)) = open.close(memory) {
            open = OpenBatch::begin(memory, self.bounds());
            let asked = Instant::now();
            let decided_at = in_flight.after.recorded_at;
            let at_most = self.config.commit_timeout;
            let mut appending = pin!(append(session, rows, expected, decided_at, at_most));
            let appended = loop {
                select! {
                    biased;
                    appended = &mut appending => break appended,
                    // 2. While it is in flight, answer for the batch before and fill the next one.
                    () = ready(()), if committed.is_some() => self.answer(committed.take()),
                    next = self.batches.one(), if left.is_empty() && open.takes_more() => {
                        open.is_full |= next.is_none();
                        left.extend(next);
                        let in_flight = Some(&in_flight.after);
                        open.take(&mut left, LatestState { memory, in_flight });
                    }
                }
            };
            self.answer(committed.take());
            // 3. Go on with the next batch, or drop it if this one met a conflict.
            let Ok(Some(clock)) = appended else {
                self.batches.give_back(left.into_iter());
                self.batches.give_back(open.requests.into_iter());
                return give_up(appended.err(), memory, in_flight);
            };
            memory.policy.observe_clock(asked, clock);
            memory.policy.record_success();
            in_flight.after.remember(memory, in_flight.requests.len(), in_flight.since);
            committed = Some(in_flight);
            self.report(memory);
            while left.is_empty()
                && open.takes_more()
                && let Some(next) = self.batches.one_now()
            {
                left.push_back(next);
                open.take(&mut left, LatestState { memory, in_flight: None });
            }
        }
        self.answer(committed);
        left.into()
    }

    /// Answers the requests of a committed batch and sends its events to the relay.
    fn answer(&self, committed: Option<InFlight>) {
        let Some(InFlight { after, requests, outcomes, .. }) = committed else {
            return;
        };
        self.relay.offer(after.events);
        for (queued, outcome) in requests.into_iter().zip(outcomes) {
            queued.finish(outcome);
        }
    }
}

/// Sends a batch. Returns the database's clock, or none after a conflict.
async fn append(
    session: &mut Session,
    rows: Append,
    expected: Expected,
    decided_at: Timestamp,
    at_most: Duration,
) -> Result<Option<Timestamp>, Failure> {
    let mut connection = session.take().await.map_err(Failure::from_session)?;
    let writing = rows.write_optimistically(&mut connection, expected, decided_at);
    let clock = commit(at_most, writing).await?;
    session.give_back(connection);
    Ok(clock)
}

/// Gives up on a batch after a conflict or a failure. Returns its requests to be decided again, none if
/// the outcome is unknown.
fn give_up(failure: Option<Failure>, memory: &mut Memory, in_flight: InFlight) -> Vec<Queued> {
    memory.policy.record_conflict();
    if failure != Some(Failure::Unknown) {
        return in_flight.requests;
    }
    memory.cache.clear();
    for queued in in_flight.requests {
        queued.finish(Outcome::Unknown);
    }
    Vec::new()
}
