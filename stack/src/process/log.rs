//! The file that holds what a process said.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Context;

/// How much of a log's end is looked at for a message, in bytes.
const TAIL_BYTES: u64 = 16 * 1024;

/// Keeps the log of the run before as `NAME.log.old`, so that two runs are kept and no more.
pub(super) fn set_aside(log: &Path) -> anyhow::Result<()> {
    match std::fs::rename(log, log.with_extension("log.old")) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot set {} aside", log.display()))
        }
        _ => Ok(()),
    }
}

/// Opens a log to append to.
pub(super) fn open(log: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))
}

/// The last lines of a log, indented, under its name: the end of a message about a failure.
#[must_use]
pub fn tail(log: &Path, lines: usize) -> String {
    let shown = match read_end(log) {
        Ok(text) => last_lines(&text, lines),
        Err(error) => format!("  (cannot be read: {error})"),
    };
    format!("the end of {}:\n{shown}", log.display())
}

fn read_end(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    let shown: Vec<String> = lines[from..].iter().map(|line| format!("  {line}")).collect();
    if shown.is_empty() { "  (empty)".to_owned() } else { shown.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines_in_order() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "  b\n  c");
        assert_eq!(last_lines("", 2), "  (empty)");
    }

    #[test]
    fn of_a_long_log_only_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("kafka.log");
        std::fs::write(&log, format!("{}\nlast\n", "x".repeat(100_000))).unwrap();
        assert!(read_end(&log).unwrap().len() as u64 <= TAIL_BYTES);
        assert!(tail(&log, 1).ends_with("\n  last"));
    }
}
