//! Executes requests, batch after batch.
//!
//! There is one path. A batch is decided on the states that the writer knows; one statement proves that
//! they are the latest, writes and commits; and while it is in flight, the next batch is decided on the
//! state after it. If the proof fails, nothing is written: the writer waits for the batch's lanes, catches
//! up, decides again and sends the same statement under the locks.

use std::collections::VecDeque;
use std::future::ready;
use std::pin::pin;

use tokio::select;
use tokio::time::Instant;

use super::batch::{InFlight, LatestState, OpenBatch};
use super::cache::Memory;
use super::commit::{Failure, append, before_commit};
use super::prepare::{KeysBusy, Preparation, Prepared};
use super::queue::{Bounds, Queued};
use super::session::Session;
use super::{State, WriterTask};
use crate::log::append::{Appended, Conflict};
use crate::log::idempotency;
use crate::log::submission::{NotExecuted, Outcome};
use crate::metrics;

/// The most conflicts in a row, after which a batch is answered as not executed. One is the rule: a batch
/// that holds its lanes meets another only if a key was used at the same moment.
const CONFLICTS_MAX: u32 = 4;

/// Requests that are being executed.
pub(crate) struct Work {
    pub(crate) left: VecDeque<Queued>,
    /// Requests whose keys another instance holds.
    pub(crate) deferred: Vec<Queued>,
    /// How to prepare the next batch, if something must be read for it.
    pub(crate) preparation: Option<Preparation>,
    /// Conflicts, and failures without effect, since a batch was last written.
    conflicts: u32,
    failures: u32,
    /// So many of the first requests are executed one by one, because a batch with all of them failed.
    pub(crate) alone: usize,
    bounds: Bounds,
}

/// What came of the attempt to decide a batch.
enum Opened {
    Batch(Box<OpenBatch>),
    /// Another instance holds these locks of keys.
    KeysBusy(Vec<i64>),
    /// Not even the first request can be decided on what was read.
    Nothing,
}

impl WriterTask {
    /// Executes these requests, and those that come meanwhile, until one is deferred. Returns the deferred
    /// ones, which go before all others then.
    pub(super) async fn execute(
        &mut self,
        state: &mut State,
        requests: Vec<Queued>,
    ) -> Vec<Queued> {
        let mut work = Work::new(requests, self.bounds());
        while !work.left.is_empty() && work.deferred.is_empty() {
            // What is read for one batch is read for all requests that wait.
            while work.left.len() < work.bounds().commands_max
                && let Some(next) = self.batches.one_now()
            {
                work.left.push_back(next);
            }
            match self.open_batch(state, &mut work).await {
                Ok(Opened::Batch(open)) => self.send(state, &mut work, *open).await,
                Ok(Opened::KeysBusy(locks)) => {
                    let batch = work.next_requests();
                    work.end_in_conflict(Conflict::KeysBusy(locks), batch, &mut state.memory);
                }
                Ok(Opened::Nothing) => {
                    state.session.discard();
                    let first = work.left.pop_front().into_iter().collect();
                    work.end_in_conflict(Conflict::Lanes, first, &mut state.memory);
                }
                Err(failure) => {
                    let batch = work.next_requests();
                    work.end_in_failure(failure, batch);
                }
            }
            self.report(&state.memory);
        }
        self.batches.give_back(work.left.into_iter());
        work.deferred
    }

    /// Decides a batch from the first requests.
    async fn open_batch(
        &self,
        State { session, memory }: &mut State,
        work: &mut Work,
    ) -> Result<Opened, Failure> {
        let open = match work.open(memory) {
            Ok(open) => open,
            Err(preparation) => match self.prepare(session, memory, work, preparation).await? {
                Ok(prepared) => work.open_prepared(memory, prepared),
                Err(KeysBusy(locks)) => return Ok(Opened::KeysBusy(locks)),
            },
        };
        Ok(if open.is_empty() { Opened::Nothing } else { Opened::Batch(Box::new(open)) })
    }

    async fn prepare(
        &self,
        session: &mut Session,
        memory: &mut Memory,
        work: &mut Work,
        preparation: Preparation,
    ) -> Result<Result<Prepared, KeysBusy>, Failure> {
        let until = Instant::now() + self.config.batch_timeout;
        let mut connection = session.take().await.map_err(Failure::from_session)?;
        let Bounds { commands_max, bytes_max } = work.bounds();
        work.left.iter_mut().take(commands_max).for_each(Queued::leave_queue);
        let requests = work.left.iter().take(commands_max).map(|queued| &queued.submission);
        let reading = Prepared::read(&mut connection, memory, requests, preparation, bytes_max);
        let prepared = before_commit(until, reading).await?;
        session.give_back(connection);
        Ok(prepared)
    }

    /// Sends a batch, and then each next one that could be decided while the one before was in flight.
    async fn send(
        &mut self,
        State { session, memory }: &mut State,
        work: &mut Work,
        mut open: OpenBatch,
    ) {
        let mut committed: Option<InFlight> = None;
        // 1. Send the decided batch.
        while let Some((rows, expected, mut in_flight)) = open.close(memory) {
            open = OpenBatch::begin(memory, work.bounds(), Prepared::default());
            open.is_full = !memory.policy.may_overlap() || work.alone > 0;
            let is_ahead = !expected.in_transaction;
            let (asked, at_most) = (Instant::now(), self.config.commit_timeout);
            let appended = {
                let after = &in_flight.after;
                let vault = self.vault.as_ref();
                let appending = append(session, rows, expected, after, at_most, vault);
                let mut appending = pin!(appending);
                // 2. While it is in flight, answer for the batch before and fill the next one.
                loop {
                    select! {
                        biased;
                        appended = &mut appending => break appended,
                        () = ready(()), if committed.is_some() => self.answer(committed.take()),
                        next = self.batches.one(), if work.left.is_empty() && open.takes_more() => {
                            open.is_full |= next.is_none();
                            work.left.extend(next);
                            let latest = LatestState { memory, in_flight: Some(after) };
                            open.take(&mut work.left, latest);
                        }
                    }
                }
            };
            self.answer(committed.take());
            // 3. Go on with the next batch, or decide it again if this one was not written.
            match appended {
                Ok(Appended::Written { clock }) => {
                    memory.policy.observe_clock(asked, clock);
                    if is_ahead {
                        memory.policy.record_success();
                    }
                    work.written(in_flight.requests.len());
                    in_flight.after.remember(memory, in_flight.requests.len(), in_flight.since);
                    committed = Some(in_flight);
                }
                Ok(Appended::Conflict(conflict)) => {
                    work.give_back(open.requests);
                    if let (Conflict::Sealing, Some(vault)) = (&conflict, &self.vault) {
                        for queued in &mut in_flight.requests {
                            queued.submission.seal(vault);
                        }
                    }
                    return work.end_in_conflict(conflict, in_flight.requests, memory);
                }
                Err(failure) => {
                    if failure == Failure::Unknown {
                        memory.cache.clear();
                    }
                    work.give_back(open.requests);
                    return work.end_in_failure(failure, in_flight.requests);
                }
            }
            self.report(memory);
            while work.left.is_empty()
                && open.takes_more()
                && let Some(next) = self.batches.one_now()
            {
                work.left.push_back(next);
                open.take(&mut work.left, LatestState { memory, in_flight: None });
            }
        }
        self.answer(committed);
    }

    /// Answers the requests of a committed batch and hands its events to the relay.
    fn answer(&self, committed: Option<InFlight>) {
        let Some(InFlight { after, requests, outcomes, filled, since }) = committed else {
            return;
        };
        // The callers first: they wait.
        for (queued, outcome) in requests.into_iter().zip(outcomes) {
            queued.trace_append(since);
            queued.finish(outcome);
        }
        metrics::reservations_filled(filled);
        self.relay.offer(after.events);
    }
}

impl Work {
    pub(crate) fn new(requests: Vec<Queued>, bounds: Bounds) -> Self {
        Self {
            left: requests.into(),
            deferred: Vec::new(),
            preparation: None,
            conflicts: 0,
            failures: 0,
            alone: 0,
            bounds,
        }
    }

    /// Decides the first requests on what is in memory; if that is not enough, how to prepare a batch.
    pub(crate) fn open(&mut self, memory: &mut Memory) -> Result<OpenBatch, Preparation> {
        let hold = || Preparation { hold: true, keys: true };
        let preparation = self.preparation.take().or_else(|| memory.policy.must_hold().then(hold));
        if let Some(preparation) = preparation {
            return Err(preparation);
        }
        let open = self.open_prepared(memory, Prepared::default());
        if open.is_empty() { Err(Preparation::default()) } else { Ok(open) }
    }

    /// Decides the first requests on what was read for them.
    pub(crate) fn open_prepared(&mut self, memory: &mut Memory, prepared: Prepared) -> OpenBatch {
        let mut open = OpenBatch::begin(memory, self.bounds(), prepared);
        open.take(&mut self.left, LatestState { memory, in_flight: None });
        open
    }

    pub(crate) fn bounds(&self) -> Bounds {
        let commands_max = if self.alone > 0 { 1 } else { self.bounds.commands_max };
        Bounds { commands_max, ..self.bounds }
    }

    /// Takes the requests of the next batch.
    pub(crate) fn next_requests(&mut self) -> Vec<Queued> {
        let count = self.bounds().commands_max.min(self.left.len());
        self.left.drain(..count).collect()
    }

    pub(crate) fn give_back(&mut self, requests: Vec<Queued>) {
        for queued in requests.into_iter().rev() {
            self.left.push_front(queued);
        }
    }

    pub(crate) fn written(&mut self, requests: usize) {
        (self.conflicts, self.failures) = (0, 0);
        self.alone = self.alone.saturating_sub(requests);
    }

    fn answer(&mut self, requests: Vec<Queued>, outcome: impl Fn() -> Outcome) {
        self.written(requests.len());
        for queued in requests {
            queued.finish(outcome());
        }
    }

    /// Goes on after the log was not as a batch expected.
    pub(crate) fn end_in_conflict(
        &mut self,
        conflict: Conflict,
        batch: Vec<Queued>,
        memory: &mut Memory,
    ) {
        self.conflicts += 1;
        if self.conflicts > CONFLICTS_MAX {
            tracing::warn!(
                ?conflict,
                requests = batch.len(),
                "giving up on a batch after repeated conflicts"
            );
            return self.answer(batch, || Outcome::NotExecuted(NotExecuted::DatabaseUnavailable));
        }
        self.preparation = Some(match conflict {
            Conflict::KeyUsed => Preparation { hold: false, keys: true },
            Conflict::KeysBusy(locks) => return self.defer_busy(&locks, batch),
            // It is sealed again by now.
            Conflict::Sealing => return self.give_back(batch),
            Conflict::Lanes => {
                memory.policy.record_conflict();
                Preparation { hold: true, keys: true }
            }
            Conflict::Versions => {
                metrics::forked();
                tracing::error!(
                    "the log has an event where a stream should go on; dropping all cached states. \
                     Compare the log with `command-service verify`"
                );
                memory.cache.clear();
                Preparation { hold: true, keys: true }
            }
        });
        self.give_back(batch);
    }

    /// Defers the requests whose keys another instance holds; the others of the batch go on.
    fn defer_busy(&mut self, locks: &[i64], batch: Vec<Queued>) {
        let is_busy = |queued: &Queued| {
            let key = queued.submission.stored_key();
            key.is_some_and(|key| locks.contains(&idempotency::lock_number(key)))
        };
        let (busy, free): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_busy);
        self.written(busy.len());
        self.deferred.extend(busy.into_iter().filter_map(Queued::defer));
        self.give_back(free);
    }

    /// Goes on after a failure. A batch that failed without effect is tried again, then request by request,
    /// so that one bad request cannot fail the others.
    pub(crate) fn end_in_failure(&mut self, failure: Failure, batch: Vec<Queued>) {
        self.failures += 1;
        match failure {
            Failure::NoEffect if self.failures == 1 && self.alone == 0 => {
                self.preparation = Some(Preparation { hold: true, keys: true });
                self.give_back(batch);
            }
            Failure::NoEffect | Failure::Unreadable if batch.len() > 1 => {
                self.alone = batch.len();
                self.preparation = Some(Preparation { hold: true, keys: true });
                self.give_back(batch);
            }
            _ => self.answer(batch, || failure.outcome()),
        }
    }
}
