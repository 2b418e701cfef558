//! What of a batch can be applied, as rows and checkpoints, and what has to happen besides. PURE.

#[cfg(test)]
mod properties;

use std::collections::BTreeMap;

use shared_events::lane::{Lane, LaneMap, Position};
use shared_events::recorded::RecordedEvent;

use crate::projection::checkpoint::{Checkpoint, Step};
use crate::projection::delivery::{Arrival, Fact};
use crate::projection::stock::{Changes, Unfit};

/// Arrivals by lane, each lane's in the order they came.
pub type Arrivals = BTreeMap<Lane, Vec<Arrival>>;

/// The outcome of comparing a batch with the checkpoints.
#[derive(Debug, Default)]
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
    checkpoints: &BTreeMap<Lane, Checkpoint>,
    lane_map: &LaneMap,
    arrivals: &Arrivals,
) -> Plan {
    let mut plan = Plan::default();
    for (lane, arrivals) in arrivals {
        if let Some(checkpoint) = checkpoints.get(lane) {
            plan.add_lane(*lane, *checkpoint, lane_map, arrivals);
        }
    }
    plan
}

impl Plan {
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
        let belongs_to = lane_map.lane_of(fact.recorded.stream.key());
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
