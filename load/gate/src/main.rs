//! `gate`: fails if a hot path takes more instructions than its bound.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum as _};
use gate::counting::{self, Counts, Verdict};
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
    /// Compare every path with its bound, and fail if one is above it.
    Check {
        /// The file with the bounds.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/bounds.json"))]
        bounds: PathBuf,
        /// Store the counts as the new bounds.
        #[arg(long)]
        accept: bool,
    },
    /// Call a path a number of times; the program that valgrind runs.
    Run { path: Path, times: u32 },
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().task {
        Task::Check { bounds, accept } => check(&bounds, accept),
        Task::Run { path, times } => {
            path.run(times);
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
        let verdict = counting::compare(count, bound);
        let remark = match verdict {
            Verdict::WithinBound => "",
            Verdict::AboveBound => "above its bound",
            Verdict::FarBelowBound => "far below: lower the bound with --accept",
            Verdict::NoBound => "has no bound: set one with --accept",
        };
        failed |= matches!(verdict, Verdict::AboveBound | Verdict::NoBound);
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
