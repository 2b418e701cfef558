//! `cargo load growth`: whether appending becomes dearer as the log grows.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use crate::drive::{Load, drive};
use crate::heat_up::heat_up;
use crate::keys::{Keys, Spread};
use crate::report::{self, Report, Round};
use crate::requests::{Ask, Requests};
use crate::session;
use crate::table::{Budget, Row, shown};
use crate::world::extend::extend;
use crate::world::stockbook::Stockbook;
use crate::world::{World, WorldArgs};

/// What an event takes on the disk, in Postgres with its indexes, in Postgres' own log while it is
/// written, and in Kafka; rather too much.
const BYTES_AN_EVENT: u64 = 2_000;

/// What is to be left when all is there.
const LEFT: u64 = 5 << 30;

const CLIENTS: usize = 64;

/// What Kafka is driven before all.
const HEAT_UP: Duration = Duration::from_secs(20);

/// How often each length is measured; the best counts.
const ROUNDS: usize = 3;

/// Appending in a long log may cost so many times what it costs in a short one.
const TIMES: f64 = 1.2;

/// Fills a log through large commands and measures single ones on the way: at 100,000 events, and
/// at every tenfold up to the end.
#[derive(Debug, clap::Args)]
pub struct GrowthArgs {
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
    world: WorldArgs,
}

/// Runs `cargo load growth`.
///
/// # Errors
/// There is too little disk, or something cannot be started or measured.
pub async fn run(args: GrowthArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.from < args.events, "--from must be below --events");
    let world = World::open(args.world.clone()).await?;
    check_disk(&world, args.events)?;
    let grown = session::within(world, async |world| grow(&args, world).await).await?;
    let Some(report) = grown else {
        return Ok(ExitCode::FAILURE);
    };
    report::show(&report)?;
    if let Some(file) = &args.json {
        report::write_json(file, &report.table)?;
    }
    if let Some(file) = &args.markdown {
        report::write_text(file, &report.markdown())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// # Errors
/// There is less than the whole log will take.
fn check_disk(world: &World, events: i64) -> anyhow::Result<()> {
    let disk = rustix::fs::statvfs(world.folder())?;
    let free = disk.f_bavail * disk.f_frsize;
    let needed = u64::try_from(events)? * BYTES_AN_EVENT + LEFT;
    ensure!(
        free >= needed,
        "{} has {} MiB free, {} events may take {} MiB; give another folder with --folder, or \
         fewer with --events",
        world.folder().display(),
        free >> 20,
        shown(events as f64),
        needed >> 20
    );
    Ok(())
}

async fn grow(args: &GrowthArgs, world: &World) -> anyhow::Result<Report> {
    heat_up(world, HEAT_UP).await?;
    let items = world.args.items;
    let ours = Stockbook::start(world, &[]).await?;
    ours.fill(items, &[], 1).await?;
    let mut report = Report::default();
    let mut at_start = None;
    for events in lengths(args.from, args.events) {
        let begun = Instant::now();
        extend(&ours, items, events).await?;
        let recorded = ours.recorded().await?;
        tracing::info!(
            "{} events after {:.0} s of filling; {} bytes each in Postgres",
            shown(recorded as f64),
            begun.elapsed().as_secs_f64(),
            shown(size(&ours).await? as f64 / recorded as f64)
        );
        world.settle().await?;
        let cost = cost(args, world, &ours, recorded, &mut report).await?;
        let start = *at_start.get_or_insert(cost);
        let name = format!("append at {} events (µs a command)", shown(events as f64));
        let row = Row::beside(&name, cost, start, None, Budget::AtMostTimes(TIMES));
        report::announce(std::slice::from_ref(&row));
        report.table.rows.push(row);
    }
    ours.stop().await?;
    Ok(report)
}

/// What a command costs while the log is so long: the time from one to the next at the most that
/// can be done.
async fn cost(
    args: &GrowthArgs,
    world: &World,
    ours: &Stockbook,
    recorded: i64,
    report: &mut Report,
) -> anyhow::Result<f64> {
    let keys = Keys::new(Spread::Uniform, world.args.items);
    let requests = Requests::new(Ask::Receive, keys);
    let load = Load::closed(CLIENTS, Duration::from_secs(1), Duration::from_secs(args.seconds));
    let what = format!("receive at {} events", shown(recorded as f64));
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let measured = drive(ours.command()?, &load, requests.renderers()).await?;
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

/// The bytes of the write database.
async fn size(ours: &Stockbook) -> anyhow::Result<i64> {
    let mut connection = PgConnection::connect(ours.urls.write_owner.as_str()).await?;
    let size = sqlx::query_scalar(include_str!("../queries/read_size.sql"))
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(size)
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
