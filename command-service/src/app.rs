//! The service as a whole: builds its parts, runs them, stops them in order.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use service_edge::server::Server;
use shared_events::lane::{Lane, LaneMap};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{ServeConfig, WriterBounds, milliseconds};
use crate::deadlines::sweep;
use crate::http::{self, AppState, CommandConfig, WriterState};
use crate::log::idempotency::purge::purge;
use crate::log::read::{LaneMapError, LogReader};
use crate::log::writer::{self, WriterConfig};
use crate::own_thread;
use crate::relay::{self, RelayConfig};
use crate::reversals::Reversals;

/// How long a read waits for a connection to the database.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);

/// Connections for the relay's reads.
const RELAY_CONNECTIONS_MAX: u32 = 3;

/// Between two attempts to reach the database at the start.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How long a stop waits for what queued to be written, beyond the writer's own bounds.
const WRITER_STOP_SLACK: Duration = Duration::from_secs(5);

/// How long a stop waits for the relay, beyond its own bound.
const RELAY_STOP_SLACK: Duration = Duration::from_secs(5);

/// The service, built and not yet running.
#[derive(Debug)]
pub struct App {
    config: ServeConfig,
    intake: watch::Sender<WriterState>,
    state: AppState,
}

impl App {
    /// Builds the service. Connects to nothing yet; to be called inside a runtime.
    pub fn build(config: ServeConfig) -> Self {
        http::upkeep_metrics();
        let (intake, intake_seen) = watch::channel(WriterState::Starting);
        let pool = reading_pool(&config, config.http.read_connections_max, "reads");
        let command_config = CommandConfig {
            require_key: config.http.require_idempotency_key,
            command_deadline: milliseconds(config.http.command_deadline_ms),
            answer_timeout: milliseconds(config.http.answer_timeout_ms),
        };
        let reversals = Reversals::new(config.write_database_url.clone());
        let state = AppState {
            writer: intake_seen,
            log: LogReader::new(pool),
            reversals,
            config: command_config,
        };
        Self { config, intake, state }
    }

    /// Runs until `shutdown` is cancelled, then stops in order, each step bounded.
    ///
    /// A database that is down is waited for: until it is there, health checks are answered and
    /// commands are told that nothing was recorded.
    ///
    /// # Errors
    /// The database is not this version's, or a part of the service ended by itself.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { config, intake, state } = self;
        // 1. Answer HTTP, with commands not let in yet.
        let log = state.log.clone();
        let reversals = state.reversals.clone();
        let router = http::router(state);
        let mut server = Server::start(listener, router, config.http.connections_max)?;
        let counting = tokio::spawn(keep_metrics());
        // 2. Learn the lanes; then let commands in, and publish what they do, until told to stop.
        let mut work = None;
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = server.ended() => ended,
            ended = work_on(&config, &log, reversals, &intake, &mut work) => ended,
        };
        // 3. Stop in the order of a command's way.
        tracing::info!("stopping");
        let drained = server.stop(milliseconds(config.http.drain_timeout_ms)).await;
        intake.send_replace(WriterState::Stopped);
        if let Some(work) = work {
            work.stop(&config).await;
        }
        counting.abort();
        ended.and(drained)
    }
}

/// Starts the parts behind the intake as soon as it can, and returns only when something is wrong.
async fn work_on(
    config: &ServeConfig,
    log: &LogReader,
    reversals: Reversals,
    intake: &watch::Sender<WriterState>,
    work: &mut Option<Work>,
) -> anyhow::Result<()> {
    let lanes = learn_lanes(log, config.lanes).await?;
    work.insert(Work::start(config, lanes, reversals, intake)?).ended().await
}

/// The parts behind the intake.
struct Work {
    writing: JoinHandle<()>,
    relaying: JoinHandle<()>,
    relay_stop: CancellationToken,
    purging: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    reversing: JoinHandle<()>,
}

impl Work {
    fn start(
        config: &ServeConfig,
        lanes: LaneMap,
        reversals: Reversals,
        intake: &watch::Sender<WriterState>,
    ) -> anyhow::Result<Self> {
        let pool = reading_pool(config, RELAY_CONNECTIONS_MAX, "relay");
        let (sender, relay) = relay::relay(relay_config(config, &lanes), pool);
        let (writer, task) = writer::start(writer_config(config), lanes, sender);
        let relay_stop = CancellationToken::new();
        let relaying = tokio::spawn(relay.run(relay_stop.clone()));
        let writing =
            own_thread::spawn("writer", task.run()).context("no thread for the writer")?;
        let purging = purge(reading_pool(config, 1, "purge"), config.outcome_retention_days);
        let purging = tokio::spawn(purging);
        let sweeping = sweep(reading_pool(config, 1, "sweeper"), writer.clone());
        let sweeping = tokio::spawn(sweeping);
        let reversing = tokio::spawn(reversals.work(writer.clone()));
        intake.send_replace(WriterState::Running(writer));
        tracing::info!("commands are let in");
        Ok(Self { writing, relaying, relay_stop, purging, sweeping, reversing })
    }

    /// Returns when a part ends by itself, which it should not.
    async fn ended(&mut self) -> anyhow::Result<()> {
        let (name, ended) = tokio::select! {
            ended = &mut self.writing => ("writer", ended),
            ended = &mut self.relaying => ("relay", ended),
            ended = &mut self.purging => ("purge", ended),
            ended = &mut self.sweeping => ("sweeper", ended),
            ended = &mut self.reversing => ("reversals", ended),
        };
        ended.with_context(|| format!("the {name} failed"))?;
        bail!("the {name} ended by itself");
    }

    /// To be called when the intake is closed, so that the writer comes to an end.
    async fn stop(self, config: &ServeConfig) {
        // A delete that is cut off is one that did not happen.
        self.purging.abort();
        // It holds a way into the queue, which the writer waits for the last of.
        self.sweeping.abort();
        // What a reversal has left, whoever comes next goes on with.
        self.reversing.abort();
        let writing_max = milliseconds(config.writer.batch_timeout_ms)
            + milliseconds(config.writer.commit_timeout_ms)
            + WRITER_STOP_SLACK;
        finish("writer", self.writing, writing_max).await;
        self.relay_stop.cancel();
        finish("relay", self.relaying, relay::FLUSH_MAX + RELAY_STOP_SLACK).await;
    }
}

async fn finish(name: &str, mut task: JoinHandle<()>, bound: Duration) {
    if task.is_finished() {
        return;
    }
    match timeout(bound, &mut task).await {
        Ok(Ok(())) => tracing::info!("the {name} is done"),
        Ok(Err(error)) => tracing::error!(%error, "the {name} failed"),
        Err(_) => {
            tracing::warn!("the {name} was not done after {bound:?} and is given up");
            task.abort();
        }
    }
}

/// The log's lanes, as soon as the database can be asked.
async fn learn_lanes(log: &LogReader, expected: Option<u16>) -> anyhow::Result<LaneMap> {
    let mut pause = RETRY_FIRST;
    let lanes = loop {
        match log.lane_map().await {
            Ok(lanes) => break lanes,
            Err(error @ LaneMapError::NotMigrated) => return Err(error.into()),
            Err(LaneMapError::Read(error)) => {
                tracing::warn!(%error, "commands are not let in yet; trying again in {pause:?}");
                sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    };
    let stored = all_lanes(&lanes).len();
    ensure!(
        expected.is_none_or(|expected| usize::from(expected) == stored),
        "the log has {stored} lanes, but LANES says {}; the number is fixed when the log is made",
        expected.unwrap_or_default(),
    );
    Ok(lanes)
}

/// Each lane once, ascending.
fn all_lanes(map: &LaneMap) -> Vec<Lane> {
    let mut lanes = map.slots().to_vec();
    lanes.sort_unstable();
    lanes.dedup();
    lanes
}

fn relay_config(config: &ServeConfig, lanes: &LaneMap) -> RelayConfig {
    RelayConfig {
        brokers: config.kafka_brokers.clone(),
        topic: config.topic.clone(),
        database_url: config.write_database_url.as_str().to_owned(),
        lanes: all_lanes(lanes),
    }
}

fn writer_config(config: &ServeConfig) -> WriterConfig {
    let WriterBounds {
        queue_commands_max,
        queue_bytes_max,
        batch_commands_max,
        batch_bytes_max,
        cache_bytes_max,
        batch_timeout_ms,
        commit_timeout_ms,
    } = config.writer;
    let count = |number: u32| usize::try_from(number).expect("32 bits fit a usize");
    WriterConfig {
        database: config.write_database_url.clone(),
        queue_commands_max: count(queue_commands_max),
        queue_bytes_max: count(queue_bytes_max),
        batch_commands_max: count(batch_commands_max),
        batch_bytes_max: count(batch_bytes_max),
        cache_bytes_max: count(cache_bytes_max),
        batch_timeout: milliseconds(batch_timeout_ms),
        commit_timeout: milliseconds(commit_timeout_ms),
    }
}

/// Connections that are made when first used, and whose statements the server bounds. What they
/// write, a passing lock or a mark, need not outlast a crash, so nobody waits for the disk.
fn reading_pool(config: &ServeConfig, connections_max: u32, what: &str) -> PgPool {
    let timeout_ms = config.http.read_timeout_ms.to_string();
    let options = config
        .write_database_url
        .options()
        .application_name(&format!("command-service {what}"))
        .options([
            ("statement_timeout", timeout_ms.as_str()),
            ("lock_timeout", timeout_ms.as_str()),
            ("synchronous_commit", "off"),
            // Short statements with high estimates; compiling them would take longer than they do.
            ("jit", "off"),
        ]);
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_lazy_with(options)
}

/// Lets the metrics forget what nobody will ask for again.
async fn keep_metrics() {
    let mut ticks = interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        http::upkeep_metrics();
    }
}
