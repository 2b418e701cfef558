//! What is written down about a started process.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{Kind, identity};

/// Enough to find the process again, and to know that it is still the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Its name in the data folder.
    pub name: String,
    /// Its process id, which another process may bear later.
    pub pid: u32,
    /// When it was started, which with the id is unique; see [`identity::started`].
    pub started: String,
}

impl Record {
    /// The record of a running process; none when it has ended already.
    #[must_use]
    pub fn of(kind: Kind, name: &str, pid: u32) -> Option<Self> {
        Some(Self { kind, name: name.to_owned(), pid, started: identity::started(pid)? })
    }

    /// Whether that very process still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        identity::started(self.pid).is_some_and(|started| started == self.started)
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(self).context("a record is always JSON")?;
        crate::whole::write_whole(path, text.as_bytes(), 0o644)
    }

    /// Reads one; nothing when it is not a record, as after a power cut.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

/// Forgets a process that has ended. A record that stays does no harm: it names nothing that runs.
pub(super) fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka.json");
        let record = Record::of(Kind::Kafka, "kafka", std::process::id()).unwrap();
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path), Some(record));
    }

    #[test]
    fn a_torn_record_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka.json");
        std::fs::write(&path, "{\"kind\":\"kaf").unwrap();
        assert_eq!(Record::read(&path), None);
    }

    #[test]
    fn the_same_number_with_another_start_is_another_process() {
        let mut record = Record::of(Kind::Service, "me", std::process::id()).unwrap();
        assert!(record.runs());
        record.started.push('1');
        assert!(!record.runs());
    }
}
