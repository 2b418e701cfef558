//! Which lane is where: what this instance does about each lane.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared_events::lane::{Lane, Position};
use tokio::time::Instant;

use super::lane::Progress;
use super::meter::{self, LaneGauge};

/// What this instance does about a lane.
#[derive(Debug)]
pub(super) enum LaneState {
    /// Nothing: another instance has it, or had when last asked.
    Elsewhere,
    /// Locked; finding out where to go on.
    TakingOver,
    /// Relaying it.
    Running(Arc<Progress>),
    /// Locked, and at rest until then.
    Stopped(Instant),
}

/// The state of every lane; whoever looks at the metrics sees the same.
#[derive(Debug)]
pub(super) struct Roster(BTreeMap<Lane, LaneState>);

impl Roster {
    /// All lanes elsewhere.
    pub(super) fn new(lanes: &[Lane]) -> Self {
        let mut roster = Self(BTreeMap::new());
        for lane in lanes {
            roster.set(*lane, LaneState::Elsewhere);
        }
        roster
    }

    pub(super) fn set(&mut self, lane: Lane, state: LaneState) {
        let gauge = match &state {
            LaneState::Elsewhere => LaneGauge::Elsewhere,
            LaneState::TakingOver => LaneGauge::TakingOver,
            LaneState::Running(_) => LaneGauge::Running,
            LaneState::Stopped(_) => LaneGauge::Stopped,
        };
        meter::lane_state(lane, gauge);
        self.0.insert(lane, state);
    }

    /// All lanes elsewhere again.
    pub(super) fn clear(&mut self) {
        let lanes: Vec<Lane> = self.0.keys().copied().collect();
        for lane in lanes {
            self.set(lane, LaneState::Elsewhere);
            meter::lag(lane, Position(0), Position(0));
        }
    }

    /// The lanes whose lock is to be tried.
    pub(super) fn elsewhere(&self) -> Vec<Lane> {
        self.which(|state| matches!(state, LaneState::Elsewhere))
    }

    /// The lanes that have rested long enough.
    pub(super) fn rested(&self, now: Instant) -> Vec<Lane> {
        self.which(|state| matches!(state, LaneState::Stopped(until) if *until <= now))
    }

    /// The lanes being relayed, with how far they are.
    pub(super) fn running(&self) -> impl Iterator<Item = (Lane, &Progress)> {
        self.0.iter().filter_map(|(lane, state)| match state {
            LaneState::Running(progress) => Some((*lane, progress.as_ref())),
            _ => None,
        })
    }

    fn which(&self, matches: impl Fn(&LaneState) -> bool) -> Vec<Lane> {
        self.0.iter().filter(|(_, state)| matches(state)).map(|(lane, _)| *lane).collect()
    }
}
