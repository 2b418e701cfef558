//! The database: what `append.sql`, `hold_lanes.sql` and the tables of a view promise.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::TimeDelta;
use inventory::{Inventory, StreamState};
use query_service::pipeline::checkpoint::Checkpoint;
use shared_events::lane::{Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use tokio::time::Instant;

use super::*;
use crate::log::append::{Appended, Conflict, Expected};
use crate::log::idempotency::{KnownOutcomes, is_stored, lock_number};
use crate::log::row::LaneHead;
use crate::log::submission::{IdempotencyKey, Outcome};
use crate::log::writer::batch::InFlight;

/// The clocks of a batch and of the database may differ by so much.
const CLOCKS_APART_MAX: Duration = Duration::from_millis(100);

/// A session of a writer, which ends with a crash.
pub(super) type Session = u64;

/// A statement that was sent by a writer that crashed since.
struct Orphan {
    session: Session,
    expected: Expected,
    in_flight: InFlight,
}

pub(super) struct Database {
    lanes: LaneMap,
    events: BTreeMap<Lane, Vec<Arc<RecordedEvent>>>,
    /// The step at which each event was committed.
    pub(super) committed: HashMap<(Lane, Position), u64>,
    outcomes: KnownOutcomes,
    held_lanes: HashMap<Lane, Session>,
    held_keys: HashMap<i64, Session>,
    orphans: Vec<Orphan>,
    pub(super) marks: BTreeMap<Lane, Position>,
    pub(super) view: View,
    began: Instant,
    /// How far its clock is off.
    clock_off: TimeDelta,
}

/// The tables of a view: how far it is, and every event that its rows have.
pub(super) struct View {
    pub(super) checkpoints: BTreeMap<Lane, Checkpoint>,
    pub(super) offsets: BTreeMap<Lane, i64>,
    pub(super) rows: Vec<(Lane, Position)>,
}

impl Database {
    pub(super) fn new(lanes: LaneMap) -> Self {
        let all = lanes.lanes();
        Self {
            events: all.iter().map(|lane| (*lane, Vec::new())).collect(),
            committed: HashMap::new(),
            outcomes: KnownOutcomes::default(),
            held_lanes: HashMap::new(),
            held_keys: HashMap::new(),
            orphans: Vec::new(),
            marks: BTreeMap::new(),
            view: View {
                checkpoints: all.iter().map(|lane| (*lane, Checkpoint::default())).collect(),
                offsets: BTreeMap::new(),
                rows: Vec::new(),
            },
            began: clock::now(),
            clock_off: TimeDelta::zero(),
            lanes,
        }
    }

    pub(super) fn clock(&self) -> Timestamp {
        let since = Duration::from_secs(1_800_000_000) + (clock::now() - self.began);
        Timestamp::new((Timestamp::UNIX_EPOCH + since).to_utc() + self.clock_off)
    }

    /// Somebody sets its clock forward or back.
    pub(super) fn set_clock(&mut self, rng: &mut SmallRng) {
        self.clock_off = TimeDelta::milliseconds(rng.random_range(-2_000..2_000));
    }

    pub(super) fn len(&self) -> usize {
        self.events.values().map(Vec::len).sum()
    }

    pub(super) fn lane(&self, lane: Lane) -> &[Arc<RecordedEvent>] {
        &self.events[&lane]
    }

    pub(super) fn stream(&self, stream: &Stream) -> impl Iterator<Item = &Arc<RecordedEvent>> {
        let lane = self.lanes.lane_of(stream);
        self.events[&lane].iter().filter(move |event| event.stream == *stream)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<RecordedEvent>> {
        self.events.values().flatten()
    }

    pub(super) fn head(&self, lane: Lane) -> LaneHead {
        self.events[&lane].last().map_or(LaneHead::empty(lane), |last| LaneHead::of(last))
    }

    /// The last position of each lane.
    pub(super) fn heads(&self) -> BTreeMap<Lane, i64> {
        self.events.keys().map(|lane| (*lane, self.head(*lane).position.0)).collect()
    }

    /// The state of a stream, folded from its events.
    pub(super) fn state(&self, stream: &Stream) -> StreamState {
        let mut inventory = Inventory::default();
        inventory.insert(StreamState::initial(stream));
        for event in self.stream(stream) {
            let decoded = event.event().expect("this binary wrote it");
            inventory.evolve(&decoded, event.occurred_at);
        }
        if let Stream::Item(sku) = stream
            && self.all().any(|event| matches!(&event.stream, Stream::Stock(of, _) if of == sku))
        {
            inventory.mark_stocked(sku);
        }
        inventory.state(stream).expect("it was inserted")
    }

    /// The outcomes that these keys have.
    pub(super) fn outcomes(&self, keys: &[&IdempotencyKey]) -> KnownOutcomes {
        let mut known = KnownOutcomes::default();
        for key in keys {
            if let Some(Outcome::Replayed(decision)) = self.outcomes.of(key) {
                known.remember(key, decision);
            }
        }
        known
    }

    /// Whether another session holds one of these lanes, for which `hold_lanes.sql` waits.
    pub(super) fn must_wait(&self, session: Session, lanes: &BTreeSet<Lane>) -> bool {
        lanes.iter().any(|lane| self.held_lanes.get(lane).is_some_and(|by| *by != session))
    }

    /// Holds keys and lanes until the session's transaction ends; the keys that others hold, if there are any.
    pub(super) fn hold(
        &mut self,
        session: Session,
        keys: &[&IdempotencyKey],
        lanes: &BTreeSet<Lane>,
    ) -> Result<(), Vec<i64>> {
        let locks: Vec<i64> = keys.iter().map(|key| lock_number(key)).collect();
        let busy: Vec<i64> = self.busy(session, &locks);
        if !busy.is_empty() {
            return Err(busy);
        }
        self.held_keys.extend(locks.into_iter().map(|lock| (lock, session)));
        self.held_lanes.extend(lanes.iter().map(|lane| (*lane, session)));
        Ok(())
    }

    fn busy(&self, session: Session, locks: &[i64]) -> Vec<i64> {
        let is_busy = |lock: &&i64| self.held_keys.get(*lock).is_some_and(|by| *by != session);
        locks.iter().filter(is_busy).copied().collect()
    }

    pub(super) fn release(&mut self, session: Session) {
        self.held_lanes.retain(|_, by| *by != session);
        self.held_keys.retain(|_, by| *by != session);
    }

    /// Writes a batch if the log is as it expects, as `append.sql` does, and ends the session's transaction.
    pub(super) fn append(
        &mut self,
        session: Session,
        expected: &Expected,
        in_flight: &InFlight,
        step: u64,
    ) -> Appended {
        let conflict = self.conflict(session, expected, in_flight);
        self.release(session);
        if let Some(conflict) = conflict {
            return Appended::Conflict(conflict);
        }
        for event in &in_flight.after.events {
            self.committed.insert((event.lane, event.position), step);
            self.events.get_mut(&event.lane).expect("a lane of the log").push(Arc::clone(event));
        }
        for (queued, outcome) in in_flight.requests.iter().zip(&in_flight.outcomes) {
            if let (Some(key), Outcome::Decided(decision)) = (&queued.submission.key, outcome)
                && is_stored(decision)
            {
                self.outcomes.remember(key, decision.clone());
            }
        }
        Appended::Written { clock: self.clock() }
    }

    fn conflict(
        &self,
        session: Session,
        expected: &Expected,
        in_flight: &InFlight,
    ) -> Option<Conflict> {
        let locks: Vec<i64> = expected.keys.iter().map(lock_number).collect();
        let busy = self.busy(session, &locks);
        if !busy.is_empty() {
            return Some(Conflict::KeysBusy(busy));
        }
        if expected.keys.iter().any(|key| self.outcomes.of(key).is_some()) {
            return Some(Conflict::KeyUsed);
        }
        let is_held = |lane| self.held_lanes.get(&lane).is_some_and(|by| *by != session);
        let has_moved = |known: &LaneHead| {
            let head = self.head(known.lane);
            (head.position, head.chain) != (known.position, known.chain)
        };
        if expected.heads.iter().any(|head| is_held(head.lane) || has_moved(head)) {
            return Some(Conflict::Lanes);
        }
        let clock = self.clock();
        if expected.times.is_some_and(|(first, last)| {
            first + CLOCKS_APART_MAX <= clock || last >= clock + CLOCKS_APART_MAX
        }) {
            return Some(Conflict::Lanes);
        }
        let exists = |event: &Arc<RecordedEvent>| {
            self.stream(&event.stream).any(|known| known.version == event.version)
        };
        in_flight.after.events.iter().any(exists).then_some(Conflict::Versions)
    }

    /// Keeps a statement whose writer crashed after it was sent.
    pub(super) fn keep_orphan(
        &mut self,
        session: Session,
        expected: Expected,
        in_flight: InFlight,
    ) {
        self.orphans.push(Orphan { session, expected, in_flight });
    }

    /// One of the statements whose writer crashed arrives, or the end of its session does. Returns whether there
    /// was one.
    pub(super) fn run_orphan(&mut self, rng: &mut SmallRng, step: u64) -> bool {
        if self.orphans.is_empty() {
            return false;
        }
        let Orphan { session, expected, in_flight } =
            self.orphans.swap_remove(rng.random_range(0..self.orphans.len()));
        match rng.random_bool(0.7) {
            true => drop(self.append(session, &expected, &in_flight, step)),
            false => self.release(session),
        }
        true
    }

    /// The log is whole: positions and versions without a gap, times that never go back, a chain, figures that
    /// follow from each other and are never negative.
    pub(super) fn check(&self) {
        let mut versions: HashMap<&Stream, Version> = HashMap::new();
        let mut folded = Inventory::default();
        for (lane, events) in &self.events {
            let mut head = LaneHead::empty(*lane);
            for event in events {
                assert_eq!(event.position, head.position.next(), "a gap in lane {lane}");
                assert_eq!(
                    event.chain,
                    event.chain_after(head.chain),
                    "the chain of {}",
                    event.id()
                );
                assert!(head.recorded_at <= Some(event.recorded_at), "the time of {}", event.id());
                assert_eq!(self.lanes.lane_of(&event.stream), *lane, "the lane of {}", event.id());
                let version = versions.entry(&event.stream).or_default();
                assert_eq!(event.version, version.next(), "the version of {}", event.id());
                *version = event.version;
                head = LaneHead::of(event);
                let decoded = event.event().expect("this binary wrote it");
                folded.evolve(&decoded, event.occurred_at);
                if let Some(change) = decoded.stock_change() {
                    let on_hand = folded.stock(change.sku, change.location).figures.on_hand;
                    assert!(on_hand >= 0, "{} makes {on_hand}", event.id());
                }
            }
        }
    }
}

impl View {
    /// Every event was applied once.
    pub(super) fn check(&self, database: &Database) {
        let mut applied = self.rows.clone();
        applied.sort_unstable();
        let expected: Vec<(Lane, Position)> =
            database.all().map(|event| (event.lane, event.position)).collect();
        assert_eq!(applied, expected, "the view has another log");
    }
}
