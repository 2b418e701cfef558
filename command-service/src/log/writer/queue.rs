//! Requests that wait for the writer: in the queue, for the next batch, or for another instance.

use std::collections::VecDeque;
use std::time::Duration;

use service_edge::traces::{Span, SpanKind, Work};
use shared_events::values::Label;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::log::submission::{Outcome, Submission};
use crate::metrics;

/// How long a request may wait for another instance that uses the same key.
const DEFERRAL_MAX: Duration = Duration::from_secs(1);

/// The pause between attempts while all requests wait for another instance.
const DEFERRAL_PAUSE: Duration = Duration::from_millis(20);

/// A request in the queue.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) submission: Submission,
    pub(crate) answer: oneshot::Sender<Outcome>,
    /// Its slot in the queue, until its batch is prepared or sent for the first time.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
    pub(crate) bytes: OwnedSemaphorePermit,
    pub(crate) since: Instant,
    /// Set when it is first deferred: until when it may wait for another instance.
    pub(crate) wait_until: Option<Instant>,
}

impl Queued {
    /// Frees its slot in the queue and records how long it waited.
    pub(crate) fn leave_queue(&mut self) {
        if self.slot.take().is_some() {
            metrics::left_queue(self.since.elapsed());
        }
    }

    /// Shows the transaction that began then and has just committed in the request's trace.
    pub(crate) fn trace_append(&self, began: Instant) {
        let since = Some(began.into_std());
        let traceparent = self.submission.origin.traceparent.as_ref().map(Label::as_str);
        let work = || Work { name: "append".into(), kind: SpanKind::Internal, since };
        drop(Span::below(traceparent, work));
    }

    /// Answers the request. If the client has gone, the outcome still counts.
    pub(crate) fn finish(self, outcome: Outcome) {
        drop(self.answer.send(outcome));
    }

    /// Defers a request whose key another instance holds, unless it has waited long enough; then it is
    /// answered.
    pub(crate) fn defer(mut self) -> Option<Self> {
        let now = Instant::now();
        if now < *self.wait_until.get_or_insert(now + DEFERRAL_MAX) {
            return Some(self);
        }
        self.finish(Outcome::InProgress);
        None
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) commands_max: usize,
    pub(crate) bytes_max: usize,
}

/// The receiving end of the queue, with the requests that were deferred.
#[derive(Debug)]
pub(crate) struct Batches {
    queue: mpsc::Receiver<Queued>,
    /// Requests that go before the queue, in order.
    waiting: VecDeque<Queued>,
    /// Whether all of them wait for another instance.
    is_others_turn: bool,
}

impl Batches {
    pub(crate) fn new(queue: mpsc::Receiver<Queued>) -> Self {
        Self { queue, waiting: VecDeque::new(), is_others_turn: false }
    }

    /// Puts requests that wait for another instance before all others.
    pub(crate) fn defer(&mut self, deferred: Vec<Queued>) {
        let is_others_turn = self.waiting.is_empty();
        self.give_back(deferred.into_iter());
        self.is_others_turn = is_others_turn;
    }

    /// Puts requests before all others.
    pub(crate) fn give_back(&mut self, requests: impl DoubleEndedIterator<Item = Queued>) {
        for queued in requests.rev() {
            self.waiting.push_front(queued);
        }
        self.is_others_turn = false;
    }

    /// Waits for the next request.
    pub(crate) async fn one(&mut self) -> Option<Queued> {
        match self.waiting.pop_front() {
            Some(queued) => Some(queued),
            None => self.queue.recv().await,
        }
    }

    /// The next request, if there is one.
    pub(crate) fn one_now(&mut self) -> Option<Queued> {
        self.waiting.pop_front().or_else(|| self.queue.try_recv().ok())
    }

    /// Waits for a request and takes as many as the bounds allow.
    pub(crate) async fn next(&mut self, bounds: Bounds) -> Option<Vec<Queued>> {
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
