//! What waits for the writer: in the queue, for the next batch, or for another instance.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::log::batch::Deferral;
use crate::log::submission::{NotExecuted, Outcome, Submission};

/// How long a request may wait for what another instance does with the same key.
const DEFERRAL_MAX: Duration = Duration::from_secs(1);

/// Between two attempts at a request that waits, when nothing else is to be done.
const DEFERRAL_PAUSE: Duration = Duration::from_millis(20);

/// A request in the queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) submission: Submission,
    pub(super) answer: oneshot::Sender<Outcome>,
    /// Its place among those that wait, until its batch is sent for the first time.
    pub(super) place: Option<OwnedSemaphorePermit>,
    pub(super) bytes: OwnedSemaphorePermit,
    /// When it came.
    pub(super) since: Instant,
    /// Until when it may wait for another batch, once it had to.
    pub(super) patience: Option<Instant>,
}

impl Queued {
    /// Gives its place among those that wait to another, and tells how long it had it.
    pub(super) fn waited(&mut self) {
        if self.place.take().is_some() {
            metrics::histogram!("stockbook_writer_wait_seconds").record(self.since.elapsed());
        }
    }

    /// Answers it. Nobody waits any more when the client has gone; the outcome stands all the same.
    pub(super) fn end(self, outcome: Outcome) {
        drop(self.answer.send(outcome));
    }

    /// Lets it wait for the next batch, unless it has waited long enough for what others do.
    pub(super) fn defer(&mut self, deferral: Deferral) -> Result<Outcome, Deferral> {
        if deferral == Deferral::BatchFull {
            return Err(deferral);
        }
        let now = Instant::now();
        if now < *self.patience.get_or_insert(now + DEFERRAL_MAX) {
            return Err(deferral);
        }
        Ok(match deferral {
            Deferral::KeyBusy => Outcome::InProgress,
            Deferral::LanesMissing | Deferral::BatchFull => {
                Outcome::NotExecuted(NotExecuted::DatabaseUnavailable)
            }
        })
    }
}

/// How much one batch takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) commands_max: usize,
    pub(super) bytes_max: usize,
}

/// The queue's end, with what did not fit into a batch or could not be decided in it.
#[derive(Debug)]
pub(super) struct Batches {
    queue: mpsc::Receiver<Queued>,
    /// What was taken from the queue and waits again, in its order, before all that is in the queue.
    waiting: VecDeque<Queued>,
    /// What is waiting all waits for another instance.
    is_others_turn: bool,
}

impl Batches {
    pub(super) fn new(queue: mpsc::Receiver<Queued>) -> Self {
        Self { queue, waiting: VecDeque::new(), is_others_turn: false }
    }

    /// Keeps requests for the next batch.
    pub(super) fn defer(&mut self, deferred: Vec<(Queued, Deferral)>) {
        let is_others_turn =
            self.waiting.is_empty() && deferred.iter().all(|(_, why)| *why == Deferral::KeyBusy);
        self.give_back(deferred.into_iter().map(|(queued, _)| queued));
        self.is_others_turn = is_others_turn;
    }

    /// Puts requests before all that wait.
    pub(super) fn give_back(&mut self, requests: impl DoubleEndedIterator<Item = Queued>) {
        for queued in requests.rev() {
            self.waiting.push_front(queued);
        }
        self.is_others_turn = false;
    }

    /// The next request, waited for.
    pub(super) async fn one(&mut self) -> Option<Queued> {
        match self.waiting.pop_front() {
            Some(queued) => Some(queued),
            None => self.queue.recv().await,
        }
    }

    /// The next request, if there is one.
    pub(super) fn one_now(&mut self) -> Option<Queued> {
        self.waiting.pop_front().or_else(|| self.queue.try_recv().ok())
    }

    /// Waits for a request and takes what else has queued, up to the bounds. A request that would
    /// pass the byte bound is held back for the next batch; what had to wait for this one goes first.
    pub(super) async fn next(&mut self, bounds: Bounds) -> Option<Vec<Queued>> {
        if self.waiting.is_empty() {
            let queued = self.queue.recv().await?;
            self.waiting.push_back(queued);
        } else if self.is_others_turn {
            let queued = timeout(DEFERRAL_PAUSE, self.queue.recv()).await.ok().flatten();
            self.waiting.extend(queued);
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < bounds.commands_max {
            let Some(next) = self.one_now() else {
                break;
            };
            bytes += next.bytes.num_permits();
            if bytes > bounds.bytes_max && !batch.is_empty() {
                self.waiting.push_front(next);
                break;
            }
            batch.push(next);
        }
        Some(batch)
    }
}
