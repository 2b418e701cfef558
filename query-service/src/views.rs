//! The projections side by side: every version that is listed is followed, one of each projection
//! answers. None of them disturbs another: each has its own checkpoints, connections, consumer group
//! and loop, and one that fails is started anew by itself.

mod keeper;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::FromRef;
use metrics_exporter_prometheus::PrometheusHandle;
use shared_events::lane::LaneMap;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::ServeConfig;
use crate::consumer::assign::Assignment;
use crate::consumer::gap::LogClient;
use crate::database;
use crate::integrity::check::{Inspector, Subject};
use crate::projection::progress::Progress;
use crate::projection::versions::{Listed, list_versions};
use crate::projection::{Projection, ProjectionVersion};
use crate::read_model::ReadModel;
use crate::views::keeper::Keeper;

/// How often the list of versions is read: how soon a swap is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

/// Feeds of events that may be open at once. Each keeps a page of events in memory.
const FEEDS_MAX: usize = 64;

/// All views of this instance. Cheap to clone.
#[derive(Clone)]
pub struct Views(Arc<Shared>);

struct Shared {
    config: ServeConfig,
    log: LogClient,
    feeds: Arc<Semaphore>,
    recorder: PrometheusHandle,
    inspector: Inspector,
    stop: CancellationToken,
    lane_map: Arc<OnceLock<LaneMap>>,
    /// What answers for each projection.
    answering: watch::Sender<BTreeMap<Projection, Arc<ReadModel>>>,
    /// What is followed here.
    kept: watch::Sender<BTreeMap<ProjectionVersion, Kept>>,
}

/// A version that is followed here.
#[derive(Clone)]
pub struct Kept {
    /// How far it is.
    pub progress: Arc<Progress>,
    assignment: Arc<Assignment>,
    stop: CancellationToken,
}

impl Views {
    /// Views that nothing is known of yet: until it is, each projection says so.
    pub fn new(config: ServeConfig, log: LogClient, recorder: PrometheusHandle) -> Self {
        let stop = CancellationToken::new();
        let views = Self(Arc::new(Shared {
            inspector: Inspector::new(config.database.clone(), log.clone(), stop.clone()),
            config,
            log,
            feeds: Arc::new(Semaphore::new(FEEDS_MAX)),
            recorder,
            stop,
            lane_map: Arc::default(),
            answering: watch::Sender::default(),
            kept: watch::Sender::default(),
        }));
        for projection in Projection::ALL {
            views.answer_from(projection.version(1), Arc::default());
        }
        views
    }

    /// What answers for a projection at this moment. Whoever holds it has one version from the first
    /// question to the last.
    pub fn answering(&self, projection: Projection) -> Arc<ReadModel> {
        let answering = self.0.answering.borrow();
        Arc::clone(answering.get(&projection).expect("every projection has a place from the start"))
    }

    /// How far a version is that is followed here.
    pub fn progress(&self, of: ProjectionVersion) -> Option<Arc<Progress>> {
        self.0.kept.borrow().get(&of).map(|kept| Arc::clone(&kept.progress))
    }

    /// Whether the group of any version of a projection has ever said which lanes are this
    /// instance's, be it none.
    pub fn has_joined(&self, projection: Projection) -> bool {
        let kept = self.0.kept.borrow();
        let mut versions = kept.iter().filter(|(of, _)| of.projection() == projection);
        versions.any(|(_, kept)| kept.assignment.has_joined())
    }

    /// The process's metrics.
    pub fn recorder(&self) -> &PrometheusHandle {
        &self.0.recorder
    }

    /// Checks whether the views are what the log says.
    pub fn inspector(&self) -> &Inspector {
        &self.0.inspector
    }

    /// What such a check compares at this moment; nothing before the lanes are known.
    pub fn subject(&self) -> Option<Subject> {
        let lane_map = self.0.lane_map.get()?.clone();
        let service = self.answering(Projection::Stock);
        let progress = Arc::clone(&service.progress);
        Some(Subject { of: service.projection, lane_map, progress })
    }

    /// Cancelled when the service stops.
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Follows what is listed until told to stop; then ends in order. `first` is the list that was
    /// read with the lanes.
    pub async fn run(self, lane_map: LaneMap, first: Vec<Listed>) {
        let mut keepers = JoinSet::new();
        self.follow(&mut keepers, &lane_map, &first);
        // Only now may anybody ask: there is something to ask.
        let lane_map = self.0.lane_map.get_or_init(|| lane_map).clone();
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.0.stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let pool = self.answering(Projection::Stock).pool.clone();
            match list_versions(&pool).await {
                Ok(listed) => self.follow(&mut keepers, &lane_map, &listed),
                Err(error) => tracing::debug!(%error, "the list of versions cannot be read"),
            }
            while keepers.try_join_next().is_some() {}
        }
        while keepers.join_next().await.is_some() {}
    }

    /// Brings what is followed, and what answers, in line with the list.
    fn follow(&self, keepers: &mut JoinSet<()>, lane_map: &LaneMap, listed: &[Listed]) {
        let followed = || listed.iter().filter(|one| !one.is_filling);
        let kept = self.0.kept.borrow().clone();
        for (of, one) in &kept {
            if !followed().any(|listed| listed.of == *of) {
                tracing::info!(projection = of.schema(), "followed no longer");
                one.stop.cancel();
            }
        }
        let mut now = BTreeMap::new();
        for Listed { of, .. } in followed() {
            let one = kept.get(of).cloned().unwrap_or_else(|| {
                let one = Kept {
                    progress: Arc::default(),
                    assignment: Arc::default(),
                    stop: self.0.stop.child_token(),
                };
                keepers.spawn(self.keeper(*of, &one, lane_map).run());
                one
            });
            now.insert(*of, one);
        }
        for Listed { of, .. } in followed().filter(|one| one.is_active) {
            let is_new = kept.is_empty() || self.answering(of.projection()).projection != *of;
            if is_new {
                tracing::info!(projection = of.schema(), "answers from here on");
                self.answer_from(*of, Arc::clone(&now[of].progress));
            }
        }
        self.0.kept.send_replace(now);
    }

    fn keeper(&self, of: ProjectionVersion, kept: &Kept, lane_map: &LaneMap) -> Keeper {
        let lanes = lane_map.slots().iter().copied();
        kept.progress.raise(lanes.map(|lane| (lane, Default::default())));
        Keeper {
            of,
            config: self.0.config.clone(),
            log: self.0.log.clone(),
            lane_map: lane_map.clone(),
            progress: Arc::clone(&kept.progress),
            assignment: Arc::clone(&kept.assignment),
            stop: kept.stop.clone(),
        }
    }

    /// From here on queries are answered from this version; those that run end with what they have.
    fn answer_from(&self, of: ProjectionVersion, progress: Arc<Progress>) {
        let Shared { config, log, feeds, stop, lane_map, .. } = &*self.0;
        let service = Arc::new(ReadModel {
            pool: database::query_pool(&config.database, of),
            projection: of,
            lane_map: Arc::clone(lane_map),
            progress,
            route_state: OnceLock::new(),
            log: log.clone(),
            feeds: Arc::clone(feeds),
            settings: config.http,
            stop: stop.clone(),
        });
        self.0.answering.send_modify(|answering| {
            answering.insert(of.projection(), service);
        });
    }
}

/// Most questions are about stock.
impl FromRef<Views> for Arc<ReadModel> {
    fn from_ref(views: &Views) -> Self {
        views.answering(Projection::Stock)
    }
}
