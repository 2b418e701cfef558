//! `export`: writes the log in order as Parquet files, and checks such files.
//!
//! A file holds the events of one lane from one position to another, and its name says which. So the names
//! are all that an export has to know: what they leave out is written, and nothing else. A file appears under
//! its name when it is complete, so an export that was killed is started again and goes on.

mod name;
mod columns;
mod file;
mod place;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use service_edge::config::at_least_one;
use service_edge::process;
use shared_events::lane::{Lane, Position};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::file::{Complete, Description, EventFile};
use self::name::Span;
use self::place::Place;
use crate::config::{LogConfig, Milliseconds, count};
use crate::lane_reader::{LaneReader, PatientLog};
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::log_client::LogClient;

/// How long the log may be unavailable before an export that does not follow it gives up.
const UNAVAILABLE_MAX: Duration = Duration::from_secs(60);

/// Settings of `export`.
#[derive(Debug, Clone, Args)]
pub struct ExportConfig {
    /// The folder to write to, which is created if it is missing; or s3://BUCKET/PREFIX, with the variables
    /// that S3 has everywhere: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT.
    #[arg(long, value_name = "PLACE", required_unless_present = "verify")]
    pub to: Option<String>,

    /// Go on with what is recorded from now on, until the process is stopped.
    #[arg(long, conflicts_with = "verify")]
    pub follow: bool,

    /// Write nothing; check the files of this place: that none is missing, and that the chain goes through
    /// all of them.
    #[arg(long, value_name = "PLACE", conflicts_with = "to")]
    pub verify: Option<String>,

    /// Events in one file.
    #[arg(long, env = "EXPORT_FILE_EVENTS", default_value_t = 50_000, value_parser = at_least_one())]
    pub file_events: u32,

    /// MiB of one file, after which it ends before it has all of its events. It is made in memory.
    #[arg(long, env = "EXPORT_FILE_MIB", default_value_t = 64, value_parser = at_least_one())]
    pub file_mib: u32,

    /// With --follow: how long an event may wait for its file to fill, in milliseconds.
    #[arg(long, env = "EXPORT_FILE_AGE_MS", default_value = "60000")]
    pub file_age_ms: Milliseconds,

    #[command(flatten)]
    pub log: LogConfig,
}

/// Writes files, or checks them.
pub async fn export(config: ExportConfig) -> anyhow::Result<()> {
    if let Some(place) = &config.verify {
        return verify::verify(&Place::open(place)?).await;
    }
    let to = config.to.as_deref().context("--to names where to")?;
    let stop = process::shutdown_on_signal()?;
    let exporter = Exporter::new(to, &config)?;
    // What is being written when it stops is written again by the next export.
    stop.run_until_cancelled(exporter.run()).await.unwrap_or(Ok(()))
}

#[derive(Clone)]
struct Exporter(Arc<Parts>);

struct Parts {
    place: Place,
    log: PatientLog,
    lanes_at_once: usize,
    follow: bool,
    file_events: i64,
    file_bytes_max: usize,
    file_age: Duration,
    heads_interval: Duration,
}

/// How far the files of a lane are.
struct LaneEnd {
    at: Checkpoint,
    /// Since when the log is ahead.
    behind_since: Option<Instant>,
}

impl Exporter {
    fn new(to: &str, config: &ExportConfig) -> anyhow::Result<Self> {
        let unavailable_max = (!config.follow).then_some(UNAVAILABLE_MAX);
        Ok(Self(Arc::new(Parts {
            place: Place::lock(to)?,
            log: PatientLog::new(LogClient::new(&config.log)?, unavailable_max),
            lanes_at_once: count(config.log.log_requests_max),
            follow: config.follow,
            file_events: config.file_events.into(),
            file_bytes_max: count(config.file_mib) << 20,
            file_age: config.file_age_ms.0,
            heads_interval: config.log.heads_interval_ms.0,
        })))
    }

    async fn run(&self) -> anyhow::Result<()> {
        let parts = &self.0;
        let started = Instant::now();
        let heads = parts.log.heads().await?;
        let mut ends = BTreeMap::new();
        for (lane, head) in &heads.lanes {
            let at = self.fill_holes(*lane).await?;
            ensure!(
                at.position <= head.position,
                "lane {lane} has files up to {}, but its log ends at {}: the log was restored. Export it to \
                 another place",
                at.position,
                head.position
            );
            ends.insert(*lane, LaneEnd { at, behind_since: None });
        }
        let before = events(&ends);
        let mut heads = heads.lanes;
        loop {
            self.export_due(&heads, &mut ends).await?;
            if !parts.follow {
                break;
            }
            sleep(parts.heads_interval).await;
            heads = parts.log.heads().await?.lanes;
        }
        let (took, exported) = (started.elapsed(), events(&ends) - before);
        tracing::info!("{exported} events exported in {took:.1?}");
        Ok(())
    }

    /// Writes what is missing between the files of a lane, and returns where they end.
    async fn fill_holes(&self, lane: Lane) -> anyhow::Result<Checkpoint> {
        let place = &self.0.place;
        let spans = place.spans(lane).await?;
        let end = async |position: Position| match spans.ending_at(position) {
            Some(span) => place.describe(lane, span).await.map(Description::end),
            None => Ok(Checkpoint::default()),
        };
        for Span { first, last } in spans.holes() {
            let before = end(Position(first.0 - 1)).await?;
            let filled = self.export_up_to(lane, before, last).await?;
            let next =
                spans.beginning_at(last.next()).context("a hole ends where a file begins")?;
            let follows = place.describe(lane, next).await?.before == filled.chain;
            ensure!(follows, "{next} of lane {lane} does not follow from the log");
        }
        end(spans.last()).await
    }

    /// Exports every lane that has a full file to write, or whose events have waited long enough.
    async fn export_due(
        &self,
        heads: &BTreeMap<Lane, Checkpoint>,
        ends: &mut BTreeMap<Lane, LaneEnd>,
    ) -> anyhow::Result<()> {
        let parts = &self.0;
        let permits = Arc::new(Semaphore::new(parts.lanes_at_once));
        let mut lanes = JoinSet::new();
        for (lane, head) in heads {
            let Some(end) = ends.get_mut(lane) else { bail!("lane {lane} is new") };
            if head.position <= end.at.position {
                continue;
            }
            let since = *end.behind_since.get_or_insert_with(Instant::now);
            let whole = name::end_after(end.at.position, parts.file_events);
            let is_due = !parts.follow || since.elapsed() >= parts.file_age;
            if !is_due && head.position < whole {
                continue;
            }
            let (exporter, permits) = (self.clone(), Arc::clone(&permits));
            let (lane, at, to) = (*lane, end.at, head.position);
            lanes.spawn(async move {
                let _permit = permits.acquire().await?;
                exporter.export_up_to(lane, at, to).await.map(|at| (lane, at))
            });
        }
        while let Some(exported) = lanes.join_next().await {
            let (lane, at) = exported.context("a lane could not be exported")??;
            ends.insert(lane, LaneEnd { at, behind_since: None });
        }
        Ok(())
    }

    /// Writes files with the events of a lane after one, up to a position.
    async fn export_up_to(
        &self,
        lane: Lane,
        mut at: Checkpoint,
        to: Position,
    ) -> anyhow::Result<Checkpoint> {
        let parts = &self.0;
        while at.position < to {
            let end = to.min(name::end_after(at.position, parts.file_events));
            let (mut file, redacted) = self.made(lane, at, end, parts.file_bytes_max).await?;
            // Before the file that says so: who is killed here comes back to it.
            self.redact(lane, &redacted).await?;
            if redacted.iter().any(|position| *position > at.position) {
                // It may have been read before they were removed.
                (file, _) = self.made(lane, at, file.description.span.last, usize::MAX).await?;
            }
            let Description { span, chain, .. } = file.description;
            parts.place.keep(file).await?;
            at = Checkpoint { position: span.last, chain };
            tracing::info!("lane {lane}: {} events, {} to {}", span.len(), span.first, span.last);
        }
        Ok(at)
    }

    /// Makes a file of the events after one, up to a position or a number of bytes. Also returns the events whose
    /// bytes are gone by what these say.
    async fn made(
        &self,
        lane: Lane,
        from: Checkpoint,
        to: Position,
        bytes_max: usize,
    ) -> anyhow::Result<(Complete, BTreeSet<Position>)> {
        let mut reader = LaneReader::after(from, lane, &self.0.log);
        let mut file = EventFile::begin(lane, from)?;
        let mut redacted = BTreeSet::new();
        while file.at().position < to && file.bytes() < bytes_max {
            for fact in reader.next(to).await?.facts() {
                file.push(fact)?;
                redacted.extend(fact.redactions().iter().map(|event| event.id.1));
            }
        }
        Ok((file.finish()?, redacted))
    }

    /// Makes the files again that hold events whose bytes were removed.
    async fn redact(&self, lane: Lane, redacted: &BTreeSet<Position>) -> anyhow::Result<()> {
        let place = &self.0.place;
        if redacted.is_empty() {
            return Ok(());
        }
        for span in place.spans(lane).await?.iter() {
            if redacted.range(span.first..=span.last).next().is_some() {
                let chain = place.describe(lane, span).await?.before;
                let from = Checkpoint { position: Position(span.first.0 - 1), chain };
                let (file, _) = self.made(lane, from, span.last, usize::MAX).await?;
                place.replace(file).await?;
                tracing::info!("lane {lane}: {span} written again after a redaction");
            }
        }
        Ok(())
    }
}

fn events(ends: &BTreeMap<Lane, LaneEnd>) -> i64 {
    ends.values().map(|end| end.at.position.0).sum()
}

#[cfg(test)]
mod tests;
