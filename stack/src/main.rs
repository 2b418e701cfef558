//! `cargo stack`: Stockbook on this machine, without containers.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stack::program::{exit_code, log_plainly};

/// Stockbook on this machine: real Postgres and real Kafka without containers, and the services.
#[derive(Parser)]
#[command(name = "stack", bin_name = "cargo stack", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Up(Box<stack::up::UpArgs>),
    Reset(stack::reset::ResetArgs),
    Replay(stack::replay::ReplayArgs),
    Topic(stack::topic::TopicArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log_plainly(&["stack"]);
    let done = match cli.task {
        Task::Up(args) => stack::up::run(*args).await,
        Task::Reset(args) => stack::reset::run(args).await,
        Task::Replay(args) => stack::replay::run(args).await,
        Task::Topic(args) => stack::topic::run(args).await,
    };
    exit_code(done)
}
