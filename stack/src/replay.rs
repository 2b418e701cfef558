//! `cargo stack replay`: sends a real shop's trade to a running stack, then checks every figure.
//!
//! - [`source`] and [`trade`] read the files,
//! - [`plan`] turns them into commands,
//! - [`client`] sends those,
//! - [`report`] keeps its own ledger and compares.

mod client;
pub mod plan;
mod progress;
pub mod report;
pub mod source;
mod trade;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::stream::{self, Stream, StreamExt as _};
use reqwest::Url;

use self::client::{Accepted, Answer, Client};
use self::plan::{Command, Plan, Stock};
use self::progress::Progress;
use self::report::{Ledger, Report};
use self::source::Source;
use crate::access::Access;
use crate::ports;

/// Sends a shop's trade to a running stack and checks every figure afterwards.
///
/// If it is interrupted, the same command continues where it stopped.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// The stock before the trade begins: a quarter more than the trade takes, or half of it.
    #[arg(long, value_enum, default_value = "full")]
    stock: Stock,
    #[command(flatten)]
    options: Options,
    /// The trade, as csv or csv.gz, in order.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Where a replay sends its commands, and how many at the same time.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many commands are sent at the same time; 1 keeps the order of the files.
    #[arg(long, value_name = "N", default_value_t = CLIENTS, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub clients: u16,
    /// A command-service; several are used in turn.
    #[arg(long, value_name = "URL", value_delimiter = ',', default_values_t = [on_port(ports::COMMAND)])]
    pub command: Vec<Url>,
    /// The query-service.
    #[arg(long, value_name = "URL", default_value_t = on_port(ports::QUERY))]
    pub query: Url,
    #[command(flatten)]
    pub access: Access,
}

/// The default number of commands that are sent at the same time.
pub const CLIENTS: u16 = 16;

fn on_port(port: u16) -> Url {
    Url::parse(&format!("http://127.0.0.1:{port}")).expect("an address and a port are a URL")
}

/// Runs `cargo stack replay`, which succeeds when every answer and every figure is right.
pub async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let sources =
        args.files.iter().map(|file| Source::open(file)).collect::<Result<Vec<_>, _>>()?;
    let report = replay(&Plan::new(args.stock, &sources)?, &args.options).await?;
    report.print("")
}

/// Replays a plan on a running stack and checks every figure.
///
/// After an error, the same call continues where this one stopped.
pub async fn replay(plan: &Plan, options: &Options) -> anyhow::Result<Report> {
    let commands = Client::new(&options.command, &options.access)?;
    let query = Client::new([&options.query], &options.access)?;
    let clients = usize::from(options.clients);
    let mut report = Report::new(plan);
    let mut ledger = Ledger::new(plan.skus());

    // 1. The stack is empty or ours. Asked before and after the location is registered: two replays
    //    that start at the same time both find it empty, and only one of them registers.
    refuse_other_trade(plan, &commands).await?;
    let location = std::slice::from_ref(&plan.location);
    prepare("location", location, &commands, clients, &mut ledger).await?;
    refuse_other_trade(plan, &commands).await?;

    // 2. Items and stock are there before the trade begins, so that its order does not matter.
    report.prepared_in = prepare("items", &plan.items, &commands, clients, &mut ledger).await?
        + prepare("opening", &plan.opening, &commands, clients, &mut ledger).await?;

    // 3. The trade.
    let progress = Progress::start("trade", plan.trade.len());
    let mut answers = send_all(&plan.trade, &commands, clients, &progress);
    while let Some(answered) = answers.next().await {
        let (command, answer) = answered?;
        report.count(command, &answer);
        if answer.is_success() {
            let accepted: Accepted = answer.json()?;
            report.check_not_negative(command, &accepted);
            ledger.accept(command, &accepted);
        }
    }
    drop(answers);
    report.traded_in = progress.finish();

    // 4. Compare the figures of Stockbook with ours.
    let progress = Progress::start("check", plan.skus().len());
    report.events = (commands.log_length(&progress).await?, ledger.events);
    let found = query.stock(&ledger.reached, &progress).await?;
    progress.finish();
    report.differences = ledger.differences(&found);
    Ok(report)
}

/// The first event about the location has the Correlation-Id of the trade that registered it.
async fn refuse_other_trade(plan: &Plan, commands: &Client) -> anyhow::Result<()> {
    let progress = Progress::start("stack", 0);
    if commands.log_length(&progress).await? == 0 {
        return Ok(());
    }
    let first = commands.first_correlation(&progress).await?;
    if first.as_ref() != Some(&plan.location.correlation_id) {
        bail!(
            "this stack already has other data, so its figures would not be those of these \
             files; `cargo stack reset` empties it"
        );
    }
    Ok(())
}

/// Sends commands that must be accepted, and returns how long that took.
async fn prepare(
    name: &'static str,
    list: &[Command],
    commands: &Client,
    clients: usize,
    ledger: &mut Ledger,
) -> anyhow::Result<Duration> {
    let progress = Progress::start(name, list.len());
    let mut answers = send_all(list, commands, clients, &progress);
    while let Some(answered) = answers.next().await {
        let (command, answer) = answered?;
        let accepted = answer.json().with_context(|| format!("{} was refused", command.key))?;
        ledger.accept(command, &accepted);
    }
    drop(answers);
    Ok(progress.finish())
}

/// Sends commands in their order, `clients` at the same time, and yields the answers as they come.
fn send_all<'a>(
    list: &'a [Command],
    commands: &'a Client,
    clients: usize,
    progress: &'a Progress,
) -> impl Stream<Item = anyhow::Result<(&'a Command, Answer)>> + Unpin {
    let send = move |command: &'a Command| async move {
        let answer = commands.send(command, progress).await?;
        progress.advance(1);
        Ok((command, answer))
    };
    Box::pin(stream::iter(list).map(send).buffer_unordered(clients))
}
