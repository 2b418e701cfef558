//! `cargo load`: Stockbook, measured.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use load::{chart, compare, driving, growth};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Stockbook, measured beside what most would build instead.
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
    Drive(driving::DriveArgs),
    Chart(chart::ChartArgs),
}

/// One thread: it sends more than any service here answers, and takes no second core from what is
/// measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    speak_plainly();
    let done = match cli.task {
        Task::Compare(args) => Box::pin(compare::run(*args)).await,
        Task::Growth(args) => Box::pin(growth::run(args)).await,
        Task::Drive(args) => Box::pin(driving::run(args)).await,
        Task::Chart(args) => chart::run(&args),
    };
    done.unwrap_or_else(|error| {
        tracing::error!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// What is said on the way goes to standard error as plain lines; tables go to standard output.
fn speak_plainly() {
    let words = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_level(false)
        .with_target(false)
        .without_time();
    let of_ours = Targets::new()
        .with_target("load", LevelFilter::INFO)
        .with_target("stack", LevelFilter::INFO);
    tracing_subscriber::registry().with(of_ours).with(words).init();
}
