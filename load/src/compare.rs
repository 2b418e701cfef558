//! `cargo load compare`: starts all sides, measures them in turns, and judges the figures.

mod bench;
mod personal;
mod sign_in;
mod snapshot;
mod stress;
mod views;
mod waitlist;
mod writes;

use std::path::PathBuf;

use anyhow::ensure;
use clap::ValueEnum;

use crate::chart;
use crate::environment::{Environment, EnvironmentArgs};
use crate::report::{Report, write_json};
use crate::requests::{Ask, Requests};
use bench::{Bench, Effort};

/// Measures Stockbook against plain services, a peer, and the limits of the machine.
///
/// Best on an idle machine. The sides take turns, so that other load on it affects both.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
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
    /// Measure only these rows.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROW,…")]
    only: Vec<Section>,
    /// Rounds of each side [default: 5, or 2 with --quick].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Seconds of each round [default: 8, or 2 with --quick].
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// Events to catch up with, and of the long stream [default: 500000 and 100000, or less with
    /// --quick].
    #[arg(long, value_name = "N")]
    events: Option<u32>,
    /// Seconds of the open snapshot [default: 60, or 20 with --quick].
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    snapshot: Option<u32>,
    /// Take real orders from these trade files instead of the shipped day.
    #[arg(long, value_name = "FILE,…", value_delimiter = ',')]
    trade: Vec<PathBuf>,
    #[command(flatten)]
    environment: EnvironmentArgs,
}

/// Rows that are measured together, in this order. The views come first, while the log is short,
/// because they follow all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// The views follow the log from its beginning.
    CatchUp,
    /// Reads: one item, a list, during writes.
    Reads,
    /// From the answer to a command until a query shows it.
    Visible,
    /// One item during an open snapshot, which keeps all versions of its rows.
    Snapshot,
    /// Single receipts over all items.
    Receive,
    /// The same with an Idempotency-Key each.
    Keyed,
    /// The same with sign-in: by API key and by token, against without.
    SignIn,
    /// The same with personal data, sealed: of known subjects and of new ones, against without.
    Personal,
    /// The same where each serves one of ten thousand who wait, against nobody waiting.
    Waitlist,
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
    /// Twice as many commands as can be answered.
    Overload,
}

/// Runs `cargo load compare`. Succeeds when everything was measured, whatever the verdicts; a
/// section that fails does not keep the others from being written.
pub(crate) async fn run(args: CompareArgs) -> anyhow::Result<()> {
    let environment = args.environment.clone();
    let (report, failed) =
        Environment::run(environment, async |environment| measure(&args, environment).await)
            .await?;
    report.write(args.json.as_deref(), args.markdown.as_deref())?;
    if let Some(file) = &args.details {
        write_json(file, &report.rounds)?;
    }
    if let Some(folder) = &args.charts {
        chart::write(folder, &report.table)?;
    }
    ensure!(failed.is_empty(), "these could not be measured: {failed:?}");
    Ok(())
}

async fn measure(
    args: &CompareArgs,
    environment: &Environment,
) -> anyhow::Result<(Report, Vec<Section>)> {
    let effort = Effort::of(args.quick, args.rounds, args.seconds, args.events, args.snapshot);
    let mut bench = Bench::start(environment, effort, &args.trade).await?;
    let mut failed = Vec::new();
    let chosen = |section: &&Section| args.only.is_empty() || args.only.contains(section);
    for section in Section::value_variants().iter().filter(chosen) {
        environment.checkpoint().await?;
        // A query-service that follows along takes processor time from the other sections.
        if !matches!(
            section,
            Section::CatchUp | Section::Reads | Section::Visible | Section::Snapshot
        ) {
            bench.stop_query_service().await?;
        }
        if let Err(error) = section.measure(&mut bench).await {
            tracing::error!(
                "{section:?} cannot be measured; continuing with the other sections: {error:#}"
            );
            failed.push(*section);
        }
    }
    Ok((bench.stop().await?, failed))
}

impl Section {
    /// Adds its rows. Boxed, because each section is large and only one runs at a time.
    async fn measure(self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        match self {
            Self::CatchUp => Box::pin(views::catch_up(bench)).await,
            Self::Reads => Box::pin(views::reads(bench)).await,
            Self::Visible => Box::pin(views::visible(bench)).await,
            Self::Snapshot => Box::pin(snapshot::rest(bench)).await,
            Self::Receive => {
                let requests = bench.requests(Ask::Receive);
                Box::pin(writes::single(bench, "receive", requests, 3.0)).await
            }
            Self::Keyed => {
                let requests = Requests { keyed: true, ..bench.requests(Ask::Receive) };
                Box::pin(writes::single(bench, "receive, a key each", requests, 2.5)).await
            }
            Self::SignIn => Box::pin(sign_in::receive(bench)).await,
            Self::Personal => Box::pin(personal::receive(bench)).await,
            Self::Waitlist => Box::pin(waitlist::receive(bench)).await,
            Self::Reserve => {
                let requests = bench.requests(Ask::Reserve);
                Box::pin(writes::single(bench, "reserve", requests, 3.0)).await
            }
            Self::OneSku => Box::pin(writes::one_sku(bench)).await,
            Self::Peer => Box::pin(writes::peer(bench)).await,
            Self::Orders => Box::pin(writes::orders(bench)).await,
            Self::Batches => Box::pin(writes::batches(bench)).await,
            Self::Scaling => Box::pin(writes::scaling(bench)).await,
            Self::Cold => Box::pin(stress::cold(bench)).await,
            Self::Overload => Box::pin(stress::overload(bench)).await,
        }
    }
}
