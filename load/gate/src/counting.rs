//! Counts instructions with callgrind. Unlike times, the counts do not depend on how busy the machine is.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::paths::Path;

/// The number of calls to average over.
const TIMES: u32 = 1_000;

/// The tolerance above a bound, for differences of compilers, hash seeds and processor features.
const SLACK: f64 = 1.1;

/// A bound that is further above the count than this guards nothing.
const LOOSE: f64 = 0.85;

/// Instructions of one call, for each path.
pub type Counts = BTreeMap<String, u64>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    WithinBound,
    AboveBound,
    /// So far below that the bound should be lowered.
    FarBelowBound,
    NoBound,
}

pub fn compare(count: u64, bound: Option<u64>) -> Verdict {
    match bound.map(|bound| count as f64 / bound as f64) {
        None => Verdict::NoBound,
        Some(part) if part > SLACK => Verdict::AboveBound,
        Some(part) if part < LOOSE => Verdict::FarBelowBound,
        Some(_) => Verdict::WithinBound,
    }
}

/// Counts the instructions of one call, without the preparation.
pub fn count(path: Path) -> anyhow::Result<u64> {
    let preparation = instructions(path, 0)?;
    let total = instructions(path, TIMES)?;
    Ok(total.saturating_sub(preparation) / u64::from(TIMES))
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
    if !output.status.success() {
        bail!("valgrind failed:\n{report}");
    }
    collected(&report).with_context(|| format!("valgrind reported no count:\n{report}"))
}

/// The number in `==17== Collected : 123456`.
pub fn collected(report: &str) -> Option<u64> {
    report.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

pub fn read(file: &FilePath) -> anyhow::Result<Counts> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} contains no bounds"))
}

/// Writes counts as the new bounds.
pub fn write(file: &FilePath, counts: &Counts) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(counts)? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
