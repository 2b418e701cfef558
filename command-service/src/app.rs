//! The service as a whole: builds its parts, runs them, stops them in order.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::ensure;
use backon::Retryable;
use service_edge::callers::Callers;
use service_edge::parts::Parts;
use service_edge::server::Server;
use service_edge::sign_in::SignIn;
use service_edge::{recorder, retry};
use shared_events::lane::LaneMap;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::LocalPoolHandle;

use crate::api_keys::ApiKeyTable;
use crate::config::{ServeConfig, count};
use crate::deadlines::sweep;
use crate::http::{self, AppState, CommandConfig, WriterState};
use crate::log::idempotency::purge::purge;
use crate::log::read::{LaneMapError, LogReader};
use crate::log::writer::{self, WriterConfig};
use crate::metrics;
use crate::payments::{self, Payments};
use crate::personal::PersonalVault;
use crate::redaction::Redactor;
use crate::relay::{self, RelayConfig, RelayStatus};
use crate::reversals::WindowReversals;
use crate::subjects;

/// How long a read waits for a connection to the database.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);

/// Connections for the relay's reads.
const RELAY_CONNECTIONS_MAX: u32 = 3;

/// Pauses between two attempts to reach the database at the start.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How long a stop waits for the writer and for the relay, beyond their own limits.
const STOP_SLACK: Duration = Duration::from_secs(5);

/// The service, built and not yet running.
#[derive(Debug)]
pub struct App {
    config: ServeConfig,
    writer: watch::Sender<WriterState>,
    state: AppState,
}

impl App {
    /// Builds the service inside a runtime. Connects to nothing yet.
    pub fn build(config: ServeConfig) -> Self {
        metrics::start();
        let (writer, writer_seen) = watch::channel(WriterState::Starting);
        let pool = bounded_pool(&config, config.http.read_connections_max, "reads");
        let commands = CommandConfig {
            require_key: config.http.require_idempotency_key,
            command_deadline: config.http.command_deadline_ms.0,
            answer_timeout: config.http.answer_timeout_ms.0,
        };
        let reversals = WindowReversals::new(config.write_database_url.clone());
        let redactor = Redactor::new(&config.write_database_url);
        let log = LogReader::new(pool.clone());
        let relay = RelayStatus::new(pool);
        let api_keys = ApiKeyTable::new(bounded_pool(&config, 1, "API keys"));
        let (sign_in, vault) = (SignIn::off(), None);
        let state = AppState {
            writer: writer_seen,
            log,
            relay,
            reversals,
            redactor,
            api_keys,
            sign_in,
            vault,
            asyncapi: http::contract::description(&config),
            config: commands,
        };
        Self { config, writer, state }
    }

    /// Runs until `shutdown` is cancelled, then stops in order, each step within a limit. Fails if the
    /// database does not belong to this version, or if a part of the service ends by itself.
    ///
    /// Waits for a database that is down: until it answers, health checks are answered and commands are
    /// refused with the information that nothing was recorded.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { config, writer: writer_state, mut state } = self;
        // 1. Answer HTTP, without accepting commands.
        let log = state.log.clone();
        let reversals = state.reversals.clone();
        let sign_in = SignIn::new(&config.sign_in, listener.local_addr()?)?;
        let callers = Callers::of(&listener, config.callers.clone(), &sign_in)?;
        let api_keys = state.api_keys.clone();
        let relay = state.relay.clone();
        state.sign_in = sign_in.clone();
        let vault = PersonalVault::of(&config.personal)?;
        state.vault = vault.clone();
        let router = http::router(state, &callers);
        let certificate = config.tls.certificate()?;
        let connections_max = config.http.connections_max;
        let mut server = Server::start(listener, router, connections_max, certificate.clone())?;
        // 2. Learn the lanes. Then accept commands and publish their events until the shutdown.
        let mut parts = Parts::default();
        parts.spawn("metrics", recorder::upkeep());
        if let Some(certificate) = certificate {
            parts.spawn("certificate", certificate.follow());
        }
        if let Some(keys) = sign_in.keys() {
            parts.spawn("API keys", api_keys.follow(keys.clone()));
        }
        let relay_stop = CancellationToken::new();
        let payments_stop = CancellationToken::new();
        let working = async {
            let lanes = learn_lanes(&log, config.lanes).await?;
            if let Some(vault) = &vault {
                learn_log(vault, &log).await?;
            }
            let stops = Stops { relay: &relay_stop, payments: &payments_stop };
            let writer = start_parts(&mut parts, &config, lanes, reversals, vault, relay, stops);
            writer_state.send_replace(WriterState::Running(writer));
            tracing::info!("accepting commands");
            Err(parts.ended().await)
        };
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = server.ended() => ended,
            ended = working => ended,
        };
        // 3. Stop in the order of a command's way.
        tracing::info!("stopping: what is in progress ends first");
        let drained = server.stop(config.http.drain_timeout_ms.0).await;
        writer_state.send_replace(WriterState::Stopped);
        // These hold the writer's queue open, which ends with its last sender. An interrupted delete did
        // not happen, and the next instance resumes unfinished reversals.
        for part in
            ["purge", "sweeper", "subjects", "reversals", "metrics", "certificate", "API keys"]
        {
            parts.abort(part);
        }
        payments_stop.cancel();
        for part in ["payment requests", "payment replies", "choreography"] {
            parts.finish(part, STOP_SLACK).await;
        }
        let writer = &config.writer;
        let writer_max = writer.batch_timeout_ms.0 + writer.commit_timeout_ms.0 + STOP_SLACK;
        parts.finish("writer", writer_max).await;
        relay_stop.cancel();
        parts.finish("relay", relay::FLUSH_MAX + STOP_SLACK).await;
        ended.and(drained)
    }
}

/// What ends the parts that stop in their own time.
struct Stops<'a> {
    relay: &'a CancellationToken,
    payments: &'a CancellationToken,
}

/// Starts the writer and everything that works with it.
fn start_parts(
    parts: &mut Parts,
    config: &ServeConfig,
    lanes: LaneMap,
    reversals: WindowReversals,
    vault: Option<PersonalVault>,
    relay: RelayStatus,
    stops: Stops<'_>,
) -> writer::Writer {
    let pool = bounded_pool(config, RELAY_CONNECTIONS_MAX, "relay");
    let (sender, relay) = relay::relay(relay_config(config, &lanes), pool, relay);
    let payments = Payments {
        brokers: config.brokers.clone(),
        config: config.payments.clone(),
        database: config.write_database_url.clone(),
        pool: bounded_pool(config, 1, "payments"),
        lanes: lanes.lanes(),
    };
    let (writer, task) = writer::start(writer_config(config), lanes, sender, vault.clone());
    parts.spawn("relay", relay.run(stops.relay.clone()));
    // On the shared threads, the writer would wait behind all tasks that woke before it: with hundreds of
    // connections that takes milliseconds.
    parts.add("writer", LocalPoolHandle::new(1).spawn_pinned(move || task.run()));
    let purge = purge(bounded_pool(config, 1, "purge"), config.outcome_retention_days);
    parts.spawn("purge", purge);
    let operator_after =
        Duration::from_secs(u64::from(config.payments.order_operator_after_seconds));
    let sweeper = sweep(bounded_pool(config, 1, "sweeper"), writer.clone(), operator_after);
    parts.spawn("sweeper", sweeper);
    if let Some(vault) = vault {
        parts.spawn("subjects", subjects::record(vault, writer.clone()));
    }
    parts.spawn("reversals", reversals.work(writer.clone()));
    let requests = payments::requests::publish(payments.clone(), stops.payments.clone());
    parts.spawn("payment requests", requests);
    let sources = [
        ("payment replies", Some(payments::replies::source(&config.payments))),
        ("choreography", payments::choreography::source(&config.payments)),
    ];
    for (name, source) in sources {
        if let Some(source) = source {
            let (payments, stop) = (payments.clone(), stops.payments.clone());
            parts.spawn(name, payments::inbox::consume(source, payments, writer.clone(), stop));
        }
    }
    writer
}

/// The lanes of the log, as soon as the database answers.
async fn learn_lanes(log: &LogReader, expected: Option<u16>) -> anyhow::Result<LaneMap> {
    let lanes = (|| log.lane_map())
        .retry(retry::pauses(RETRY_FIRST, RETRY_MAX))
        .when(|error| matches!(error, LaneMapError::Read(_)))
        .notify(|error, pause| {
            tracing::warn!(%error, "not accepting commands yet; trying again in {pause:?}");
        })
        .await?;
    let stored = lanes.lanes().len();
    ensure!(
        expected.is_none_or(|expected| usize::from(expected) == stored),
        "the log has {stored} lanes, but LANES is {}; the number cannot change",
        expected.unwrap_or_default(),
    );
    Ok(lanes)
}

/// Learns which log this is, as soon as both databases answer.
async fn learn_log(vault: &PersonalVault, log: &LogReader) -> anyhow::Result<()> {
    (async || vault.learn_log(&log.id().await?).await)
        .retry(retry::pauses(RETRY_FIRST, RETRY_MAX))
        .when(PersonalVault::may_succeed_later)
        .notify(|error: &anyhow::Error, pause| {
            tracing::warn!(%error, "not accepting commands yet; trying again in {pause:?}");
        })
        .await
}

fn relay_config(config: &ServeConfig, lanes: &LaneMap) -> RelayConfig {
    RelayConfig {
        brokers: config.brokers.clone(),
        topic: config.topic.clone(),
        database: config.write_database_url.clone(),
        lanes: lanes.lanes(),
    }
}

fn writer_config(config: &ServeConfig) -> WriterConfig {
    let bounds = &config.writer;
    WriterConfig {
        database: config.write_database_url.clone(),
        queue_commands_max: count(bounds.queue_commands_max),
        queue_bytes_max: count(bounds.queue_bytes_max),
        batch_commands_max: count(bounds.batch_commands_max),
        batch_bytes_max: count(bounds.batch_bytes_max),
        cache_bytes_max: count(bounds.cache_bytes_max),
        batch_timeout: bounds.batch_timeout_ms.0,
        commit_timeout: bounds.commit_timeout_ms.0,
    }
}

/// A pool that connects when it is first used, and whose statements the server limits. Its only
/// writes, deletions of old outcomes, need not survive a crash, so none waits for the disk.
fn bounded_pool(config: &ServeConfig, connections_max: u32, purpose: &str) -> PgPool {
    let timeout_ms = config.http.read_timeout_ms.0.as_millis().to_string();
    let options = config
        .write_database_url
        .options()
        .application_name(&format!("command-service {purpose}"))
        .options([
            ("statement_timeout", timeout_ms.as_str()),
            ("lock_timeout", timeout_ms.as_str()),
            ("synchronous_commit", "off"),
            // Short statements with high estimates; compiling them would take longer than running them.
            ("jit", "off"),
        ]);
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_lazy_with(options)
}
