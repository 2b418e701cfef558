//! All projections next to each other: every listed version runs, one version of each projection
//! answers queries. They share what Kafka brings; apart from that, each version has its own checkpoints,
//! connections and runner, and restarts by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shared_events::lane::LaneMap;
use sqlx::PgPool;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::ServeConfig;
use crate::database;
use crate::pipeline::assignment::Assignment;
use crate::pipeline::consumer::TopicConsumer;
use crate::pipeline::follower::Follower;
use crate::pipeline::log_client::LogClient;
use crate::pipeline::progress::Progress;
use crate::pipeline::subscribers::Subscribers;
use crate::pipeline::supervisor::Supervisor;
use crate::pipeline::versions::{Listed, list_versions};
use crate::projection::{Projection, ProjectionVersion};
use crate::read_model::ReadModel;

/// How often the list of versions is read, which is how soon a swap takes effect.
const LIST_INTERVAL: Duration = Duration::from_secs(1);

/// Feeds of events that may be open at once. Each keeps a page of events in memory.
const FEEDS_MAX: usize = 64;

/// Checks of the integrity that callers may run at once; one takes a good part of the machine.
const CHECKS_MAX: usize = 2;

/// All projections of this instance. Cheap to clone.
#[derive(Clone)]
pub struct ProjectionSet(Arc<Shared>);

struct Shared {
    known: Vec<Projection>,
    config: ServeConfig,
    log: LogClient,
    feeds: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    stop: CancellationToken,
    lane_map: Arc<OnceLock<LaneMap>>,
    /// The version of each projection that answers queries.
    active: watch::Sender<BTreeMap<Projection, Arc<ReadModel>>>,
    running: watch::Sender<BTreeMap<ProjectionVersion, RunningProjection>>,
    subscribers: Arc<Subscribers>,
    assignment: Arc<Assignment>,
}

#[derive(Clone)]
struct RunningProjection {
    progress: Arc<Progress>,
    stop: CancellationToken,
}

impl ProjectionSet {
    /// Until the versions are known, every projection answers that it is unavailable.
    pub fn new(known: Vec<Projection>, config: ServeConfig, log: LogClient) -> Self {
        let stop = CancellationToken::new();
        let set = Self(Arc::new(Shared {
            known,
            config,
            log,
            feeds: Arc::new(Semaphore::new(FEEDS_MAX)),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
            stop,
            lane_map: Arc::default(),
            active: watch::Sender::default(),
            running: watch::Sender::default(),
            subscribers: Arc::default(),
            assignment: Arc::default(),
        }));
        for projection in set.known() {
            set.activate(projection.version(1), Arc::default());
        }
        set
    }

    /// Every projection that this binary knows.
    pub fn known(&self) -> &[Projection] {
        &self.0.known
    }

    pub fn named(&self, name: &str) -> Option<Projection> {
        self.0.known.iter().copied().find(|one| one.name() == name)
    }

    /// Any projection, for what they all share.
    pub fn any(&self) -> Arc<ReadModel> {
        self.active(self.0.known[0])
    }

    /// Connections for what belongs to no projection.
    pub fn pool(&self) -> PgPool {
        self.any().pool.clone()
    }

    /// The version that answers queries now. A handler keeps it from its first query to its last.
    pub fn active(&self, projection: Projection) -> Arc<ReadModel> {
        let active = self.0.active.borrow();
        Arc::clone(active.get(&projection).expect("every projection has an entry from the start"))
    }

    /// How far a version is, if it runs here.
    pub fn progress(&self, of: ProjectionVersion) -> Option<Arc<Progress>> {
        self.0.running.borrow().get(&of).map(|one| Arc::clone(&one.progress))
    }

    /// Whether the consumer group has ever assigned lanes to this instance, even none.
    pub fn has_joined(&self) -> bool {
        self.0.assignment.has_joined()
    }

    pub fn config(&self) -> &ServeConfig {
        &self.0.config
    }

    pub fn log(&self) -> &LogClient {
        &self.0.log
    }

    /// One permit for each integrity check of a caller.
    pub fn checks(&self) -> &Arc<Semaphore> {
        &self.0.checks
    }

    /// Cancelled when the service stops.
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Runs the listed versions until the service stops. `first` is the list that was read with the
    /// lanes.
    pub async fn run(self, lane_map: LaneMap, first: Vec<Listed>) {
        let mut supervisors = JoinSet::new();
        self.follow(&mut supervisors, &lane_map, &first);
        supervisors.spawn(self.follower().run());
        // Set only now: handlers that see the lanes also find the versions running.
        let lane_map = self.0.lane_map.get_or_init(|| lane_map).clone();
        let mut ticks = tokio::time::interval(LIST_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.0.stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            match list_versions(&self.pool(), self.known()).await {
                Ok(listed) => self.follow(&mut supervisors, &lane_map, &listed),
                Err(error) => tracing::debug!(%error, "the list of versions cannot be read"),
            }
            while supervisors.try_join_next().is_some() {}
        }
        while supervisors.join_next().await.is_some() {}
    }

    /// Starts, stops and activates versions as the list says.
    fn follow(&self, supervisors: &mut JoinSet<()>, lane_map: &LaneMap, listed: &[Listed]) {
        let followed = || listed.iter().filter(|one| !one.is_filling);
        let before = self.0.running.borrow().clone();
        for (of, one) in &before {
            if !followed().any(|listed| listed.of == *of) {
                tracing::info!(projection = of.schema(), "stopped following");
                one.stop.cancel();
            }
        }
        let mut running = BTreeMap::new();
        for Listed { of, .. } in followed() {
            let one = before.get(of).cloned().unwrap_or_else(|| {
                let one =
                    RunningProjection { progress: Arc::default(), stop: self.0.stop.child_token() };
                supervisors.spawn(self.supervisor(*of, &one, lane_map).run());
                one
            });
            running.insert(*of, one);
        }
        for Listed { of, .. } in followed().filter(|one| one.is_active) {
            let is_new = before.is_empty() || self.active(of.projection()).projection != *of;
            if is_new {
                tracing::info!(projection = of.schema(), "answers queries from now on");
                self.activate(*of, Arc::clone(&running[of].progress));
            }
        }
        self.0.running.send_replace(running);
    }

    fn follower(&self) -> Follower {
        let Shared { config, log, subscribers, assignment, stop, .. } = &*self.0;
        let consumer = TopicConsumer {
            config: config.clone(),
            subscribers: Arc::clone(subscribers),
            assignment: Arc::clone(assignment),
            stop: stop.clone(),
        };
        Follower { consumer, log: log.clone() }
    }

    fn supervisor(
        &self,
        of: ProjectionVersion,
        running: &RunningProjection,
        lane_map: &LaneMap,
    ) -> Supervisor {
        let lanes = lane_map.slots().iter().copied();
        running.progress.raise(lanes.map(|lane| (lane, Default::default())));
        Supervisor {
            of,
            config: self.0.config.clone(),
            log: self.0.log.clone(),
            lane_map: lane_map.clone(),
            progress: Arc::clone(&running.progress),
            assignment: Arc::clone(&self.0.assignment),
            subscribers: Arc::clone(&self.0.subscribers),
            stop: running.stop.clone(),
        }
    }

    /// Answers later requests from this version. Requests that run finish with the version they have.
    fn activate(&self, of: ProjectionVersion, progress: Arc<Progress>) {
        let Shared { config, log, feeds, stop, lane_map, assignment, .. } = &*self.0;
        let model = Arc::new(ReadModel {
            pool: database::query_pool(&config.database, of),
            projection: of,
            lane_map: Arc::clone(lane_map),
            progress,
            assignment: Arc::clone(assignment),
            route_state: OnceLock::new(),
            log: log.clone(),
            feeds: Arc::clone(feeds),
            settings: config.http,
            stop: stop.clone(),
        });
        self.0.active.send_modify(|active| {
            active.insert(of.projection(), model);
        });
    }
}
