//! `cargo stack reset`: back to an empty stack.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::folder::DataFolder;
use crate::places::Places;
use crate::process::record::stop_leftovers;

/// Removes the data of the stack: databases, topics, logs and passwords.
///
/// External servers (DATABASE_URL, KAFKA_BROKERS) are not changed.
#[derive(clap::Args)]
pub struct ResetArgs {
    #[command(flatten)]
    places: Places,
}

/// Runs `cargo stack reset`.
pub async fn run(args: ResetArgs) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::open(&args.places.data()?)?;
    stop_leftovers(&folder.records()).await?;
    folder.clear()?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "Removed the data in {}.", folder.root().display())
        .context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
