//! The relays of both instances, and the topic. A lane has one owner, but who lost a lane goes on until it notices.

use std::collections::VecDeque;
use std::sync::Arc;

use shared_events::lane::Position;
use shared_events::recorded::RecordedEvent;

use super::*;
use crate::relay::resume::{Log, Partition, Seen, resume};
use crate::relay_inbox::{Inboxes, RelaySender, Source};

/// Records of a lane in flight, and events that an inbox keeps.
const WINDOW: usize = 4;
const INBOX: usize = 3;

/// The records of each partition. An offset is an index.
pub(super) struct Topic(BTreeMap<Lane, Vec<Arc<RecordedEvent>>>);

pub(super) struct Relays {
    instances: Vec<Instance>,
    owners: BTreeMap<Lane, usize>,
}

struct Instance {
    inboxes: Arc<Inboxes>,
    sender: RelaySender,
    lanes: BTreeMap<Lane, LaneRelay>,
}

/// The relay of a lane at one instance.
enum LaneRelay {
    /// It has read the partition, and reads the log next.
    TakingOver {
        mark: Position,
        partition: Partition,
    },
    Running {
        next: Position,
        in_flight: VecDeque<Arc<RecordedEvent>>,
        acknowledged: Position,
    },
}

impl Topic {
    pub(super) fn new(lanes: &LaneMap) -> Self {
        Self(lanes.lanes().into_iter().map(|lane| (lane, Vec::new())).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    pub(super) fn from(&self, lane: Lane, offset: usize) -> &[Arc<RecordedEvent>] {
        &self.0[&lane][offset..]
    }

    fn push(&mut self, record: Arc<RecordedEvent>) {
        self.0.get_mut(&record.lane).expect("a lane of the log").push(record);
    }

    /// The last position that readers of each partition know.
    pub(super) fn tails(&self) -> BTreeMap<Lane, i64> {
        let last = |records: &Vec<Arc<RecordedEvent>>| {
            records.iter().map(|record| record.position.0).max().unwrap_or_default()
        };
        self.0.iter().map(|(lane, records)| (*lane, last(records))).collect()
    }

    /// Who drops what it knows reads the log, whole and in order.
    pub(super) fn check(&self, database: &Database) {
        for (lane, records) in &self.0 {
            let (mut last, log) = (0, database.lane(*lane));
            for record in records.iter().filter(|record| record.position.0 > 0) {
                if record.position.0 <= last {
                    continue;
                }
                assert_eq!(record.position.0, last + 1, "a gap in partition {lane}");
                assert_eq!(record.chain, log[usize::try_from(last).expect("it fits")].chain);
                last += 1;
            }
            assert_eq!(last, database.heads()[lane], "the end of partition {lane}");
        }
    }

    fn partition(&self, lane: Lane, mark: Position) -> Partition {
        let records = &self.0[&lane];
        let seen =
            |record: &Arc<RecordedEvent>| Seen { position: record.position, chain: record.chain };
        let tail = records.last().map(seen);
        let run = tail.map_or(0, |tail| tail.position.0 - mark.0);
        let run = usize::try_from(run).unwrap_or(0).min(records.len());
        Partition {
            low: 0,
            high: i64::try_from(records.len()).expect("few records"),
            tail,
            since_mark: records[records.len() - run..].iter().map(seen).collect(),
        }
    }
}

impl Relays {
    pub(super) fn new(lanes: &LaneMap) -> Self {
        let lanes = lanes.lanes();
        let instance = |_| {
            let inboxes = Arc::new(Inboxes::new(&lanes, INBOX, 1 << 20));
            let sender = RelaySender::new(Arc::clone(&inboxes));
            Instance { inboxes, sender, lanes: BTreeMap::new() }
        };
        let instances = (0..INSTANCES).map(instance).collect();
        Self { instances, owners: lanes.iter().map(|lane| (*lane, 0)).collect() }
    }

    pub(super) fn sender(&self, instance: usize) -> &RelaySender {
        &self.instances[instance].sender
    }

    /// The relay of some lane at some instance takes a step.
    pub(super) fn step(&mut self, rng: &mut SmallRng, database: &mut Database, topic: &mut Topic) {
        let lane = Lane(rng.random_range(0..LANES));
        let nth = rng.random_range(0..INSTANCES);
        let is_owner = self.owners[&lane] == nth;
        let Instance { inboxes, lanes, .. } = &mut self.instances[nth];
        let inbox = inboxes.get(lane).expect("each lane has one");
        match lanes.get_mut(&lane) {
            None if is_owner => {
                let mark = database.marks.get(&lane).copied().unwrap_or_default();
                let partition = topic.partition(lane, mark);
                lanes.insert(lane, LaneRelay::TakingOver { mark, partition });
            }
            None => {}
            Some(LaneRelay::TakingOver { mark, partition }) => {
                let head = database.head(lane).position;
                let at_tail = partition.tail.map(|tail| {
                    database.lane(lane)[usize::try_from(tail.position.0 - 1).expect("it fits")]
                        .chain
                });
                let next = resume(*mark, partition, Log { head, chain_at_tail: at_tail });
                let next = next.expect("the topic never has another history");
                let acknowledged = Position(next.0 - 1);
                inbox.open(head);
                let in_flight = VecDeque::new();
                lanes.insert(lane, LaneRelay::Running { next, in_flight, acknowledged });
            }
            Some(LaneRelay::Running { next, in_flight, acknowledged }) => {
                match rng.random_range(0..8) {
                    0..3 => {
                        let room = WINDOW.saturating_sub(in_flight.len());
                        if room == 0 {
                            return;
                        }
                        let events: Vec<Arc<RecordedEvent>> = match inbox.take(*next, room) {
                            Source::Handed(events) => events.into(),
                            Source::Log { len } => {
                                let from = usize::try_from(next.0 - 1).expect("a position");
                                let page = database.lane(lane)[from..].iter();
                                page.take(len.min(room)).cloned().collect()
                            }
                            Source::Nothing => Vec::new(),
                        };
                        for event in events {
                            assert_eq!(event.position, *next, "lane {lane} has a gap");
                            *next = next.next();
                            in_flight.push_back(event);
                        }
                    }
                    3..6 => {
                        if let Some(record) = in_flight.pop_front() {
                            *acknowledged = record.position;
                            topic.push(record);
                        }
                    }
                    6 => drop(inbox.learn(database.head(lane).position)),
                    // Only the session that holds the lane's lock can save.
                    _ if is_owner => drop(database.marks.insert(lane, *acknowledged)),
                    _ => {
                        inbox.close();
                        lanes.remove(&lane);
                    }
                }
            }
        }
    }

    /// Another instance gets the lock of a lane. The one before does not notice at once.
    pub(super) fn hand_over(&mut self, rng: &mut SmallRng) {
        self.owners.insert(Lane(rng.random_range(0..LANES)), rng.random_range(0..INSTANCES));
    }

    /// An instance forgets everything. The first of its records in flight have arrived.
    pub(super) fn crash(&mut self, instance: usize, rng: &mut SmallRng, topic: &mut Topic) {
        let Instance { inboxes, lanes, .. } = &mut self.instances[instance];
        for (lane, relay) in std::mem::take(lanes) {
            inboxes.get(lane).expect("each lane has one").close();
            if let LaneRelay::Running { in_flight, .. } = relay {
                let arrived = rng.random_range(0..=in_flight.len());
                in_flight.into_iter().take(arrived).for_each(|record| topic.push(record));
            }
        }
    }
}
