//! Copies the log to Redis Streams: the stream `inventory:{lane}` has the events of a lane, each under the id
//! `{position}-0`.
//!
//! Redis takes an id only behind the last one, so it refuses by itself what comes twice or late, and the last
//! id is all that has to be known to go on. Before each group of events the stream is asked for it: a Redis
//! that lost its data is filled from where it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, RedisResult, cmd};
use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use service_edge::config::at_least_one;
use service_edge::process;
use service_edge::retry::Backoff;
use shared_events::chain::Chain;
use shared_events::event::RedactedEvent;
use shared_events::lane::{Lane, Position};
use shared_events::record::Record;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::{LogConfig, Secret, count};
use crate::lane_reader::{LaneReader, PatientLog};
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::fact::Fact;
use crate::pipeline::log_client::LogClient;

/// Events that are sent together.
const GROUP_EVENTS: usize = 256;

/// How long Redis may take to accept a connection, and for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The longest pause between two tries.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How Redis says that an id is not behind the last one.
const NOT_BEHIND: &str = "equal or smaller than the target stream top item";

/// Settings of `sink redis`.
#[derive(Debug, Clone, Args)]
pub struct RedisConfig {
    /// The Redis to write to, such as redis://:password@localhost:6379/0.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub url: Secret,

    /// The name of the streams, to which a colon and the lane are added.
    #[arg(long, env = "REDIS_STREAM", default_value = "inventory", value_parser = NonEmptyStringValueParser::new())]
    pub stream: String,

    /// About how many events a stream keeps; older ones are dropped. By default it keeps all.
    #[arg(long, env = "REDIS_EVENTS_MAX", value_parser = at_least_one())]
    pub events_max: Option<u32>,

    /// End with what is recorded by now, instead of following the log.
    #[arg(long)]
    pub once: bool,

    #[command(flatten)]
    pub log: LogConfig,
}

pub(super) async fn copy(config: RedisConfig) -> anyhow::Result<()> {
    let stop = process::shutdown_on_signal()?;
    let sink = Sink::new(config)?;
    let ended = stop.run_until_cancelled(sink.run()).await.unwrap_or(Ok(()));
    let Counts { copied, refused } = &*sink.counts;
    let (copied, refused) = (copied.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    tracing::info!("{copied} events copied, {refused} refused by Redis as duplicates");
    ended
}

#[derive(Clone)]
struct Sink {
    client: Client,
    config: Arc<RedisConfig>,
    log: PatientLog,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    copied: AtomicU64,
    /// Somebody else had copied them in the meantime.
    refused: AtomicU64,
}

/// Why a lane is not copied any further for now.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It is tried again.
    #[error("Redis cannot be used: {0}")]
    Redis(#[from] RedisError),
    /// It needs an operator.
    #[error(transparent)]
    Stop(#[from] anyhow::Error),
}

impl Sink {
    fn new(config: RedisConfig) -> anyhow::Result<Self> {
        let client = Client::open(config.url.reveal()).context("--url cannot be used")?;
        let log = PatientLog::new(LogClient::new(&config.log)?, None);
        Ok(Self { client, config: Arc::new(config), log, counts: Arc::default() })
    }

    async fn run(&self) -> anyhow::Result<()> {
        let mut backoff = Backoff::up_to(RETRY_PAUSE_MAX);
        loop {
            match self.copy_all().await {
                Ok(()) if self.config.once => return Ok(()),
                Ok(()) => {
                    backoff.reset();
                    sleep(self.config.log.heads_interval_ms.0).await;
                }
                Err(Failure::Stop(error)) => return Err(error),
                Err(failure @ Failure::Redis(_)) => {
                    tracing::warn!(%failure, "trying again");
                    backoff.wait().await;
                }
            }
        }
    }

    /// Copies every lane up to where it is now.
    async fn copy_all(&self) -> Result<(), Failure> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_MAX))
            .set_response_timeout(Some(ANSWER_MAX));
        let connection = self.client.get_multiplexed_async_connection_with_config(&settings);
        let connection = connection.await?;
        let heads = self.log.heads().await?;
        let permits = Arc::new(Semaphore::new(count(self.config.log.log_requests_max)));
        let mut lanes = JoinSet::new();
        for (lane, head) in heads.lanes {
            let lane = StreamOfLane { sink: self.clone(), connection: connection.clone(), lane };
            let permits = Arc::clone(&permits);
            lanes.spawn(async move {
                let _permit = permits.acquire().await.expect("the permits are never closed");
                lane.copy_up_to(head.position).await
            });
        }
        while let Some(copied) = lanes.join_next().await {
            copied.context("a lane could not be copied")??;
        }
        Ok(())
    }
}

struct StreamOfLane {
    sink: Sink,
    connection: MultiplexedConnection,
    lane: Lane,
}

impl StreamOfLane {
    fn name(&self) -> String {
        format!("{}:{}", self.sink.config.stream, self.lane)
    }

    async fn copy_up_to(mut self, head: Position) -> Result<(), Failure> {
        let mut at = self.last().await?;
        let (name, lane) = (self.name(), self.lane);
        if at.position > head {
            let ahead = at.position;
            return Err(Failure::Stop(anyhow::anyhow!(
                "{name} has {ahead}, but lane {lane} of the log ends at {head}: the log was restored. Copy it to \
                 streams with another name (--stream)"
            )));
        }
        while at.position < head {
            let mut reader = LaneReader::after(at, lane, &self.sink.log);
            let events = reader.next(head).await?;
            let facts: Vec<&Fact> = events.facts().collect();
            for group in facts.chunks(GROUP_EVENTS) {
                if self.last().await? != at {
                    break;
                }
                self.delete_redacted(group).await?;
                self.add(group).await?;
                at = group.last().map_or(at, |fact| Checkpoint::after(&fact.recorded));
            }
            // Whatever happened meanwhile, the stream says where to go on.
            at = self.last().await?;
        }
        Ok(())
    }

    /// The last event of the stream.
    async fn last(&mut self) -> Result<Checkpoint, Failure> {
        let name = self.name();
        let asked = cmd("XREVRANGE").arg(&name).arg("+").arg("-").arg("COUNT").arg(1).to_owned();
        let entries: Vec<Entry> = asked.query_async(&mut self.connection).await?;
        let Some((id, fields)) = entries.first() else { return Ok(Checkpoint::default()) };
        let last = checkpoint(id, fields);
        Ok(last.with_context(|| format!("{name} is not of this sink: its last entry is {id}"))?)
    }

    /// Adds events, all of them or none, except for those that are there.
    async fn add(&mut self, group: &[&Fact]) -> Result<(), Failure> {
        let mut adds = Pipeline::with_capacity(group.len());
        adds.atomic().ignore_errors();
        for fact in group {
            self.push(&mut adds, fact);
        }
        let results: Vec<RedisResult<String>> = adds.query_async(&mut self.connection).await?;
        let counts = Arc::clone(&self.sink.counts);
        for (fact, result) in group.iter().zip(results) {
            match result {
                Ok(_) => counts.copied.fetch_add(1, Ordering::Relaxed),
                Err(error) if error.to_string().contains(NOT_BEHIND) => {
                    self.expect_same(fact).await?;
                    counts.refused.fetch_add(1, Ordering::Relaxed)
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(())
    }

    /// Deletes the entries whose bytes were removed, before the event that says so is added: a sink that is killed
    /// here comes back to it. Redis takes nothing under an earlier id, so they stay out.
    async fn delete_redacted(&mut self, group: &[&Fact]) -> Result<(), Failure> {
        let name = self.name();
        for redacted in group.iter().flat_map(|fact| fact.redactions()) {
            let id = id(redacted.id.1);
            let asked = cmd("XRANGE").arg(&name).arg(&id).arg(&id).to_owned();
            let entries: Vec<Entry> = asked.query_async(&mut self.connection).await?;
            if entries.iter().any(|(_, fields)| has_more_than(fields, redacted)) {
                let delete = cmd("XDEL").arg(&name).arg(&id).to_owned();
                let _deleted: u64 = delete.query_async(&mut self.connection).await?;
            }
        }
        Ok(())
    }

    fn push(&self, adds: &mut Pipeline, fact: &Fact) {
        let Record { key, value, headers, .. } = Record::of(&fact.recorded);
        let add = adds.cmd("XADD").arg(self.name());
        if let Some(max) = self.sink.config.events_max {
            add.arg("MAXLEN").arg("~").arg(max);
        }
        add.arg(id(fact.recorded.position)).arg("key").arg(key).arg("value").arg(value);
        for (header, value) in headers {
            add.arg(header).arg(value);
        }
    }

    /// What is there under the id of an event has to be that event, unless it is dropped already.
    async fn expect_same(&mut self, fact: &Fact) -> Result<(), Failure> {
        let (name, id) = (self.name(), id(fact.recorded.position));
        let asked = cmd("XRANGE").arg(&name).arg(&id).arg(&id).to_owned();
        let entries: Vec<Entry> = asked.query_async(&mut self.connection).await?;
        for (id, fields) in entries {
            let is_same = checkpoint(&id, &fields)? == Checkpoint::after(&fact.recorded);
            if !is_same {
                let error = anyhow::anyhow!("{name} has another event at {id} than the log");
                return Err(Failure::Stop(error));
            }
        }
        Ok(())
    }
}

/// The id of an entry, and its names and values in turn.
type Entry = (String, Vec<Vec<u8>>);

fn id(position: Position) -> String {
    format!("{position}-0")
}

/// Whether an entry is from before a redaction of its event.
fn has_more_than(fields: &[Vec<u8>], redacted: &RedactedEvent) -> bool {
    let header = fields.chunks_exact(2).find(|field| field[0] == b"redacted");
    let removed = header.map(|field| String::from_utf8_lossy(&field[1])).unwrap_or_default();
    let is_removed = |member: &str| removed.split(',').any(|one| one == member);
    !redacted.members.iter().all(|member| is_removed(member.as_str()))
}

/// The event that an entry is.
fn checkpoint(entry_id: &str, fields: &[Vec<u8>]) -> anyhow::Result<Checkpoint> {
    let position = entry_id.strip_suffix("-0").context("its id is not a position")?;
    let position = Position(position.parse().context("its id is not a position")?);
    let chain = fields.chunks_exact(2).find(|field| field[0] == b"chain");
    let Some([_, chain]) = chain else { bail!("it has no chain") };
    let chain: Chain = str::from_utf8(chain)?.parse()?;
    ensure!(id(position) == entry_id, "its id is not a position");
    Ok(Checkpoint { position, chain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(chain: &str) -> Vec<Vec<u8>> {
        ["key", "stock/A/MAIN", "chain", chain].map(|text| text.as_bytes().to_vec()).into()
    }

    #[test]
    fn an_entry_says_which_event_it_is() {
        let chain = "ab".repeat(32);
        let read = checkpoint("1042-0", &fields(&chain)).expect("an entry of the sink");
        assert_eq!((read.position, read.chain.to_string()), (Position(1042), chain));
        assert_eq!(id(read.position), "1042-0");
    }

    #[test]
    fn entries_of_others_are_none() {
        let chain = "ab".repeat(32);
        for bad in ["1042-1", "1042", "01042-0", "x-0", "1700000000000-7"] {
            assert!(checkpoint(bad, &fields(&chain)).is_err(), "{bad}");
        }
        assert!(checkpoint("1042-0", &fields("ab")).is_err());
        assert!(checkpoint("1042-0", &fields(&chain)[..2]).is_err());
    }
}
