//! Counts instructions with callgrind: the same program gives the same number on any day and however
//! busy the machine is, which no clock does.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::paths::Path;

/// Calls that the count is the mean of.
const TIMES: u32 = 1_000;

/// What a count may be above its bound: compilers differ a little, a hash map's seed does, and what
/// the machine's processor offers to libraries that ask for it.
const SLACK: f64 = 1.1;

/// Further below its bound than this, a bound guards nothing.
const LOOSE: f64 = 0.85;

/// Instructions of one call, for each path.
pub type Counts = BTreeMap<String, u64>;

/// Where a path stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// At its bound or a little below.
    Held,
    /// Above it.
    Above,
    /// So far below that the bound should follow.
    Loose,
    /// There is no bound for it.
    Unbounded,
}

/// Where a count stands to its bound.
#[must_use]
pub fn standing(count: u64, bound: Option<u64>) -> Standing {
    match bound.map(|bound| count as f64 / bound as f64) {
        None => Standing::Unbounded,
        Some(part) if part > SLACK => Standing::Above,
        Some(part) if part < LOOSE => Standing::Loose,
        Some(_) => Standing::Held,
    }
}

/// Counts one call of a path, the ground it works on left out.
///
/// # Errors
/// Valgrind is missing or fails.
pub fn count(path: Path) -> anyhow::Result<u64> {
    let ground = instructions(path, 0)?;
    let gone = instructions(path, TIMES)?;
    Ok(gone.saturating_sub(ground) / u64::from(TIMES))
}

/// All instructions of this program going a path so many times.
fn instructions(path: Path, times: u32) -> anyhow::Result<u64> {
    let this = std::env::current_exe().context("this program does not know where it is")?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["go", &path.name(), &times.to_string()])
        .output()
        .context("cannot run valgrind; on Debian: apt-get install valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("valgrind failed:\n{said}");
    }
    collected(&said).with_context(|| format!("valgrind counted nothing:\n{said}"))
}

/// The number in `==17== Collected : 123456`.
#[must_use]
pub fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// Reads the bounds.
///
/// # Errors
/// The file cannot be read.
pub fn read(file: &FilePath) -> anyhow::Result<Counts> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} holds no bounds"))
}

/// Writes counts as the bounds.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: &FilePath, counts: &Counts) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(counts)? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
