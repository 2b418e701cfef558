//! `gate`: fails if a hot path takes more instructions than its bound.
//!
//! Callgrind counts them. Unlike times, the counts do not depend on how busy the machine is.

mod paths;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand, ValueEnum as _};

use paths::Path;

const BOUNDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bounds.json");

/// The number of calls to average over.
const TIMES: u32 = 1_000;

/// The tolerance above a bound, for differences of compilers, hash seeds and processor features.
const SLACK: f64 = 1.1;

/// A bound that is further above the count than this guards nothing.
const LOOSE: f64 = 0.85;

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
        /// Store the counts as the new bounds.
        #[arg(long)]
        accept: bool,
    },
    /// Call a path a number of times; the program that valgrind runs.
    Run { path: Path, times: u32 },
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().task {
        Task::Check { accept } => check(accept),
        Task::Run { path, times } => {
            path.run(times);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(accept: bool) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(BOUNDS).context(BOUNDS)?;
    let bounds: BTreeMap<String, u64> = serde_json::from_str(&text).context(BOUNDS)?;
    let mut counts = BTreeMap::new();
    let mut out = std::io::stdout().lock();
    let mut failed = false;
    for path in Path::value_variants() {
        // The preparation does not count.
        let calls = instructions(*path, TIMES)?.saturating_sub(instructions(*path, 0)?);
        let (name, count) = (path.name(), calls / u64::from(TIMES));
        let bound = bounds.get(&name).copied();
        let (is_good, remark) = judge(count, bound);
        failed |= !is_good;
        let bound = bound.map_or_else(|| "–".to_owned(), |bound| bound.to_string());
        writeln!(out, "{name:16} {count:>9} instructions, bound {bound:>9} {remark}")?;
        counts.insert(name, count);
    }
    if accept {
        std::fs::write(BOUNDS, serde_json::to_string_pretty(&counts)? + "\n").context(BOUNDS)?;
    }
    Ok(ExitCode::from(u8::from(failed && !accept)))
}

/// Whether a count passes, with a remark.
fn judge(count: u64, bound: Option<u64>) -> (bool, &'static str) {
    match bound.map(|bound| count as f64 / bound as f64) {
        None => (false, "has no bound: set one with --accept"),
        Some(part) if part > SLACK => (false, "above its bound"),
        Some(part) if part < LOOSE => (true, "far below: lower the bound with --accept"),
        Some(_) => (true, ""),
    }
}

/// Counts all instructions of this program for a number of calls.
fn instructions(path: Path, times: u32) -> anyhow::Result<u64> {
    let this = std::env::current_exe().context("cannot find this program's file")?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["run", &path.name(), &times.to_string()])
        .output()
        .context("cannot run valgrind; on Debian: apt-get install valgrind")?;
    let report = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed:\n{report}");
    collected(&report).with_context(|| format!("valgrind reported no count:\n{report}"))
}

/// The number in `==17== Collected : 123456`.
fn collected(report: &str) -> Option<u64> {
    report.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_can_run_many_times() {
        for path in Path::value_variants() {
            path.run(10);
        }
    }

    #[test]
    fn a_count_above_its_bound_or_without_one_fails() {
        for (count, bound, is_good) in [
            (1_101, Some(1_000), false),
            (1_100, Some(1_000), true),
            (849, Some(1_000), true),
            (1, None, false),
        ] {
            assert_eq!(judge(count, bound).0, is_good, "{count} of {bound:?}");
        }
        assert_eq!(judge(850, Some(1_000)), (true, ""));
    }

    #[test]
    fn the_count_is_found_in_the_report_of_valgrind() {
        let report = "==17== Events    : Ir\n==17== Collected : 123456\n==17==\n";
        assert_eq!(collected(report), Some(123_456));
        assert_eq!(collected("==17== no"), None);
    }
}
