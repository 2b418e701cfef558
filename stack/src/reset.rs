//! `cargo stack reset`: back to an empty stack.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::folder::DataFolder;
use crate::places::Places;
use crate::process::sweep::sweep;

/// Removes the data of the stack: databases, topics, logs and passwords.
///
/// Servers that others run (DATABASE_URL, KAFKA_BROKERS) are left as they are.
#[derive(clap::Args)]
pub struct ResetArgs {
    #[command(flatten)]
    places: Places,
}

/// Runs `cargo stack reset`.
///
/// # Errors
/// The stack is up, or something cannot be removed.
pub async fn run(args: ResetArgs) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::open(&args.places.data()?)?;
    sweep(&folder.records()).await?;
    folder.clear()?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "The data in {} is removed.", folder.root().display())
        .context("cannot say that the data is removed")?;
    Ok(ExitCode::SUCCESS)
}
