//! The service as a whole: builds its parts, runs them, stops them in order.

use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use shared_events::lane::{LaneMap, Position};
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::config::{self, ServeConfig};
use crate::consumer;
use crate::consumer::assign::Assignment;
use crate::consumer::gap::{self, Fetcher, LogClient};
use crate::consumer::receive::Bounds;
use crate::http::server::Server;
use crate::http::{self, Parts, Service};
use crate::migrate::{LaneMapError, load_lane_map};
use crate::projection::Projection;
use crate::projection::follow::{Feedback, Follower, Tools};
use crate::projection::progress::Progress;
use crate::{database, metrics};

/// The projection that this binary keeps and answers from.
const PROJECTION: Projection = Projection::StockV1;

/// Hand-overs that may wait for the projection.
const INBOX_DELIVERIES: usize = 2;

/// The longest pause between two attempts to reach the database at the start.
const START_PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often the metrics recorder tidies up.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The service, built and not yet running.
pub struct App {
    config: ServeConfig,
    service: Service,
    log: LogClient,
}

impl App {
    /// Builds the service. Connects to nothing yet; to be called inside a runtime.
    ///
    /// # Errors
    /// The HTTP client for the log cannot be set up.
    pub fn build(config: ServeConfig) -> anyhow::Result<Self> {
        let log = LogClient::new(&config.log).context("the HTTP client for the log")?;
        let service = Arc::new(Parts {
            pool: database::query_pool(&config.database, PROJECTION),
            projection: PROJECTION,
            lane_map: OnceLock::new(),
            progress: Arc::new(Progress::default()),
            assignment: Arc::new(Assignment::default()),
            settings: config.http,
            recorder: metrics::recorder(),
            stop: CancellationToken::new(),
        });
        Ok(Self { config, service, log })
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
        let Self { config, service, log } = self;
        warn_beyond_loopback(&listener)?;
        let stop = service.stop.clone();
        // 1. Answer HTTP.
        let mut server = Server::start(
            listener,
            http::router(Arc::clone(&service)),
            config::count(config.http.connections_max),
        )?;
        // 2. Learn the lanes; then let events in.
        let mut background = JoinSet::new();
        let working = async {
            let lane_map = learn_lanes(&service.pool, &stop).await?;
            start(&mut background, &config, &service, log, lane_map);
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
            tracing::warn!("the projection was not done after {drain_max:?} and is given up");
        }
        ended.and(drained)
    }
}

/// Starts everything that runs beside the answering.
fn start(
    background: &mut JoinSet<()>,
    config: &ServeConfig,
    service: &Service,
    log: LogClient,
    lane_map: LaneMap,
) {
    let lanes = lane_map.slots().iter().copied();
    service.progress.raise(lanes.map(|lane| (lane, Position(0))));
    let lane_map = service.lane_map.get_or_init(|| lane_map).clone();
    let feedback = Arc::new(Feedback::default());
    let (sender, inbox) = mpsc::channel(INBOX_DELIVERIES);
    let fetcher = Fetcher {
        client: log,
        permits: Arc::new(Semaphore::new(config::count(config.log.log_requests_max))),
        pause_max: config.projection.retry_pause_max_ms.0,
        inbox: sender.clone(),
        stop: service.stop.clone(),
    };
    let follower = Follower::new(Tools {
        projection: PROJECTION,
        pool: database::projection_pool(&config.database, PROJECTION, &config.projection),
        lane_map,
        settings: config.projection,
        fetcher: fetcher.clone(),
        progress: Arc::clone(&service.progress),
        feedback: Arc::clone(&feedback),
        stop: service.stop.clone(),
    });
    let consumer = consumer::Tools {
        projection: PROJECTION,
        settings: config.kafka.clone(),
        bounds: Bounds {
            records_max: config::count(config.projection.batch_events_max),
            bytes_max: config::count(config.projection.batch_bytes_max),
        },
        inbox: sender,
        feedback,
        assignment: Arc::clone(&service.assignment),
        stop: service.stop.clone(),
    };
    background.spawn(follower.run(inbox));
    background.spawn(consumer::run(consumer));
    background.spawn(gap::watch_heads(fetcher, config.log.heads_interval_ms.0));
    background.spawn(poll_positions(Arc::clone(service), config.database.position_poll_ms.0));
    background.spawn(keep_metrics(Arc::clone(service)));
}

/// The log's lanes, as soon as the database can be asked.
async fn learn_lanes(pool: &PgPool, stop: &CancellationToken) -> anyhow::Result<LaneMap> {
    let mut backoff = Backoff::up_to(START_PAUSE_MAX);
    loop {
        let error = match ask_for_lanes(pool).await {
            Ok((lane_map, active)) => {
                ensure!(
                    active == Some(PROJECTION.version()),
                    "this binary answers from version {} of {}, the read database from {active:?}",
                    PROJECTION.version(),
                    PROJECTION.name(),
                );
                return Ok(lane_map);
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

async fn ask_for_lanes(pool: &PgPool) -> Result<(LaneMap, Option<i16>), LaneMapError> {
    let mut connection = pool.acquire().await?;
    let lane_map = load_lane_map(&mut connection).await?;
    let active = sqlx::query_scalar(include_str!("../queries/load_active_version.sql"))
        .bind(PROJECTION.name())
        .fetch_optional(&mut *connection)
        .await?;
    Ok((lane_map, active))
}

/// There is no sign-in, so whoever reaches the socket may ask.
fn warn_beyond_loopback(listener: &TcpListener) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "listening beyond loopback, without sign-in");
    }
    Ok(())
}

async fn poll_positions(service: Service, interval: Duration) {
    let Parts { pool, projection, progress, stop, .. } = &*service;
    progress.poll(pool, *projection, interval, stop).await;
}

async fn keep_metrics(service: Service) {
    let keep = async {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            ticks.tick().await;
            service.recorder.run_upkeep();
        }
    };
    service.stop.run_until_cancelled(keep).await;
}
