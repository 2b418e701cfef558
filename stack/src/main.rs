//! `cargo stack`: Stockbook on this machine, without containers.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
    log_plainly();
    let done = match cli.task {
        Task::Up(args) => stack::up::run(*args).await,
        Task::Reset(args) => stack::reset::run(args).await,
        Task::Replay(args) => stack::replay::run(args).await,
        Task::Topic(args) => stack::topic::run(args).await,
    };
    done.unwrap_or_else(|error| {
        tracing::error!("error: {}", in_words(&error));
        ExitCode::FAILURE
    })
}

/// The error and its causes, without those that are already quoted.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}

/// The stack writes plain lines to standard error. Messages of libraries are left out, such as those
/// of a Kafka client while the broker starts.
fn log_plainly() {
    let words = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_level(false)
        .with_target(false)
        .without_time();
    let of_ours = Targets::new().with_target("stack", LevelFilter::INFO);
    tracing_subscriber::registry().with(of_ours).with(words).init();
}
