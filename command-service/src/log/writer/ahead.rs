//! Batches decided ahead: each is one statement, and the next one fills while that is on its way.

use std::collections::VecDeque;
use std::future::ready;
use std::pin::pin;
use std::time::Duration;

use shared_events::time::Timestamp;
use tokio::select;
use tokio::time::Instant;

use super::WriterTask;
use super::queue::{Bounds, Queued};
use super::transaction::{Failure, Working, committed, remember, report};
use crate::log::ahead::{Closed, Known, OpenBatch};
use crate::log::batch::Written;
use crate::log::cache::Cache;
use crate::log::session::Session;
use crate::log::submission::Outcome;

/// A batch that takes requests.
struct Filling {
    /// Nothing where no batch can be decided ahead.
    batch: Option<OpenBatch>,
    requests: Vec<Queued>,
    is_full: bool,
    bounds: Bounds,
    /// When its first request was decided.
    since: Instant,
}

/// A batch on its way, or just committed.
struct Sent {
    written: Written,
    requests: Vec<Queued>,
    outcomes: Vec<Outcome>,
    since: Instant,
}

impl Filling {
    fn begin(cache: &mut Cache, bounds: Bounds) -> Self {
        let batch = OpenBatch::begin(cache, bounds.bytes_max);
        let is_full = batch.is_none();
        Self { batch, requests: Vec::new(), is_full, bounds, since: Instant::now() }
    }

    fn takes_more(&self) -> bool {
        !self.is_full && self.requests.len() < self.bounds.commands_max
    }

    /// Decides requests in their order, up to the first that cannot be decided ahead or does not fit.
    fn take(&mut self, requests: &mut VecDeque<Queued>, mut known: Known<'_>) {
        while self.takes_more()
            && let (Some(batch), Some(queued)) = (&mut self.batch, requests.front())
        {
            if self.requests.is_empty() {
                self.since = Instant::now();
            }
            self.is_full = !batch.add(&queued.submission, &mut known);
            if !self.is_full {
                self.requests.extend(requests.pop_front());
            }
        }
    }

    /// What is sent, and what becomes true with it; nothing where nothing was taken.
    fn close(self, cache: &Cache) -> Option<(Closed, Sent)> {
        let Self { batch, mut requests, since, .. } = self;
        let batch = batch.filter(|_| !requests.is_empty())?;
        requests.iter_mut().for_each(Queued::waited);
        let (closed, written, outcomes) = batch.close(cache);
        Some((closed, Sent { written, requests, outcomes, since }))
    }
}

impl WriterTask {
    /// Executes batches as long as they can be decided ahead and the log is as it is foreseen,
    /// beginning with these requests. Returns those that are to be decided under locks.
    pub(super) async fn execute_ahead(
        &mut self,
        working: &mut Working,
        batch: Vec<Queued>,
    ) -> Vec<Queued> {
        let Working { session, cache } = working;
        let mut left = VecDeque::from(batch);
        let mut done: Option<Sent> = None;
        let mut filling = Filling::begin(cache, self.bounds());
        filling.take(&mut left, Known { cache, sent: None });
        // 1. Send what is decided.
        while let Some((closed, mut sent)) = filling.close(cache) {
            filling = Filling::begin(cache, self.bounds());
            let asked = Instant::now();
            let mut appending = pin!(append(session, closed, self.config.commit_timeout));
            let appended = loop {
                select! {
                    biased;
                    appended = &mut appending => break appended,
                    // 2. While it is on its way, answer for the one before and decide the next.
                    () = ready(()), if done.is_some() => self.answer(done.take()),
                    next = self.batches.one(), if left.is_empty() && filling.takes_more() => {
                        filling.is_full |= next.is_none();
                        left.extend(next);
                        filling.take(&mut left, Known { cache, sent: Some(&sent.written) });
                    }
                }
            };
            self.answer(done.take());
            // 3. If the log was as foreseen, go on with what has come; else there is no next one.
            let Ok(Some(clock)) = appended else {
                self.batches.give_back(left.into_iter());
                self.batches.give_back(filling.requests.into_iter());
                return refused(appended.err(), cache, sent);
            };
            cache.foresight.hear(asked, clock);
            cache.foresight.right();
            remember(&mut sent.written, cache, sent.requests.len(), sent.since);
            done = Some(sent);
            report(cache, self.waiting());
            while left.is_empty()
                && filling.takes_more()
                && let Some(next) = self.batches.one_now()
            {
                left.push_back(next);
                filling.take(&mut left, Known { cache, sent: None });
            }
        }
        self.answer(done);
        left.into()
    }

    /// Answers the requests of a committed batch, and hands its events to the relay.
    fn answer(&self, done: Option<Sent>) {
        let Some(Sent { written, requests, outcomes, .. }) = done else {
            return;
        };
        self.relay.offer(written.events);
        for (queued, outcome) in requests.into_iter().zip(outcomes) {
            queued.end(outcome);
        }
    }
}

/// Sends a batch and tells the database's clock; nothing where the log is not as it was foreseen.
async fn append(
    session: &mut Session,
    closed: Closed,
    at_most: Duration,
) -> Result<Option<Timestamp>, Failure> {
    let mut connection = session.take().await.map_err(Failure::from_session)?;
    let clock = committed(at_most, closed.append(&mut connection)).await?;
    session.give_back(connection);
    Ok(clock)
}

/// What is left of a batch that did not come about as it was foreseen: all of it, or nothing where
/// nobody knows whether it did.
fn refused(failure: Option<Failure>, cache: &mut Cache, sent: Sent) -> Vec<Queued> {
    cache.foresight.wrong();
    if failure != Some(Failure::Unknown) {
        return sent.requests;
    }
    cache.clear();
    for queued in sent.requests {
        queued.end(Outcome::Unknown);
    }
    Vec::new()
}
