//! Which part of a batch can be applied, as rows and checkpoints, and what else has to happen. PURE.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shared_events::lane::{EventId, Lane, LaneMap, Position};
use shared_events::recorded::RecordedEvent;

use crate::pipeline::checkpoint::{Checkpoint, Step};
use crate::pipeline::delivery::Arrival;
use crate::pipeline::fact::Fact;
use crate::projection::{Projection, TableChanges, Unfit};

/// Arrivals by lane, in the order they came.
pub type Arrivals = BTreeMap<Lane, Vec<Arc<Arrival>>>;

/// The outcome of comparing a batch with the checkpoints.
#[derive(Debug)]
pub struct Plan {
    pub advances: Vec<Advance>,
    pub changes: Box<dyn TableChanges>,
    /// Lanes whose next event is missing, with the last position that is known to exist.
    pub gaps: BTreeMap<Lane, Position>,
    /// Lanes whose next event cannot be applied.
    pub stops: BTreeMap<Lane, Stop>,
    pub applied: u64,
    /// Events that were applied before.
    pub duplicates: u64,
}

/// A lane's checkpoint, before and after the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    pub lane: Lane,
    /// The position that the checkpoint must have.
    pub before: Position,
    pub after: Checkpoint,
    /// The offset to continue from, if the last event came from Kafka.
    pub kafka_offset: Option<i64>,
}

/// Why a lane cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The id of the event it waits at, or where that was read.
    pub event: String,
    pub error: String,
}

/// Compares the arrivals of every lane with its checkpoint and folds the events that come next. Lanes
/// without a checkpoint do not belong to this log and are left out.
///
/// An event on which the projection panics stops its lane, like any that cannot be applied. What was folded is
/// folded again without it, because the panic may have left half of it.
pub fn plan(
    projection: Projection,
    checkpoints: &BTreeMap<Lane, Checkpoint>,
    lane_map: &LaneMap,
    arrivals: &Arrivals,
) -> Plan {
    let mut panicking = BTreeSet::new();
    loop {
        let folding = Cell::new(None);
        let fold = Folding { lane_map, panicking: &panicking, event: &folding };
        let planned = catch_unwind(AssertUnwindSafe(|| {
            let mut plan = Plan::nothing(projection);
            for (lane, arrivals) in arrivals {
                if let Some(checkpoint) = checkpoints.get(lane) {
                    plan.add_lane(*lane, *checkpoint, &fold, arrivals);
                }
            }
            plan
        }));
        match (planned, folding.get()) {
            (Ok(plan), _) => return plan,
            // Each lane stops at its first one, so this ends.
            (Err(_), Some(event)) if panicking.insert(event) => {}
            (Err(panic), _) => std::panic::resume_unwind(panic),
        }
    }
}

/// How events are folded.
struct Folding<'a> {
    lane_map: &'a LaneMap,
    /// The events on which the projection panics.
    panicking: &'a BTreeSet<EventId>,
    /// The event that is being folded.
    event: &'a Cell<Option<EventId>>,
}

impl Plan {
    fn nothing(projection: Projection) -> Self {
        Self {
            advances: Vec::new(),
            changes: projection.new_changes(),
            gaps: BTreeMap::new(),
            stops: BTreeMap::new(),
            applied: 0,
            duplicates: 0,
        }
    }

    fn add_lane(
        &mut self,
        lane: Lane,
        before: Checkpoint,
        folding: &Folding<'_>,
        arrivals: &[Arc<Arrival>],
    ) {
        let mut after = before;
        let mut kafka_offset = None;
        for (index, arrival) in arrivals.iter().enumerate() {
            let fact = match &arrival.content {
                Ok(fact) => fact,
                Err(unreadable) => {
                    let (event, error) = (unreadable.place.clone(), unreadable.error.clone());
                    self.stops.insert(lane, Stop { event, error });
                    break;
                }
            };
            match after.step(fact) {
                Step::Duplicate => self.duplicates += 1,
                Step::Next => match self.add_fact(folding, fact) {
                    Ok(()) => after = Checkpoint::after(&fact.recorded),
                    Err(error) => {
                        self.stop(&fact.recorded, error);
                        break;
                    }
                },
                Step::Gap => {
                    let later = arrivals[index..].iter().filter_map(|one| one.position());
                    let seen = later.max().unwrap_or(fact.recorded.position);
                    self.gaps.insert(lane, seen);
                    break;
                }
                Step::Fork => {
                    self.stop(&fact.recorded, Unappliable::Fork);
                    break;
                }
                Step::Broken => {
                    self.stop(&fact.recorded, Unappliable::BrokenChain);
                    break;
                }
            }
            kafka_offset = arrival.next_offset.or(kafka_offset);
        }
        if after != before {
            self.advances.push(Advance { lane, before: before.position, after, kafka_offset });
        }
    }

    fn add_fact(&mut self, folding: &Folding<'_>, fact: &Fact) -> Result<(), Unappliable> {
        let id = fact.recorded.id();
        if folding.panicking.contains(&id) {
            return Err(Unappliable::Panic);
        }
        folding.event.set(Some(id));
        let belongs_to = folding.lane_map.lane_of(&fact.recorded.stream);
        if belongs_to != fact.recorded.lane {
            return Err(Unappliable::WrongLane { belongs_to });
        }
        let event =
            fact.event.as_ref().map_err(|error| Unappliable::Undecodable(error.to_string()))?;
        if event.stream() != fact.recorded.stream {
            return Err(Unfit::Stream.into());
        }
        self.changes.fold(&fact.recorded, event)?;
        self.applied += 1;
        Ok(())
    }

    fn stop(&mut self, recorded: &RecordedEvent, error: Unappliable) {
        let stop = Stop { event: recorded.id().to_string(), error: error.to_string() };
        self.stops.insert(recorded.lane, stop);
    }
}

/// Why an event cannot be applied.
#[derive(Debug, thiserror::Error)]
enum Unappliable {
    #[error("fork: another event was applied at this position")]
    Fork,
    #[error("the chain does not follow from the events applied before")]
    BrokenChain,
    #[error(
        "its stream belongs to lane {belongs_to}: check that both databases were migrated with the same LANES"
    )]
    WrongLane { belongs_to: Lane },
    #[error("the projection panics on it: the log of this service says where")]
    Panic,
    #[error("{0}")]
    Undecodable(String),
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::delivery::Unreadable;
    use crate::projections::stock::Stock;
    use crate::projections::view::View;
    use crate::sample_log::Log;

    fn arrivals(log: &Log) -> Vec<Arrival> {
        let content = |event: &RecordedEvent| Ok(Fact::of(event.clone()));
        let arrival = |(offset, event): (i64, &RecordedEvent)| Arrival {
            lane: event.lane,
            next_offset: Some(offset + 1),
            content: content(event),
        };
        (70..).zip(&log.events).map(arrival).collect()
    }

    fn planned(lane_map: &LaneMap, arrivals: Vec<Arrival>) -> Plan {
        let lane = arrivals[0].lane;
        let arrivals = arrivals.into_iter().map(Arc::new).collect();
        let checkpoints = BTreeMap::from([(lane, Checkpoint::default())]);
        plan(Stock::PROJECTION, &checkpoints, lane_map, &BTreeMap::from([(lane, arrivals)]))
    }

    #[test]
    fn a_lane_advances_to_its_last_event_with_the_offset_to_continue_from() {
        let mut log = Log::with_lanes(1);
        log.register_item("A", 0);
        log.receive("A", "MAIN", 5);
        let plan = planned(&log.lane_map, arrivals(&log));
        let after = Checkpoint::after(&log.events[1]);
        let before = Position(0);
        let advance = Advance { lane: Lane(0), before, after, kafka_offset: Some(72) };
        assert_eq!(plan.advances, [advance]);
    }

    #[test]
    fn an_unknown_type_stops_its_lane_before_that_event() {
        let mut log = Log::with_lanes(1);
        log.register_item("A", 0);
        log.record_unknown("A");
        log.receive("A", "MAIN", 5);
        let plan = planned(&log.lane_map, arrivals(&log));
        assert_eq!(plan.advances[0].after.position, Position(1));
        let stop = &plan.stops[&Lane(0)];
        assert_eq!(stop.event, "0-2");
        assert!(stop.error.contains("ItemSealed"), "{}", stop.error);
    }

    #[test]
    fn an_unreadable_record_stops_its_lane() {
        let mut log = Log::with_lanes(1);
        log.register_item("A", 0);
        let mut arrivals = arrivals(&log);
        let place = "partition 0 offset 70".to_owned();
        arrivals[0].content = Err(Unreadable { place, error: "no headers".to_owned() });
        let plan = planned(&log.lane_map, arrivals);
        assert!(plan.advances.is_empty());
        assert_eq!(plan.stops[&Lane(0)].event, "partition 0 offset 70");
    }

    #[test]
    fn an_event_in_the_wrong_lane_stops_that_lane() {
        let mut log = Log::with_lanes(1);
        log.register_item("85123A", 0);
        let other = LaneMap::even(2).expect("two lanes are legal");
        assert_eq!(other.lane_of(&log.events[0].stream), Lane(1));
        let plan = planned(&other, arrivals(&log));
        assert!(plan.advances.is_empty());
        assert!(plan.stops[&Lane(0)].error.contains("lane 1"));
    }

    #[test]
    fn an_event_in_the_stream_of_something_else_stops_its_lane() {
        let mut log = Log::with_lanes(1);
        log.register_item("A", 0);
        log.register_location("MAIN");
        log.receive("A", "MAIN", 5);
        log.reserve(&[("A", "MAIN", 2, 2)]);
        for mut event in log.events {
            event.position = Position(1);
            event.stream = "item/B".parse().expect("a stream");
            event.chain = event.chain_after(Default::default());
            let arrival =
                Arrival { lane: Lane(0), next_offset: None, content: Ok(Fact::of(event)) };
            let plan = planned(&log.lane_map, vec![arrival]);
            assert!(plan.advances.is_empty());
            assert_eq!(plan.stops[&Lane(0)].error, Unfit::Stream.to_string());
        }
    }

    #[test]
    fn a_lane_without_a_checkpoint_is_left_out() {
        let mut log = Log::with_lanes(1);
        log.register_item("A", 0);
        let arrivals = arrivals(&log).into_iter().map(Arc::new).collect();
        let arrivals = BTreeMap::from([(Lane(0), arrivals)]);
        let plan = plan(Stock::PROJECTION, &BTreeMap::new(), &log.lane_map, &arrivals);
        assert_eq!((plan.advances.len(), plan.stops.len(), plan.gaps.len()), (0, 0, 0));
    }
}
