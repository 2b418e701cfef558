//! Two instances that apply one view. A lane is assigned to one of them, but the other goes on until it notices.

use std::sync::Arc;

use query_service::pipeline::checkpoint::Checkpoint;
use query_service::pipeline::delivery::Arrival;
use query_service::pipeline::fact::Fact;
use query_service::pipeline::plan::{Arrivals, Plan, plan};
use query_service::projections::stock::Stock;
use query_service::projections::view::View as _;
use shared_events::lane::Position;
use shared_events::recorded::RecordedEvent;

use super::database::View;
use super::*;

pub(super) struct Views {
    lane_map: LaneMap,
    instances: Vec<Consumer>,
    assigned: BTreeMap<Lane, usize>,
    pub(super) crashes: usize,
}

#[derive(Default)]
struct Consumer {
    /// As far as it knows.
    checkpoints: BTreeMap<Lane, Checkpoint>,
    lanes: BTreeMap<Lane, Fetched>,
    /// A transaction that is prepared and not committed.
    prepared: Option<Plan>,
}

/// What was fetched of a lane.
struct Fetched {
    offset: usize,
    arrivals: Vec<Arc<Arrival>>,
}

impl Views {
    pub(super) fn new(lane_map: LaneMap) -> Self {
        let assigned = lane_map.lanes().into_iter().map(|lane| (lane, 0)).collect();
        let instances = (0..INSTANCES).map(|_| Consumer::default()).collect();
        Self { lane_map, instances, assigned, crashes: 0 }
    }

    /// Some instance takes a step.
    pub(super) fn step(
        &mut self,
        rng: &mut SmallRng,
        database: &mut Database,
        topic: &Topic,
        faults: bool,
    ) {
        let (nth, lane) = (rng.random_range(0..INSTANCES), Lane(rng.random_range(0..LANES)));
        let is_assigned = self.assigned[&lane] == nth;
        let consumer = &mut self.instances[nth];
        match rng.random_range(0..6) {
            0..3 => match consumer.lanes.get_mut(&lane) {
                Some(fetched) => fetched.fetch(rng, topic.from(lane, fetched.offset)),
                None if is_assigned => {
                    let committed = database.view.offsets.get(&lane).copied().unwrap_or_default();
                    let committed = usize::try_from(committed).expect("it fits");
                    // Deliveries repeat, or begin at the end because the offset was lost.
                    let offset = match rng.random_range(0..6) {
                        _ if !faults => committed,
                        0 => topic.from(lane, 0).len(),
                        back => committed.saturating_sub(back),
                    };
                    consumer.lanes.insert(lane, Fetched { offset, arrivals: Vec::new() });
                    consumer.checkpoints.insert(lane, database.view.checkpoints[&lane]);
                }
                None => {}
            },
            3 => consumer.prepare(&self.lane_map),
            4 => consumer.commit(database),
            // It notices that the lane is another's.
            _ if !is_assigned => {
                consumer.lanes.remove(&lane);
                consumer.checkpoints.remove(&lane);
            }
            _ => consumer.read_log(lane, rng.random_range(1..4), database),
        }
    }

    pub(super) fn crash(&mut self, instance: usize) {
        self.crashes += 1;
        self.instances[instance] = Consumer::default();
    }

    pub(super) fn rebalance(&mut self, rng: &mut SmallRng) {
        self.assigned.insert(Lane(rng.random_range(0..LANES)), rng.random_range(0..INSTANCES));
    }
}

impl Fetched {
    fn fetch(&mut self, rng: &mut SmallRng, records: &[Arc<RecordedEvent>]) {
        let records = records.iter().take(rng.random_range(1..6));
        for record in records {
            self.offset += 1;
            let next_offset = i64::try_from(self.offset).ok();
            self.arrivals.push(arrival(record, next_offset));
        }
    }
}

impl Consumer {
    /// Compares what was fetched with the known checkpoints.
    fn prepare(&mut self, lane_map: &LaneMap) {
        if self.prepared.is_some() {
            return;
        }
        let mut arrivals = Arrivals::new();
        for (lane, fetched) in &mut self.lanes {
            if !fetched.arrivals.is_empty() {
                arrivals.insert(*lane, std::mem::take(&mut fetched.arrivals));
            }
        }
        let plan = plan(Stock::PROJECTION, &self.checkpoints, lane_map, &arrivals);
        assert!(plan.stops.is_empty(), "{:?}", plan.stops);
        self.prepared = Some(plan);
    }

    /// Reads the log where it goes on and nothing arrives.
    fn read_log(&mut self, lane: Lane, page: usize, database: &Database) {
        let (Some(fetched), Some(at)) = (self.lanes.get_mut(&lane), self.checkpoints.get(&lane))
        else {
            return;
        };
        if fetched.arrivals.is_empty() {
            let after = usize::try_from(at.position.0).expect("it fits");
            let events = database.lane(lane)[after..].iter().take(page);
            fetched.arrivals.extend(events.map(|event| arrival(event, None)));
        }
    }

    fn commit(&mut self, database: &mut Database) {
        let Some(plan) = self.prepared.take() else { return };
        if !database.view.write(&plan) {
            // Another instance was here: what is known may be old.
            *self = Self::default();
            return;
        }
        for advance in &plan.advances {
            if let Some(known) = self.checkpoints.get_mut(&advance.lane) {
                *known = advance.after;
            }
        }
        for (lane, seen) in plan.gaps {
            let (Some(fetched), Some(at)) =
                (self.lanes.get_mut(&lane), self.checkpoints.get(&lane))
            else {
                continue;
            };
            let missing = database.lane(lane).iter().map(|event| arrival(event, None));
            let missing = missing.filter(|one| {
                one.position().is_some_and(|position| position > at.position && position <= seen)
            });
            fetched.arrivals.splice(0..0, missing);
        }
    }
}

impl View {
    /// Writes what a plan says, if every checkpoint is where the plan begins.
    fn write(&mut self, plan: &Plan) -> bool {
        let is_there = |lane, before| self.checkpoints[&lane].position == before;
        if !plan.advances.iter().all(|advance| is_there(advance.lane, advance.before)) {
            return false;
        }
        let mut applied = 0;
        for advance in &plan.advances {
            let positions = advance.before.0 + 1..=advance.after.position.0;
            self.rows.extend(positions.map(|position| (advance.lane, Position(position))));
            applied += advance.after.position.0 - advance.before.0;
            self.checkpoints.insert(advance.lane, advance.after);
            if let Some(offset) = advance.kafka_offset {
                self.offsets.insert(advance.lane, offset);
            }
        }
        assert_eq!(u64::try_from(applied), Ok(plan.applied), "events folded and positions passed");
        true
    }
}

fn arrival(event: &RecordedEvent, next_offset: Option<i64>) -> Arc<Arrival> {
    let content = Ok(Fact::of(event.clone()));
    Arc::new(Arrival { lane: event.lane, next_offset, content })
}
