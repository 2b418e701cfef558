//! What waits for the writer: in the queue, for the next batch, or for another instance.

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
    pub(super) bytes: OwnedSemaphorePermit,
    /// When it came.
    pub(super) since: Instant,
    /// Until when it may wait for another batch, once it had to.
    pub(super) patience: Option<Instant>,
}

impl Queued {
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
    held_back: Option<Queued>,
    deferred: Vec<Queued>,
    /// What is deferred all waits for another instance.
    is_others_turn: bool,
}

impl Batches {
    pub(super) fn new(queue: mpsc::Receiver<Queued>) -> Self {
        Self { queue, held_back: None, deferred: Vec::new(), is_others_turn: false }
    }

    /// Requests that wait in the queue.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Keeps requests for the next batch.
    pub(super) fn defer(&mut self, deferred: Vec<(Queued, Deferral)>) {
        self.is_others_turn = deferred.iter().all(|(_, why)| *why == Deferral::KeyBusy);
        self.deferred = deferred.into_iter().map(|(queued, _)| queued).collect();
    }

    /// Waits for a request and takes what else has queued, up to the bounds. A request that would
    /// pass the byte bound is held back for the next batch; what had to wait for this one goes first.
    pub(super) async fn next(&mut self, bounds: Bounds) -> Option<Vec<Queued>> {
        let mut batch = std::mem::take(&mut self.deferred);
        let next = match self.held_back.take() {
            Some(queued) => Some(queued),
            None if batch.is_empty() => Some(self.queue.recv().await?),
            None if self.is_others_turn => {
                timeout(DEFERRAL_PAUSE, self.queue.recv()).await.ok().flatten()
            }
            None => None,
        };
        batch.extend(next);
        let mut bytes: usize = batch.iter().map(|queued| queued.bytes.num_permits()).sum();
        while batch.len() < bounds.commands_max {
            let Ok(next) = self.queue.try_recv() else {
                break;
            };
            bytes += next.bytes.num_permits();
            if bytes > bounds.bytes_max {
                self.held_back = Some(next);
                break;
            }
            batch.push(next);
        }
        Some(batch)
    }
}
