//! `cargo load`: measures Stockbook against plain services, a peer, and the limits of the machine.

mod drive;
mod drive_command;
mod requests;
mod environment;
mod limits;
mod compare;
mod growth;
mod report;
mod chart;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stack::program::{exit_code, log_plainly};

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
    Drive(drive_command::DriveArgs),
    Chart(chart::ChartArgs),
}

/// One thread sends more than any service here can answer, and leaves the other core to it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Progress goes to standard error, because tables go to standard output.
    log_plainly(&["load", "stack"]);
    let done = match cli.task {
        Task::Compare(args) => Box::pin(compare::run(*args)).await,
        Task::Growth(args) => Box::pin(growth::run(args)).await,
        Task::Drive(args) => Box::pin(drive_command::run(args)).await,
        Task::Chart(args) => chart::run(&args),
    };
    exit_code(done.map(|()| ExitCode::SUCCESS))
}
