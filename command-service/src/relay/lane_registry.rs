//! The state of each lane at this instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared_events::lane::{Lane, Position};
use tokio::time::Instant;

use super::lane::Progress;
use super::metrics;
use super::status::{Known, RelayStatus};

/// The state of a lane at this instance.
#[derive(Debug)]
pub(crate) enum LaneState {
    /// Another instance relays it, or did at the last try to lock it.
    Elsewhere,
    /// Locked; its start is being determined.
    TakingOver,
    Running(Arc<Progress>),
    /// Locked; tried again at this time.
    Stopped {
        until: Instant,
        error: String,
    },
}

impl LaneState {
    /// As the description of the metric has it.
    fn number(&self) -> u8 {
        match self {
            Self::Elsewhere => 0,
            Self::Running(_) => 1,
            Self::TakingOver => 2,
            Self::Stopped { .. } => 3,
        }
    }

    fn known(&self) -> Known {
        match self {
            Self::Elsewhere => Known::Elsewhere,
            Self::TakingOver => Known::TakingOver,
            Self::Running(progress) => Known::Running(Arc::clone(progress)),
            Self::Stopped { error, .. } => Known::Stopped { error: error.clone() },
        }
    }
}

/// The state of every lane, also shown as metrics and as the relay's status.
#[derive(Debug)]
pub(crate) struct LaneRegistry {
    lanes: BTreeMap<Lane, LaneState>,
    status: RelayStatus,
}

impl LaneRegistry {
    /// All lanes elsewhere.
    pub(crate) fn new(lanes: &[Lane], status: RelayStatus) -> Self {
        let mut registry = Self { lanes: BTreeMap::new(), status };
        for lane in lanes {
            registry.set(*lane, LaneState::Elsewhere);
        }
        registry
    }

    pub(crate) fn set(&mut self, lane: Lane, state: LaneState) {
        metrics::lane_state(lane, state.number());
        self.status.set(lane, state.known());
        self.lanes.insert(lane, state);
    }

    /// All lanes elsewhere again.
    pub(crate) fn clear(&mut self) {
        let lanes: Vec<Lane> = self.lanes.keys().copied().collect();
        for lane in lanes {
            self.set(lane, LaneState::Elsewhere);
            metrics::lag(lane, Position(0), Position(0));
        }
    }

    /// The lanes to try to lock.
    pub(crate) fn elsewhere(&self) -> Vec<Lane> {
        self.which(|state| matches!(state, LaneState::Elsewhere))
    }

    /// The stopped lanes to try again.
    pub(crate) fn retryable(&self, now: Instant) -> Vec<Lane> {
        self.which(|state| matches!(state, LaneState::Stopped { until, .. } if *until <= now))
    }

    /// The lanes that run, with their progress.
    pub(crate) fn running(&self) -> impl Iterator<Item = (Lane, &Progress)> {
        self.lanes.iter().filter_map(|(lane, state)| match state {
            LaneState::Running(progress) => Some((*lane, progress.as_ref())),
            _ => None,
        })
    }

    fn which(&self, matches: impl Fn(&LaneState) -> bool) -> Vec<Lane> {
        self.lanes.iter().filter(|(_, state)| matches(state)).map(|(lane, _)| *lane).collect()
    }
}
