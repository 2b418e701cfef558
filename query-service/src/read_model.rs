//! One version of one projection, as the HTTP handlers see it.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use shared_events::lane::LaneMap;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::HttpConfig;
use crate::pipeline::assignment::Assignment;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;
use crate::projection::ProjectionVersion;

/// One version of one projection, with what all of them share.
pub struct ReadModel {
    /// Connections whose tables are those of this version.
    pub pool: PgPool,
    pub projection: ProjectionVersion,
    /// Which lane each stream belongs to; empty until the database has answered once.
    pub lane_map: Arc<OnceLock<LaneMap>>,
    /// How far this version is.
    pub progress: Arc<Progress>,
    /// The lanes that this instance applies.
    pub assignment: Arc<Assignment>,
    /// State of this version's routes, made at the first use.
    pub route_state: OnceLock<Box<dyn Any + Send + Sync>>,
    pub log: LogClient,
    /// One permit for each open feed of events.
    pub feeds: Arc<Semaphore>,
    pub settings: HttpConfig,
    /// Cancelled when the service stops.
    pub stop: CancellationToken,
}

/// The database has not answered yet, so the lanes are unknown.
#[derive(Debug, Clone, Copy)]
pub struct LanesUnknown;

impl ReadModel {
    pub fn lane_map(&self) -> Result<&LaneMap, LanesUnknown> {
        self.lane_map.get().ok_or(LanesUnknown)
    }

    /// State that the routes of a projection keep for each version. It is dropped with the version.
    pub fn route_state<T: Default + Send + Sync + 'static>(&self) -> &T {
        let state = self.route_state.get_or_init(|| Box::<T>::default());
        state.downcast_ref().expect("the routes of a projection share one type of state")
    }
}
