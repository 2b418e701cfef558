//! `cargo load growth`: whether appending becomes more expensive as the log grows.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::Instant;

use crate::drive::{Load, drive};
use crate::environment::stockbook::Stockbook;
use crate::environment::{Environment, EnvironmentArgs, ITEMS};
use crate::report::{Budget, Report, Round, Row, shown};
use crate::requests::{Ask, Requests};

/// An event's bytes on the disk, in Postgres with its indexes, in the write-ahead log and in
/// Kafka; an estimate on the high side.
const BYTES_PER_EVENT: u64 = 2_000;

/// Bytes that must be left free in the end.
const RESERVE: u64 = 5 << 30;

const CLIENTS: usize = 64;

const KAFKA_WARM_UP: Duration = Duration::from_secs(20);

/// How often each length is measured; the best round counts.
const ROUNDS: usize = 3;

/// Appending to a long log may cost so many times as much as to a short one.
const TIMES: f64 = 1.2;

/// Fills a log through large commands and measures single ones along the way: at 100,000
/// events, and at every tenfold up to the end.
#[derive(Debug, clap::Args)]
pub(crate) struct GrowthArgs {
    /// Events at the end.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(i64).range(1_000..=1_000_000_000))]
    events: i64,
    /// Events at the start.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(i64).range(1_000..))]
    from: i64,
    /// Seconds of each measurement.
    #[arg(long, value_name = "S", default_value_t = 8)]
    seconds: u64,
    /// Write the table as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write table and rounds as Markdown to this file.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    #[command(flatten)]
    environment: EnvironmentArgs,
}

/// Runs `cargo load growth`.
pub(crate) async fn run(args: GrowthArgs) -> anyhow::Result<()> {
    ensure!(args.from < args.events, "--from must be below --events");
    let environment = args.environment.clone();
    let report =
        Environment::run(environment, async |environment| grow(&args, environment).await).await?;
    report.write(args.json.as_deref(), args.markdown.as_deref())
}

fn check_disk(environment: &Environment, events: i64) -> anyhow::Result<()> {
    let folder = environment.servers.folder().root();
    let disk = rustix::fs::statvfs(folder)?;
    let free = disk.f_bavail * disk.f_frsize;
    let needed = u64::try_from(events)? * BYTES_PER_EVENT + RESERVE;
    ensure!(
        free >= needed,
        "{} has {} MiB free, {} events may take {} MiB; choose another --folder, or fewer --events",
        folder.display(),
        free >> 20,
        shown(events as f64),
        needed >> 20
    );
    Ok(())
}

async fn grow(args: &GrowthArgs, environment: &Environment) -> anyhow::Result<Report> {
    check_disk(environment, args.events)?;
    environment.warm_up(KAFKA_WARM_UP).await?;
    let stockbook = Stockbook::start(environment, &[]).await?;
    stockbook.fill(&environment.skus(), 1).await?;
    let mut report = Report::default();
    let mut at_start = None;
    for events in lengths(args.from, args.events) {
        let begun = Instant::now();
        stockbook.extend(events).await?;
        let recorded = stockbook.recorded().await?;
        tracing::info!(
            "{} events after {:.0} s of filling; {} bytes each in Postgres",
            shown(recorded as f64),
            begun.elapsed().as_secs_f64(),
            shown(stockbook.database_size().await? as f64 / recorded as f64)
        );
        environment.checkpoint().await?;
        let cost = cost(args, &stockbook, recorded, &mut report).await?;
        let baseline = *at_start.get_or_insert(cost);
        let name = format!("append at {} events (µs a command)", shown(events as f64));
        report.add(Row::compared(&name, cost, baseline, None, Budget::AtMostTimes(TIMES)));
    }
    stockbook.stop().await?;
    Ok(report)
}

/// Microseconds from one command to the next at full throughput.
async fn cost(
    args: &GrowthArgs,
    stockbook: &Stockbook,
    recorded: i64,
    report: &mut Report,
) -> anyhow::Result<f64> {
    let requests = Requests::new(Ask::Receive, 0..ITEMS);
    let load = Load::closed(CLIENTS, Duration::from_secs(1), Duration::from_secs(args.seconds));
    let what = format!("receive at {} events", shown(recorded as f64));
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let measured = drive(stockbook.address, &load, requests.renderers()).await?;
        report.rounds.push(Round::of(&what, "ours", &measured));
        best = best.max(measured.rate());
    }
    Ok(1e6 / best)
}

/// The lengths that are measured: tenfold each time, and the end.
fn lengths(from: i64, to: i64) -> Vec<i64> {
    let tenfold = std::iter::successors(Some(from), |length| length.checked_mul(10));
    tenfold.take_while(|length| *length < to).chain([to]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_measured_at_every_tenfold_and_at_its_end() {
        assert_eq!(lengths(100, 10_000), [100, 1_000, 10_000]);
        assert_eq!(lengths(100, 2_500), [100, 1_000, 2_500]);
        assert_eq!(lengths(100, 101), [100, 101]);
    }
}
