//! `cargo load compare`: both sides started here, measured in turns, and judged.

mod bench;
mod writes;
mod orders;
mod reads;
mod catch_up;
mod visible;
mod cold;
mod overload;
pub(crate) mod scaling;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::ValueEnum;

use crate::chart;
use crate::report::{self, Report};
use crate::session;
use crate::world::{World, WorldArgs};
use bench::{Bench, Effort};

/// Measures Stockbook beside plain services, a peer, and what the machine can do.
///
/// Best on a machine that does nothing else; the sides take turns, so that what it does otherwise
/// meets both.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// A small run, in less than five minutes once everything is built.
    #[arg(long)]
    quick: bool,
    /// Write the table as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write table and rounds as Markdown to this file.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write every round of every side as JSON to this file.
    #[arg(long, value_name = "FILE")]
    details: Option<PathBuf>,
    /// Draw `throughput.svg` and `latency.svg` into this folder.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROW,…")]
    only: Vec<Section>,
    /// Rounds of each side [default: 5, or 2 with --quick].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Seconds of each round [default: 8, or 2 with --quick].
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// Events of catching up and of the long stream [default: 500000 and 100000, or less with
    /// --quick].
    #[arg(long, value_name = "N")]
    events: Option<u32>,
    /// Take real orders from these trade files instead of the shipped day.
    #[arg(long, value_name = "FILE,…", value_delimiter = ',')]
    trade: Vec<PathBuf>,
    #[command(flatten)]
    world: WorldArgs,
}

/// Rows that are measured together, in the order in which they are: the views first, while the log is
/// short, for they follow all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// The views follow the log from its beginning.
    CatchUp,
    /// Reads: one item, a list, during writes.
    Reads,
    /// From a command's answer until a query shows it.
    Visible,
    /// Single receipts over all items.
    Receive,
    /// The same with an Idempotency-Key each.
    Keyed,
    /// Single reservations over all items.
    Reserve,
    /// One item only.
    OneSku,
    /// cqrs-es and postgres-es.
    Peer,
    /// Real orders.
    Orders,
    /// Batches of commands.
    Batches,
    /// From 1 client to 256.
    Scaling,
    /// The first command on a long stream.
    Cold,
    /// Twice as much as can be done.
    Overload,
}

/// Runs `cargo load compare`: 0 when everything was measured, whatever the verdicts.
///
/// # Errors
/// Something cannot be started or measured; what was measured is written down all the same, and what
/// was started is stopped again.
pub async fn run(args: CompareArgs) -> anyhow::Result<ExitCode> {
    let world = World::open(args.world.clone()).await?;
    let measured = session::within(world, async |world| measure(&args, world).await).await?;
    let Some((report, unmeasured)) = measured else {
        return Ok(ExitCode::FAILURE);
    };
    write(&args, &report)?;
    ensure!(unmeasured.is_empty(), "these could not be measured: {unmeasured:?}");
    Ok(ExitCode::SUCCESS)
}

/// Measures the sections that are wanted; answers what came of it, and those that failed.
async fn measure(args: &CompareArgs, world: &World) -> anyhow::Result<(Report, Vec<Section>)> {
    let effort = Effort::of(args.quick, args.rounds, args.seconds, args.events);
    let mut bench = Bench::start(world, effort, &args.trade).await?;
    let mut unmeasured = Vec::new();
    let chosen = |section: &&Section| args.only.is_empty() || args.only.contains(section);
    for section in Section::value_variants().iter().filter(chosen) {
        world.settle().await?;
        if !section.is_of_views() {
            bench.unfollow().await?;
        }
        let before = bench.report.table.rows.len();
        if let Err(error) = section.measure(&mut bench).await {
            tracing::error!("{section:?} cannot be measured: {error:#}");
            unmeasured.push(*section);
        }
        report::announce(&bench.report.table.rows[before..]);
    }
    Ok((bench.stop().await?, unmeasured))
}

impl Section {
    /// Whether it asks a query-service, which otherwise would only take from what is measured.
    fn is_of_views(self) -> bool {
        matches!(self, Self::CatchUp | Self::Reads | Self::Visible)
    }

    /// Adds its rows. Boxed: each section is large, and only one is there at a time.
    async fn measure(self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        match self {
            Self::CatchUp => Box::pin(catch_up::measure(bench)).await,
            Self::Reads => Box::pin(reads::measure(bench)).await,
            Self::Visible => Box::pin(visible::measure(bench)).await,
            Self::Receive => Box::pin(writes::receive(bench)).await,
            Self::Keyed => Box::pin(writes::keyed(bench)).await,
            Self::Reserve => Box::pin(writes::reserve(bench)).await,
            Self::OneSku => Box::pin(writes::one_sku(bench)).await,
            Self::Peer => Box::pin(writes::peer(bench)).await,
            Self::Orders => Box::pin(orders::orders(bench)).await,
            Self::Batches => Box::pin(orders::batches(bench)).await,
            Self::Scaling => Box::pin(scaling::measure(bench)).await,
            Self::Cold => Box::pin(cold::measure(bench)).await,
            Self::Overload => Box::pin(overload::measure(bench)).await,
        }
    }
}

fn write(args: &CompareArgs, report: &Report) -> anyhow::Result<()> {
    report::show(report)?;
    if let Some(file) = &args.json {
        report::write_json(file, &report.table)?;
    }
    if let Some(file) = &args.markdown {
        report::write_text(file, &report.markdown())?;
    }
    if let Some(file) = &args.details {
        report::write_json(file, &report.rounds)?;
    }
    if let Some(folder) = &args.charts {
        chart::write(folder, &report.table)?;
    }
    Ok(())
}
