//! Stops what an earlier, hard-killed run left behind.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::future::try_join_all;
use rustix::process::Signal;

use super::Kind;
use super::record::{self, Record};

const LOOK_AGAIN: Duration = Duration::from_millis(20);
const KILL_GRACE: Duration = Duration::from_secs(5);

/// Stops every recorded process that still runs: services first, Postgres last.
///
/// # Errors
/// The records cannot be read, or a process does not even end when killed.
pub async fn sweep(records: &Path) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(records).context("cannot read the records of processes")? {
        let path = entry.context("cannot read the records of processes")?.path();
        match Record::read(&path) {
            Some(record) if record.runs() => found.push((record, path)),
            Some(_) | None => record::remove(&path),
        }
    }
    for kind in [Kind::Service, Kind::Kafka, Kind::Postgres] {
        let of_kind = found.iter().filter(|(record, _)| record.kind == kind);
        try_join_all(of_kind.map(|(record, path)| stop_recorded(record, path))).await?;
    }
    Ok(())
}

async fn stop_recorded(record: &Record, path: &Path) -> anyhow::Result<()> {
    tracing::info!(
        "stopping {} (process {}), left by a run that was killed",
        record.name,
        record.pid
    );
    stop(record).await?;
    record::remove(path);
    Ok(())
}

async fn stop(record: &Record) -> anyhow::Result<()> {
    let attempts = [(record.kind.polite_signal(), record.kind.grace()), (Signal::KILL, KILL_GRACE)];
    for (signal, grace) in attempts {
        // A paused process ends only once it goes on.
        for signal in [signal, Signal::CONT] {
            if record.runs() {
                super::send(record.pid, signal)
                    .with_context(|| format!("cannot stop {} ({})", record.name, record.pid))?;
            }
        }
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if !record.runs() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    bail!("{} (process {}) cannot be stopped", record.name, record.pid)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn recorded(records: &Path, name: &str) -> (std::process::Child, Record) {
        let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let record = Record::of(Kind::Service, name, child.id()).unwrap();
        record.write(&records.join(format!("{name}.json"))).unwrap();
        (child, record)
    }

    #[tokio::test]
    async fn what_was_left_behind_is_stopped_and_forgotten() {
        let records = tempfile::tempdir().unwrap();
        let (mut left, record) = recorded(records.path(), "left");
        sweep(records.path()).await.unwrap();
        assert!(!record.runs());
        assert_eq!(std::fs::read_dir(records.path()).unwrap().count(), 0);
        left.wait().unwrap();
    }

    #[tokio::test]
    async fn a_stranger_with_the_same_number_is_left_alone() {
        let records = tempfile::tempdir().unwrap();
        let (mut stranger, record) = recorded(records.path(), "stranger");
        let older = Record { started: "1@another boot".to_owned(), ..record.clone() };
        older.write(&records.path().join("stranger.json")).unwrap();
        sweep(records.path()).await.unwrap();
        assert!(record.runs());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
