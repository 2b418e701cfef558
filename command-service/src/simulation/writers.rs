//! Two writers. What they do between two steps of the network is the writer's own code; the order of its steps is
//! that of `pipeline`.

use std::collections::BTreeSet;

use inventory::Inventory;
use shared_events::lane::Lane;
use shared_events::stream::Stream;
use tokio::time::Instant;

use super::database::Session;
use super::*;
use crate::log::append::{Appended, Conflict, Expected};
use crate::log::submission::{IdempotencyKey, Submission};
use crate::log::writer::batch::{InFlight, LatestState, OpenBatch};
use crate::log::writer::cache::Memory;
use crate::log::writer::catch_up::{Compared, compare};
use crate::log::writer::commit::Failure;
use crate::log::writer::pipeline::Work;
use crate::log::writer::plan::Plan;
use crate::log::writer::policy::OptimisticPolicy;
use crate::log::writer::prepare::{Held, Preparation, Prepared, batch_time};
use crate::log::writer::queue::{Bounds, Queued};
use crate::relay_inbox::RelaySender;

const BOUNDS: Bounds = Bounds { commands_max: 6, bytes_max: 1 << 20 };

/// So small that states are evicted all the time.
const CACHE_BYTES: usize = 4_000;

pub(super) struct Writers {
    lanes: LaneMap,
    writers: Vec<SimulatedWriter>,
    sessions: Session,
    pub(super) conflicts: usize,
    pub(super) crashes: usize,
}

struct SimulatedWriter {
    session: Session,
    memory: Memory,
    work: Work,
    sent: Option<Sent>,
}

/// A batch on its way to the database and back.
struct Sent {
    expected: Expected,
    in_flight: InFlight,
    /// Decided meanwhile.
    next: OpenBatch,
    asked: Instant,
    answer: Option<Appended>,
}

/// What came of the attempt to decide a batch.
enum Opened {
    Batch(Box<OpenBatch>),
    KeysBusy(Vec<i64>),
    /// Another session holds its lanes.
    Waiting(Preparation),
}

impl SimulatedWriter {
    fn new(lanes: &LaneMap, session: Session) -> Self {
        let mut memory = Memory::new(lanes.clone(), CACHE_BYTES);
        memory.policy = OptimisticPolicy::new(clock::now);
        Self { session, memory, work: Work::new(Vec::new(), BOUNDS), sent: None }
    }

    /// Takes a request into the batch that is being decided, or queues it.
    fn accept(&mut self, queued: Queued) {
        let Self { memory, work, sent, .. } = self;
        let is_next = work.left.is_empty();
        work.left.push_back(queued);
        if let Some(Sent { in_flight, next, .. }) = sent
            && is_next
            && next.takes_more()
        {
            let latest = LatestState { memory, in_flight: Some(&in_flight.after) };
            next.take(&mut work.left, latest);
        }
    }

    /// Decides a batch and sends it.
    fn begin(&mut self, database: &mut Database) {
        if self.sent.is_some() || self.work.left.is_empty() {
            return;
        }
        match self.open(database) {
            Opened::Batch(open) if !open.is_empty() => self.send(*open),
            Opened::Batch(_) => {
                database.release(self.session);
                let first = self.work.left.pop_front().into_iter().collect();
                self.work.end_in_conflict(Conflict::Lanes, first, &mut self.memory);
            }
            Opened::KeysBusy(locks) => {
                let batch = self.work.next_requests();
                self.work.end_in_conflict(Conflict::KeysBusy(locks), batch, &mut self.memory);
            }
            Opened::Waiting(preparation) => self.work.preparation = Some(preparation),
        }
        self.take_deferred();
    }

    fn open(&mut self, database: &mut Database) -> Opened {
        let Self { session, memory, work, .. } = self;
        let open = match work.open(memory) {
            Ok(open) => open,
            Err(preparation) => match prepare(*session, memory, work, database, preparation) {
                Ok(prepared) => work.open_prepared(memory, prepared),
                Err(opened) => return opened,
            },
        };
        Opened::Batch(Box::new(open))
    }

    fn send(&mut self, open: OpenBatch) {
        let Self { memory, work, .. } = self;
        let Some((_, expected, in_flight)) = open.close(memory) else {
            return;
        };
        let mut next = OpenBatch::begin(memory, work.bounds(), Prepared::default());
        next.is_full = !memory.policy.may_overlap() || work.alone > 0;
        self.sent = Some(Sent { expected, in_flight, next, asked: clock::now(), answer: None });
    }

    /// Takes the answer to what was sent. Returns whether it was a conflict.
    fn receive(&mut self, relay: &RelaySender) -> bool {
        let Some(sent) = self.sent.take_if(|sent| sent.answer.is_some()) else {
            return false;
        };
        let Sent { expected, mut in_flight, next, asked, answer } = sent;
        let Self { memory, work, .. } = self;
        match answer.expect("only a batch with an answer was taken") {
            Appended::Written { clock } => {
                memory.policy.observe_clock(asked, clock);
                if !expected.in_transaction {
                    memory.policy.record_success();
                }
                work.written(in_flight.requests.len());
                in_flight.after.remember(memory, in_flight.requests.len(), in_flight.since);
                let InFlight { after, requests, outcomes, .. } = in_flight;
                relay.offer(after.events);
                for (queued, outcome) in requests.into_iter().zip(outcomes) {
                    queued.finish(outcome);
                }
                if !next.is_empty() {
                    self.send(next);
                }
                false
            }
            Appended::Conflict(conflict) => {
                work.give_back(next.requests);
                work.end_in_conflict(conflict, in_flight.requests, memory);
                self.take_deferred();
                true
            }
        }
    }

    /// Gives up on the answer to what was sent.
    fn lose(&mut self, database: &mut Database, session: Session) {
        let Some(Sent { expected, in_flight, next, answer, .. }) = self.sent.take() else {
            return;
        };
        let Self { memory, work, .. } = self;
        memory.cache.clear();
        work.give_back(next.requests);
        match answer {
            // Its callers hear nothing: it may still arrive.
            None => {
                let old = std::mem::replace(&mut self.session, session);
                database.keep_orphan(old, expected, in_flight);
            }
            Some(_) => work.end_in_failure(Failure::Unknown, in_flight.requests),
        }
    }

    /// Requests whose keys another instance holds go before all others.
    fn take_deferred(&mut self) {
        let deferred = std::mem::take(&mut self.work.deferred);
        self.work.give_back(deferred);
    }
}

/// Reads what decides the first requests, as `Prepared::read` does.
fn prepare(
    session: Session,
    memory: &mut Memory,
    work: &Work,
    database: &mut Database,
    preparation: Preparation,
) -> Result<Prepared, Opened> {
    // 1. Find the streams, and learn the heads before any state.
    let requests = || {
        let first = work.left.iter().take(work.bounds().commands_max);
        first.map(|queued| &queued.submission)
    };
    let mut plan = Plan::default();
    for submission in requests() {
        for command in submission.commands() {
            let streams: Vec<Stream> = plan.required(command, &Inventory::default()).collect();
            plan.add_decisive(streams);
        }
        plan.add(submission);
    }
    let lanes: BTreeSet<Lane> = plan.lanes(&memory.cache.lanes());
    let keys: Vec<&IdempotencyKey> = requests().filter_map(Submission::stored_key).collect();
    // 2. Wait for the lanes, and bring the cache up to their heads.
    let mut held = None;
    if preparation.hold {
        if database.must_wait(session, &lanes) {
            return Err(Opened::Waiting(preparation));
        }
        database.hold(session, &keys, &lanes).map_err(Opened::KeysBusy)?;
        let asked = clock::now();
        memory.policy.observe_clock(asked, database.clock());
        let heads: Vec<_> = lanes.iter().map(|lane| database.head(*lane)).collect();
        let Compared { forked, behind } = compare(&mut memory.cache, &heads);
        assert!(forked.is_empty(), "this log never goes back");
        for missed in behind {
            let from = usize::try_from(missed.first().0 - 1).expect("a position");
            let count = usize::try_from(missed.count()).expect("a few");
            let events = database.lane(missed.head.lane)[from..].iter().take(count);
            let events = events.map(|event| event.as_ref().clone()).collect();
            assert_eq!(missed.apply(&mut memory.cache, events), None, "this log never forks");
        }
        let recorded_at = batch_time(&heads, database.clock());
        held = Some(Held { lanes: lanes.clone(), recorded_at });
    }
    // 3. Read the outcomes of keys and the states that are not cached.
    let known = if preparation.keys { database.outcomes(&keys) } else { Default::default() };
    let mut inventory = Inventory::default();
    for stream in plan.all_streams() {
        let lane = memory.cache.lane_of(stream);
        if memory.cache.head(lane).is_none() {
            memory.cache.set_head(database.head(lane));
        }
        let cached = memory.cache.get(stream).cloned();
        let state = cached.unwrap_or_else(|| {
            let mut loaded = Inventory::default();
            loaded.insert(database.state(stream));
            let state = loaded.state(stream).expect("it was inserted");
            memory.cache.put_all(loaded);
            state
        });
        inventory.insert(state);
    }
    Ok(Prepared { inventory, known, plan: plan.without_requests(), held })
}

impl Writers {
    pub(super) fn new(lanes: &LaneMap) -> Self {
        let writer = |nth| SimulatedWriter::new(lanes, nth);
        Self {
            lanes: lanes.clone(),
            writers: (0..INSTANCES as u64).map(writer).collect(),
            sessions: INSTANCES as u64,
            conflicts: 0,
            crashes: 0,
        }
    }

    pub(super) fn accept(&mut self, instance: usize, queued: Queued) {
        self.writers[instance].accept(queued);
    }

    pub(super) fn begin(&mut self, instance: usize, database: &mut Database) {
        self.writers[instance].begin(database);
    }

    pub(super) fn execute(&mut self, instance: usize, database: &mut Database, step: u64) {
        let SimulatedWriter { session, sent, .. } = &mut self.writers[instance];
        if let Some(sent) = sent
            && sent.answer.is_none()
        {
            sent.answer = Some(database.append(*session, &sent.expected, &sent.in_flight, step));
        }
    }

    pub(super) fn receive(&mut self, instance: usize, relay: &RelaySender) {
        self.conflicts += usize::from(self.writers[instance].receive(relay));
    }

    /// The connection of a writer breaks: it cannot know what became of what it had sent.
    pub(super) fn lose(&mut self, instance: usize, database: &mut Database) {
        self.sessions += 1;
        self.writers[instance].lose(database, self.sessions);
    }

    /// A writer forgets everything. What it had sent arrives later, or never.
    pub(super) fn crash(&mut self, instance: usize, database: &mut Database) {
        self.crashes += 1;
        self.sessions += 1;
        let new = SimulatedWriter::new(&self.lanes, self.sessions);
        let old = std::mem::replace(&mut self.writers[instance], new);
        match old.sent {
            Some(Sent { expected, in_flight, answer: None, .. }) => {
                database.keep_orphan(old.session, expected, in_flight);
            }
            _ => database.release(old.session),
        }
    }
}
