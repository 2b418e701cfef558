//! `gate`: fails when a hot path takes more instructions than it did.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum as _};
use gate::counting::{self, Counts, Standing};
use gate::paths::Path;

/// Counts the instructions of the hot paths.
#[derive(Parser)]
#[command(name = "gate", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compare every path with its bound; fail where one is above it.
    Check {
        /// The bounds.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/bounds.json"))]
        bounds: PathBuf,
        /// Make what is counted now the bounds.
        #[arg(long)]
        accept: bool,
    },
    /// Go a path so many times; what is run under valgrind.
    Go {
        /// Which.
        path: Path,
        /// How often.
        times: u32,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().task {
        Task::Check { bounds, accept } => check(&bounds, accept),
        Task::Go { path, times } => {
            path.go(times);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(file: &std::path::Path, accept: bool) -> anyhow::Result<ExitCode> {
    let bounds = if file.exists() { counting::read(file)? } else { Counts::new() };
    let mut counts = Counts::new();
    let mut failed = false;
    let mut out = std::io::stdout().lock();
    for path in Path::value_variants() {
        let (name, count) = (path.name(), counting::count(*path)?);
        let bound = bounds.get(&name).copied();
        let standing = counting::standing(count, bound);
        let remark = match standing {
            Standing::Held => "",
            Standing::Above => "above its bound",
            Standing::Loose => "far below: lower the bound with --accept",
            Standing::Unbounded => "has no bound: set one with --accept",
        };
        failed |= matches!(standing, Standing::Above | Standing::Unbounded);
        let bound = bound.map_or_else(|| "–".to_owned(), |bound| bound.to_string());
        writeln!(out, "{name:16} {count:>9} instructions, bound {bound:>9} {remark}")?;
        counts.insert(name, count);
    }
    if accept {
        counting::write(file, &counts)?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
