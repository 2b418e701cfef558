//! What of a batch can be applied, as rows and checkpoints, and what has to happen besides. PURE.

#[cfg(test)]
pub(crate) mod properties;

use std::collections::BTreeMap;

use shared_events::lane::{Lane, LaneMap, Position};
use shared_events::recorded::RecordedEvent;

use crate::projection::Projection;
use crate::projection::changes::{Changes, Unfit};
use crate::projection::checkpoint::{Checkpoint, Step};
use crate::projection::delivery::{Arrival, Fact};

/// Arrivals by lane, each lane's in the order they came.
pub type Arrivals = BTreeMap<Lane, Vec<Arrival>>;

/// The outcome of comparing a batch with the checkpoints.
#[derive(Debug)]
pub struct Plan {
    /// Lanes that move, with where from and where to.
    pub advances: Vec<Advance>,
    /// The rows to write with them.
    pub changes: Changes,
    /// Lanes whose next event did not come in, with the last position that is known to exist.
    pub gaps: BTreeMap<Lane, Position>,
    /// Lanes whose next event cannot be applied.
    pub stops: BTreeMap<Lane, Stop>,
    /// How many events are applied.
    pub applied: u64,
    /// How many were applied already.
    pub duplicates: u64,
}

/// A lane's checkpoint, before and after the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The lane.
    pub lane: Lane,
    /// Where the checkpoint has to be for the batch to be applied.
    pub before: Position,
    /// Where it is afterwards.
    pub after: Checkpoint,
    /// Where Kafka goes on, when the last event came by Kafka.
    pub kafka_offset: Option<i64>,
}

/// Why a lane cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The id of the event it waits at, or where that was met.
    pub event: String,
    /// What is wrong.
    pub error: String,
}

/// Compares every lane's arrivals with its checkpoint and folds what comes next.
///
/// Lanes without a checkpoint are not of this log; nothing is planned for them.
pub fn plan(
    projection: Projection,
    checkpoints: &BTreeMap<Lane, Checkpoint>,
    lane_map: &LaneMap,
    arrivals: &Arrivals,
) -> Plan {
    let mut plan = Plan::nothing(projection);
    for (lane, arrivals) in arrivals {
        if let Some(checkpoint) = checkpoints.get(lane) {
            plan.add_lane(*lane, *checkpoint, lane_map, arrivals);
        }
    }
    plan
}

impl Plan {
    fn nothing(projection: Projection) -> Self {
        Self {
            advances: Vec::new(),
            changes: Changes::none(projection),
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
        lane_map: &LaneMap,
        arrivals: &[Arrival],
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
            match after.step(&fact.recorded) {
                Step::Duplicate => self.duplicates += 1,
                Step::Next => match self.add_fact(lane_map, fact) {
                    Ok(()) => after = Checkpoint::after(&fact.recorded),
                    Err(error) => {
                        self.stop(&fact.recorded, error);
                        break;
                    }
                },
                Step::Gap => {
                    let seen = last_position(&arrivals[index..]).unwrap_or(fact.recorded.position);
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

    fn add_fact(&mut self, lane_map: &LaneMap, fact: &Fact) -> Result<(), Unappliable> {
        let belongs_to = lane_map.lane_of(&fact.recorded.stream);
        if belongs_to != fact.recorded.lane {
            return Err(Unappliable::WrongLane { belongs_to });
        }
        let event =
            fact.event.as_ref().map_err(|error| Unappliable::Undecodable(error.to_string()))?;
        self.changes.fold(&fact.recorded, event)?;
        self.applied += 1;
        Ok(())
    }

    fn stop(&mut self, recorded: &RecordedEvent, error: Unappliable) {
        let stop = Stop { event: recorded.id().to_string(), error: error.to_string() };
        self.stops.insert(recorded.lane, stop);
    }
}

fn last_position(arrivals: &[Arrival]) -> Option<Position> {
    let readable = arrivals.iter().filter_map(|one| one.content.as_ref().ok());
    readable.map(|fact| fact.recorded.position).max()
}

/// Why an event cannot be applied.
#[derive(Debug, thiserror::Error)]
enum Unappliable {
    #[error("fork: another event was applied at this position")]
    Fork,
    #[error("the chain does not follow from the events applied before")]
    BrokenChain,
    #[error(
        "its key belongs to lane {belongs_to}: were the two databases made for the same number of lanes?"
    )]
    WrongLane { belongs_to: Lane },
    #[error("{0}")]
    Undecodable(String),
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::delivery::Unreadable;
    use crate::projection::stock::sample::Log;

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
        let checkpoints = BTreeMap::from([(lane, Checkpoint::default())]);
        plan(Projection::Stock, &checkpoints, lane_map, &BTreeMap::from([(lane, arrivals)]))
    }

    #[test]
    fn a_lane_advances_to_its_last_event_and_tells_kafka_so() {
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
    fn an_unknown_type_stops_its_lane_in_front_of_it() {
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
    fn what_is_no_event_stops_its_lane() {
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
    fn an_event_in_a_lane_that_is_not_its_own_stops_that_lane() {
        let mut log = Log::with_lanes(1);
        log.register_item("85123A", 0);
        let other = LaneMap::even(2).expect("two lanes are legal");
        assert_eq!(other.lane_of(&log.events[0].stream), Lane(1));
        let plan = planned(&other, arrivals(&log));
        assert!(plan.advances.is_empty());
        assert!(plan.stops[&Lane(0)].error.contains("lane 1"));
    }

    #[test]
    fn a_lane_that_is_not_of_this_log_is_left_out() {
        let mut log = Log::with_lanes(1);
        log.register_item("A", 0);
        let arrivals = BTreeMap::from([(Lane(0), arrivals(&log))]);
        let plan = plan(Projection::Stock, &BTreeMap::new(), &log.lane_map, &arrivals);
        assert_eq!((plan.advances.len(), plan.stops.len(), plan.gaps.len()), (0, 0, 0));
    }
}
