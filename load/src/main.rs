//! `cargo load`: measures Stockbook against plain services, a peer, and the limits of the machine.

mod drive;
mod requests;
mod environment;
mod limits;
mod compare;
mod growth;
mod report;
mod chart;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Measures Stockbook against what most would build instead.
#[derive(Parser)]
#[command(name = "load", bin_name = "cargo load", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Compare(Box<compare::CompareArgs>),
    Growth(growth::GrowthArgs),
    Drive(drive::command::DriveArgs),
    Chart(chart::ChartArgs),
}

/// One thread sends more than any service here can answer, and leaves the other core to it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log_plain_lines();
    let done = match cli.task {
        Task::Compare(args) => Box::pin(compare::run(*args)).await,
        Task::Growth(args) => Box::pin(growth::run(args)).await,
        Task::Drive(args) => Box::pin(drive::command::run(args)).await,
        Task::Chart(args) => chart::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Progress goes to standard error as plain lines, because tables go to standard output.
fn log_plain_lines() {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_level(false)
        .with_target(false)
        .without_time();
    let own = Targets::new()
        .with_target("load", LevelFilter::INFO)
        .with_target("stack", LevelFilter::INFO);
    tracing_subscriber::registry().with(own).with(lines).init();
}
