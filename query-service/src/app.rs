//! The service as a whole: builds its parts, runs them, stops them in order.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use service_edge::server::Server;
use shared_events::lane::LaneMap;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::alerts::AlertPublisher;
use crate::backoff::Backoff;
use crate::config::ServeConfig;
use crate::integrity;
use crate::metrics;
use crate::migrate::{LaneMapError, load_lane_map, number_of_lanes};
use crate::pipeline::log_client::LogClient;
use crate::pipeline::versions::{Listed, list_versions};
use crate::projection::Projection;
use crate::projection_set::ProjectionSet;
use crate::projections;
use crate::projections::stock::integrity_subject;
use crate::router;

/// The longest pause between two attempts to reach the database at the start.
const START_PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often the metrics recorder tidies up.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The service, built and not yet running.
pub struct App {
    config: ServeConfig,
    projections: ProjectionSet,
}

impl App {
    /// Builds the service. Connects to nothing yet; to be called inside a runtime.
    ///
    /// # Errors
    /// The HTTP client for the log cannot be set up.
    pub fn build(config: ServeConfig) -> anyhow::Result<Self> {
        let log = LogClient::new(&config.log).context("the HTTP client for the log")?;
        let projections =
            ProjectionSet::new(projections::all(), config.clone(), log, metrics::recorder());
        Ok(Self { config, projections })
    }

    /// Runs until `shutdown` is cancelled, then stops in order, within the time that a stop may take.
    ///
    /// A database that is down is waited for: until it is there, health checks are answered and
    /// queries are told that the projection is unavailable.
    ///
    /// # Errors
    /// The database is not this version's, or a part of the service ended by itself.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { config, projections } = self;
        let stop = projections.stop().clone();
        // 1. Answer HTTP.
        let mut server = Server::start(
            listener,
            router::router(projections.clone(), config.http),
            config.http.connections_max,
        )?;
        // 2. Learn the lanes and versions; then let events in.
        let mut background = JoinSet::new();
        let working = async {
            let pool = projections.pool();
            let (lane_map, versions) = learn(&pool, &stop).await?;
            let alerts = AlertPublisher {
                database: config.database.clone(),
                kafka: config.kafka.clone(),
                lanes: number_of_lanes(&lane_map),
                stop: stop.clone(),
            };
            background.spawn(alerts.run());
            background.spawn(projections.clone().run(lane_map, versions));
            background.spawn(keep_metrics(projections.clone()));
            let per_second = config.integrity.integrity_events_per_second;
            if per_second > 0 {
                let (checker, set) = (projections.checker().clone(), projections.clone());
                let subject = move || integrity_subject(&set);
                let stop = stop.clone();
                background.spawn(integrity::background::check(checker, subject, per_second, stop));
            }
            // None of the parts ends by itself, unless it fails.
            match background.join_next().await {
                Some(ended) => ended.context("a part of the service failed")?,
                None => bail!("the service has no parts"),
            }
            bail!("a part of the service ended by itself")
        };
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = server.ended() => ended,
            ended = working => ended,
        };
        // 3. Stop: nobody waits any longer, no new requests, no new batches; what is in work ends.
        tracing::info!("stopping");
        stop.cancel();
        let drain_max = config.http.drain_timeout_ms.0;
        let deadline = Instant::now() + drain_max;
        let drained = server.stop(drain_max).await;
        let finishing = async { while background.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, finishing).await.is_err() {
            tracing::warn!("the projections were not done after {drain_max:?} and are given up");
        }
        ended.and(drained)
    }
}

/// The log's lanes and the versions of the projections, as soon as the database can be asked.
async fn learn(pool: &PgPool, stop: &CancellationToken) -> anyhow::Result<(LaneMap, Vec<Listed>)> {
    let mut backoff = Backoff::up_to(START_PAUSE_MAX);
    loop {
        let error = match ask(pool).await {
            Ok((lane_map, versions)) => {
                let answers = |one: &Projection| {
                    versions.iter().any(|listed| listed.is_active && listed.of.projection() == *one)
                };
                let missing = projections::all().into_iter().find(|one| !answers(one));
                ensure!(
                    missing.is_none(),
                    "the read database has no version of {} that answers: run `query-service \
                     migrate` first",
                    missing.map_or("", |projection| projection.name()),
                );
                return Ok((lane_map, versions));
            }
            Err(LaneMapError::Database(error)) => error,
            Err(error) => return Err(error.into()),
        };
        tracing::warn!(%error, "the read database cannot be asked yet, trying again");
        if backoff.pause(stop).await.is_err() {
            bail!("stopped before the read database could be asked");
        }
    }
}

async fn ask(pool: &PgPool) -> Result<(LaneMap, Vec<Listed>), LaneMapError> {
    let mut connection = pool.acquire().await?;
    let lane_map = load_lane_map(&mut connection).await?;
    let versions =
        list_versions(&mut *connection, &projections::all()).await.map_err(LaneMapError::of)?;
    Ok((lane_map, versions))
}

async fn keep_metrics(projections: ProjectionSet) {
    let keep = async {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            ticks.tick().await;
            projections.recorder().run_upkeep();
        }
    };
    projections.stop().run_until_cancelled(keep).await;
}
