//! `cargo stack replay`: a real shop's trade through a running stack, and every figure checked.
//!
//! In reading order: the files ([`source`]), what their lines mean ([`trade`]), what is sent for
//! them ([`plan`], [`command`]), what comes back ([`answer`]), what the figures must be
//! ([`ledger`]), what came of it ([`report`]): all of that is pure. The rest talks to the services.

pub mod source;
pub mod trade;
pub mod plan;
pub mod command;
mod keys;
pub mod answer;
pub mod ledger;
pub mod report;
mod progress;
mod service;
mod holding;
mod check;
#[cfg(test)]
mod properties;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::stream::{self, Stream, StreamExt as _};
use reqwest::Url;

use crate::ports;
use crate::replay::answer::{Answer, Outcome};
use crate::replay::command::Command;
pub use crate::replay::holding::Holding;
use crate::replay::ledger::Ledger;
use crate::replay::plan::{Plan, Stock};
use crate::replay::progress::Progress;
use crate::replay::report::{LogLength, Report};
use crate::replay::service::Service;
use crate::replay::source::Source;

/// Sends a shop's trade to a running stack and checks every figure afterwards.
///
/// Stopped half-way, the same command goes on where it stopped.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// How much is in stock before the trade begins: all that ever goes out, or half of it.
    #[arg(long, value_enum, default_value = "full")]
    stock: Stock,
    /// How many commands are under way at once; 1 sends them in the order of the files.
    #[arg(long, value_name = "N", default_value_t = CLIENTS, value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// A command-service; several are used in turn.
    #[arg(long, value_name = "URL", value_delimiter = ',', default_values_t = [on_port(ports::COMMAND)])]
    command: Vec<Url>,
    /// The query-service.
    #[arg(long, value_name = "URL", default_value_t = on_port(ports::QUERY))]
    query: Url,
    /// The trade, as csv or csv.gz, in order.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// How many commands are under way at once when nobody says otherwise.
pub const CLIENTS: u16 = 16;

/// A service of `cargo stack up`.
fn on_port(port: u16) -> Url {
    Url::parse(&format!("http://127.0.0.1:{port}")).expect("an address and a port are a URL")
}

/// Where a replay goes, and how wide.
#[derive(Debug, Clone)]
pub struct Options {
    /// The command-services, used in turn; at least one.
    pub command: Vec<Url>,
    /// The query-service.
    pub query: Url,
    /// How many commands are under way at once.
    pub clients: u16,
}

/// Runs `cargo stack replay`: 0 when every figure is right and nothing was refused that must not be.
///
/// # Errors
/// A file cannot be read, the stack holds other trade, or a service stayed away.
pub async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let ReplayArgs { stock, clients, command, query, files } = args;
    let plan = tokio::task::spawn_blocking(move || {
        let sources = files.iter().map(|file| Source::open(file));
        let sources: Vec<Source> = sources.collect::<Result<_, _>>()?;
        anyhow::Ok(Plan::new(stock, &sources)?)
    })
    .await
    .context("reading the files was cut short")??;
    let options = Options { command, query, clients };
    let report = replay(&plan, &options).await?;
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "{report}").and_then(|()| stdout.flush()).context("cannot write the report")?;
    Ok(ExitCode::from(u8::from(!report.is_good())))
}

/// Replays a plan on a running stack and checks every figure.
///
/// # Errors
/// The stack holds other trade, the preparations were refused, or a service stayed away; the same
/// call goes on where this one stopped.
pub async fn replay(plan: &Plan, options: &Options) -> anyhow::Result<Report> {
    let commands = Service::at(&options.command)?;
    let query = Service::at([&options.query])?;
    let clients = usize::from(options.clients);
    let mut report = Report::of(plan);
    let mut ledger = Ledger::of(plan.skus());

    // 1. The stack is empty or ours, before and after the location is registered: two replays
    //    that begin at once both find it empty, and only one of them registers.
    refuse_other_trade(plan, &commands).await?;
    let location = std::slice::from_ref(&plan.location);
    prepare("location", location, &commands, clients, &mut ledger).await?;
    refuse_other_trade(plan, &commands).await?;

    // 2. Everything is there before the trade begins, so that its order does not matter.
    let items = prepare("items", &plan.items, &commands, clients, &mut ledger).await?;
    let opening = prepare("opening", &plan.opening, &commands, clients, &mut ledger).await?;
    report.prepared_in = items + opening;

    // 3. The trade.
    let progress = Progress::start("trade", plan.trade.len());
    let mut answers = send_all(&plan.trade, &commands, clients, &progress);
    while let Some(answered) = answers.next().await {
        let (command, answer) = answered?;
        report.count(command, &answer);
        if let Outcome::Accepted(accepted) = &answer.outcome {
            ledger.accept(command, accepted);
        }
    }
    drop(answers);
    report.traded_in = progress.finish();

    // 4. What Stockbook says now, against our own arithmetic.
    let progress = Progress::start("check", ledger.skus());
    report.log = LogLength {
        events: holding::log_length(&commands, &progress).await?,
        answered: ledger.events(),
    };
    let found = check::stock(&query, ledger.reached(), &progress).await?;
    progress.finish();
    report.check(ledger.skus(), ledger.differences(&found));
    Ok(report)
}

/// Whose trade a running stack holds.
///
/// # Errors
/// The command-service stayed away.
pub async fn holding(plan: &Plan, options: &Options) -> anyhow::Result<Holding> {
    let commands = Service::at(&options.command)?;
    holding::holding(plan, &commands, &Progress::start("stack", 0)).await
}

async fn refuse_other_trade(plan: &Plan, commands: &Service) -> anyhow::Result<()> {
    let progress = Progress::start("stack", 0);
    match holding::holding(plan, commands, &progress).await? {
        Holding::Nothing | Holding::ThisTrade => Ok(()),
        Holding::OtherTrade => bail!(
            "this stack holds other trade, so its figures would not be those of these files; \
             `cargo stack reset` empties it"
        ),
    }
}

/// Sends what must be accepted before the trade begins. Answers how long it took.
async fn prepare(
    name: &'static str,
    commands: &[Command],
    service: &Service,
    clients: usize,
    ledger: &mut Ledger,
) -> anyhow::Result<Duration> {
    let progress = Progress::start(name, commands.len());
    let mut answers = send_all(commands, service, clients, &progress);
    while let Some(answered) = answers.next().await {
        let (command, answer) = answered?;
        match &answer.outcome {
            Outcome::Accepted(accepted) => ledger.accept(command, accepted),
            Outcome::Refused(problem) => bail!("{} was refused: {problem}", command.key),
        }
    }
    drop(answers);
    Ok(progress.finish())
}

/// Sends commands, so many at once, begun in their order, and gives their answers as they come.
fn send_all<'a>(
    commands: &'a [Command],
    service: &'a Service,
    clients: usize,
    progress: &'a Progress,
) -> impl Stream<Item = anyhow::Result<(&'a Command, Answer)>> + Unpin {
    let sent = move |(turn, command): (usize, &'a Command)| async move {
        let answer = service.send(turn, command, progress).await?;
        progress.advance(1);
        Ok((command, answer))
    };
    Box::pin(stream::iter(commands.iter().enumerate()).map(sent).buffer_unordered(clients))
}
