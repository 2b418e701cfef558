//! Batches that are decided ahead: before their locks, on the log as the writer knows it and as the
//! batch that is on its way will leave it.
//!
//! Locks, checks, writes and commit are then one statement, and the next batch is decided while it is
//! on its way. What the writer remembers is as of the heads it knows of the lanes. If those are still
//! the heads under the locks, nothing was missed, and what was decided is what would be decided there;
//! if not, nothing happens and the batch is decided again under its locks.

use std::sync::Arc;

use shared_events::lane::{Lane, LaneMap};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::PgConnection;

use super::append::{Append, Conditions};
use super::batch::Written;
use super::cache::{Cache, LaneClock};
use super::deciding::Deciding;
use super::outcomes::KnownOutcomes;
use super::places::Places;
use super::plan::Plan;
use super::submission::{IdempotencyKey, Outcome, Submission};
use crate::inventory::{Inventory, StreamState};

/// What a batch is decided on.
pub(super) struct Known<'a> {
    pub(super) cache: &'a mut Cache,
    /// The batch before, while it is on its way.
    pub(super) sent: Option<&'a Written>,
}

impl Known<'_> {
    fn state(&mut self, stream: &Stream) -> Option<StreamState> {
        let sent = self.sent.and_then(|sent| sent.state(stream));
        sent.or_else(|| self.cache.get(stream).cloned())
    }

    fn clock(&self, lane: Lane) -> Option<LaneClock> {
        let sent = self.sent.and_then(|sent| sent.clock(lane));
        sent.or_else(|| self.cache.clock(lane))
    }
}

/// A batch while it is decided, request by request as they come.
#[derive(Debug)]
pub(super) struct OpenBatch {
    lanes: Arc<LaneMap>,
    plan: Plan,
    deciding: Deciding,
    outcomes: Vec<Outcome>,
    /// The heads of its lanes, and its keys, which have no outcome yet.
    heads: Vec<(Lane, LaneClock)>,
    keys: Vec<IdempotencyKey>,
    decided_from: Timestamp,
    /// About what its events weigh, and what they may.
    weight: usize,
    weight_max: usize,
}

/// A batch that is decided, on its way to the log.
#[derive(Debug)]
pub(super) struct Closed {
    conditions: Conditions,
    decided_at: Timestamp,
    append: Append,
}

impl OpenBatch {
    /// Begins a batch, if there is one to be foreseen.
    pub(super) fn begin(cache: &mut Cache, weight_max: usize) -> Option<Self> {
        let decided_from = cache.foresight.begin().then(|| cache.foresight.time())??;
        let lanes = cache.lanes();
        let deciding = Deciding::new(
            Arc::clone(&lanes),
            Default::default(),
            KnownOutcomes::default(),
            Inventory::default(),
            Places::new([], decided_from),
        );
        Some(Self {
            lanes,
            plan: Plan::default(),
            deciding,
            outcomes: Vec::new(),
            heads: Vec::new(),
            keys: Vec::new(),
            decided_from,
            weight: 0,
            weight_max,
        })
    }

    /// Decides one more request, if all it is about is known and it fits.
    pub(super) fn add(&mut self, submission: &Submission, known: &mut Known<'_>) -> bool {
        let Some((streams, now)) = self.bring(submission, known).zip(known.cache.foresight.time())
        else {
            return false;
        };
        self.deciding.decided().places.pass_time(now);
        if self.outcomes.is_empty() {
            self.decided_from = now;
        }
        self.plan.add(&self.lanes, submission, streams);
        let Ok(outcome) = self.deciding.decide(&self.plan, submission) else {
            return false;
        };
        self.outcomes.push(outcome);
        self.keys.extend(submission.stored_key().cloned());
        true
    }

    /// Brings what decides a request; nothing where not all of it is known, or it is too much.
    fn bring(&mut self, submission: &Submission, known: &mut Known<'_>) -> Option<Vec<Stream>> {
        let (mut weight, mut required) = (self.weight, Vec::new());
        for command in submission.commands() {
            if command.reversal().is_some() || command.item_everywhere().is_some() {
                return None;
            }
            // What a reservation's lines are decides which streams a change of it is about.
            if let Some(id) = command.reservation() {
                self.bring_stream(&Stream::Reservation(id.clone()), known)?;
            }
            let inventory = &self.deciding.decided().inventory;
            let streams: Vec<Stream> = self.plan.required(command, inventory).collect();
            weight += submission.weight_of(command, streams.len() / 2);
            let new = command.new_stream();
            for stream in streams.iter().filter(|stream| new.as_ref() != Some(stream)) {
                self.bring_stream(stream, known)?;
            }
            for location in command.locations() {
                self.bring_stream(&Stream::Location(location), known)?;
            }
            required.extend(streams);
        }
        if weight > self.weight_max {
            return None;
        }
        for stream in &required {
            let lane = self.lanes.lane_of(stream);
            if !self.deciding.decided().places.has(lane) {
                let head = known.clock(lane)?;
                self.heads.push((lane, head));
                self.deciding.decided().places.open(lane, head);
            }
        }
        self.weight = weight;
        Some(required)
    }

    fn bring_stream(&mut self, stream: &Stream, known: &mut Known<'_>) -> Option<()> {
        let inventory = &mut self.deciding.decided().inventory;
        if !inventory.contains(stream) {
            inventory.insert(known.state(stream)?);
        }
        Some(())
    }

    /// Ends the batch: what is sent; if the log is as it was foreseen, what becomes true, and how the
    /// requests end.
    pub(super) fn close(self, cache: &Cache) -> (Closed, Written, Vec<Outcome>) {
        let Self { plan, deciding, outcomes, heads, keys, decided_from, .. } = self;
        let (written, append, _) = Written::of(cache, &plan, deciding.end());
        let conditions = Conditions { heads, keys, key_locks: plan.key_locks(), decided_from };
        (Closed { conditions, decided_at: written.recorded_at, append }, written, outcomes)
    }
}

impl Closed {
    /// Locks, looks whether the log is as it was foreseen, and if so writes, commits and tells the
    /// database's clock.
    pub(super) async fn append(
        self,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Option<Timestamp>> {
        let Self { conditions, decided_at, append } = self;
        append.write_foreseen(connection, conditions, decided_at).await
    }
}
