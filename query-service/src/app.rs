//! The service as a whole: builds its parts, runs them, stops them in order.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, ensure};
use backon::Retryable;
use service_edge::callers::Callers;
use service_edge::parts::Parts;
use service_edge::server::Server;
use service_edge::sign_in::SignIn;
use service_edge::{recorder, retry};
use shared_events::lane::LaneMap;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::alerts::AlertPublisher;
use crate::api_keys;
use crate::config::ServeConfig;
use crate::endpoints;
use crate::integrity;
use crate::metrics;
use crate::migrate::{LaneMapError, load_lane_map, number_of_lanes};
use crate::pipeline::log_client::LogClient;
use crate::pipeline::versions::{Listed, list_versions};
use crate::projection::Projection;
use crate::projection_set::ProjectionSet;
use crate::projections;
use crate::router;

/// Pauses between two attempts to reach the database at the start.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The service, built and not yet running.
pub struct App {
    config: ServeConfig,
    projections: ProjectionSet,
    log: LogClient,
}

impl App {
    /// Builds the service inside a runtime. Connects to nothing yet.
    pub fn build(config: ServeConfig) -> anyhow::Result<Self> {
        metrics::start();
        let log = LogClient::new(&config.log).context("the HTTP client for the log")?;
        let projections = ProjectionSet::new(projections::all(), config.clone(), log.clone());
        Ok(Self { config, projections, log })
    }

    /// Runs until `shutdown` is cancelled, then stops in order within the time for a stop. Fails if the
    /// database does not belong to this version, or if a part of the service ends by itself.
    ///
    /// Waits for a database that is down: until it answers, health checks are answered and queries are
    /// refused because the projection is unavailable.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { config, projections, log } = self;
        let stop = projections.stop().clone();
        // 1. Answer HTTP.
        let sign_in = SignIn::new(&config.sign_in, listener.local_addr()?)?;
        let callers = Callers::of(&listener, config.callers, &sign_in)?;
        let (round_ended, rounds) = watch::channel(None);
        let overviews = endpoints::overview::Overviews::new(rounds);
        let router =
            router::router(projections.clone(), overviews, config.http, &callers, &sign_in);
        let certificate = config.tls.certificate()?;
        let connections_max = config.http.connections_max;
        let mut server = Server::start(listener, router, connections_max, certificate.clone())?;
        // 2. Learn the lanes and versions. Then apply events until the shutdown.
        let mut parts = Parts::default();
        parts.spawn("metrics", recorder::upkeep());
        if let Some(certificate) = certificate {
            parts.spawn("certificate", certificate.follow());
        }
        if let Some(keys) = sign_in.keys() {
            parts.spawn("API keys", api_keys::follow(log, keys.clone()));
        }
        let working = async {
            let pool = projections.pool();
            let (lane_map, versions) = learn(&pool).await?;
            let alerts = AlertPublisher {
                database: config.database.clone(),
                kafka: config.kafka.clone(),
                lanes: number_of_lanes(&lane_map),
                stop: stop.clone(),
            };
            parts.spawn("alerts", alerts.run());
            parts.spawn("projections", projections.clone().run(lane_map, versions));
            let per_second = config.integrity.integrity_events_per_second;
            if per_second > 0 {
                let checker = endpoints::integrity::checker(&projections);
                let set = projections.clone();
                let subject = move || endpoints::integrity::subject(&set);
                parts.spawn(
                    "integrity check",
                    integrity::background::check(
                        checker,
                        subject,
                        per_second,
                        round_ended,
                        stop.clone(),
                    ),
                );
            }
            Err(parts.ended().await)
        };
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = server.ended() => ended,
            ended = working => ended,
        };
        // 3. Stop: no request waits any longer, no new requests, no new batches; those in progress end.
        tracing::info!("stopping: what is in progress ends first");
        stop.cancel();
        let deadline = Instant::now() + config.http.drain_timeout_ms.0;
        let drained = server.stop(config.http.drain_timeout_ms.0).await;
        for part in ["metrics", "certificate", "API keys"] {
            parts.abort(part);
        }
        for part in ["projections", "alerts", "integrity check"] {
            parts.finish(part, deadline.saturating_duration_since(Instant::now())).await;
        }
        ended.and(drained)
    }
}

/// The lanes of the log and the versions of the projections, as soon as the database answers.
async fn learn(pool: &PgPool) -> anyhow::Result<(LaneMap, Vec<Listed>)> {
    let (lane_map, versions) = (|| read(pool))
        .retry(retry::pauses(RETRY_FIRST, RETRY_MAX))
        .when(|error| matches!(error, LaneMapError::Database(_)))
        .notify(|error, pause| {
            tracing::warn!(%error, "the read database does not answer yet; trying again in {pause:?}");
        })
        .await?;
    let is_active = |projection: &Projection| {
        versions.iter().any(|listed| listed.is_active && listed.of.projection() == *projection)
    };
    let missing = projections::all().into_iter().find(|projection| !is_active(projection));
    ensure!(
        missing.is_none(),
        "the read database has no active version of {}: run `query-service migrate` first",
        missing.map_or("", |projection| projection.name()),
    );
    Ok((lane_map, versions))
}

async fn read(pool: &PgPool) -> Result<(LaneMap, Vec<Listed>), LaneMapError> {
    let mut connection = pool.acquire().await?;
    let lane_map = load_lane_map(&mut connection).await?;
    let versions =
        list_versions(&mut *connection, &projections::all()).await.map_err(LaneMapError::of)?;
    Ok((lane_map, versions))
}
