//! Records of started processes, and how leftovers of a killed run are stopped.
//!
//! The record is a file that a process has open as its standard input, and the file is locked as long
//! as that is open. So a locked record means that the process runs, even if another process has its number later.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::future::try_join_all;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::{Kind, LOOK_AGAIN, send};
use crate::whole::ignore_missing;

const KILL_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub kind: Kind,
    pub name: String,
    pub pid: u32,
}

impl Record {
    /// Creates an empty record and locks it. Every start has a new file, so that children of an
    /// earlier process which still end do not hold the lock of the new one.
    pub(crate) fn create(path: &Path) -> anyhow::Result<File> {
        let create = || -> std::io::Result<File> {
            ignore_missing(std::fs::remove_file(path))?;
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
            file.lock()?;
            Ok(file)
        };
        create().with_context(|| format!("cannot write {}", path.display()))
    }

    pub(crate) fn write(&self, mut record: &File) -> anyhow::Result<()> {
        let text = serde_json::to_vec(self).context("a record is always JSON")?;
        record.write_all(&text).context("cannot write the record of a process")
    }

    /// Reads the record of a process that runs.
    #[must_use]
    pub fn of_running(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => serde_json::from_reader(file).ok(),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

/// Forgets a process that has ended. A record that stays does no harm: it is not locked.
pub(crate) fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Stops every recorded process that still runs: services first, Postgres last.
pub async fn stop_leftovers(records: &Path) -> anyhow::Result<()> {
    let mut running = Vec::new();
    for entry in std::fs::read_dir(records).context("cannot read the records of processes")? {
        let path = entry.context("cannot read the records of processes")?.path();
        match Record::of_running(&path) {
            Some(record) => running.push((record, path)),
            None => remove(&path),
        }
    }
    for kind in [Kind::Service, Kind::Kafka, Kind::Postgres] {
        let of_kind = running.iter().filter(|(record, _)| record.kind == kind);
        try_join_all(of_kind.map(|(record, path)| stop(record, path))).await?;
    }
    Ok(())
}

async fn stop(record: &Record, path: &Path) -> anyhow::Result<()> {
    let Record { kind, name, pid } = record;
    tracing::info!("stopping {name} (process {pid}), left over from a run that was killed");
    for (signal, within) in [(kind.stop_signal(), kind.stop_max()), (Signal::KILL, KILL_MAX)] {
        // A paused process ends only after it continues.
        for signal in [signal, Signal::CONT] {
            send(*pid, signal).with_context(|| format!("cannot stop {name} (process {pid})"))?;
        }
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if Record::of_running(path).is_none() {
                remove(path);
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    bail!("{name} (process {pid}) cannot be stopped")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    fn start(records: &Path) -> (std::process::Child, PathBuf) {
        let path = records.join("sleep.json");
        let file = Record::create(&path).unwrap();
        let stdin = file.try_clone().unwrap();
        let child = Command::new("sleep").arg("600").stdin(stdin).spawn().unwrap();
        let record = Record { kind: Kind::Service, name: "sleep".to_owned(), pid: child.id() };
        record.write(&file).unwrap();
        (child, path)
    }

    #[tokio::test]
    async fn a_leftover_process_is_stopped_and_forgotten() {
        let records = tempfile::tempdir().unwrap();
        let (mut leftover, path) = start(records.path());
        assert_eq!(Record::of_running(&path).unwrap().pid, leftover.id());
        stop_leftovers(records.path()).await.unwrap();
        assert!(!path.exists());
        leftover.wait().unwrap();
    }

    #[tokio::test]
    async fn another_process_with_the_same_number_is_left_alone() {
        let records = tempfile::tempdir().unwrap();
        let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
        let record = Record { kind: Kind::Service, name: "old".to_owned(), pid: stranger.id() };
        let path = records.path().join("old.json");
        record.write(&Record::create(&path).unwrap()).unwrap();
        std::fs::write(records.path().join("torn.json"), "{\"kind\":\"kaf").unwrap();
        stop_leftovers(records.path()).await.unwrap();
        assert!(stranger.try_wait().unwrap().is_none());
        assert_eq!(std::fs::read_dir(records.path()).unwrap().count(), 0);
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
