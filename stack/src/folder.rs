//! The data folder: what one stack keeps from run to run.
//!
//! `credentials.json` (roles' passwords), `postgres/`, `kafka/`, `logs/`, `processes/` (who runs),
//! and `lock`, held as long as a stack uses the folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::whole::{ignore_missing, make_folder};

/// A data folder that no other stack uses as long as this value lives.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder where it is missing, and takes it.
    ///
    /// # Errors
    /// Another process uses it (the message names it), or it cannot be written.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        // Passable, not readable, for others: Postgres may have to run as another user.
        make_folder(root, 0o711)?;
        let root = std::fs::canonicalize(root)
            .with_context(|| format!("cannot enter {}", root.display()))?;
        let lock = take_lock(&root)?;
        let folder = Self { root, _lock: lock };
        make_folder(&folder.logs(), 0o700)?;
        make_folder(&folder.records(), 0o700)?;
        Ok(folder)
    }

    /// The folder itself, as an absolute path without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the servers and services said.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Who runs; see [`crate::process::record`].
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.root.join("processes")
    }

    /// The passwords of the database's roles.
    #[must_use]
    pub fn credentials(&self) -> PathBuf {
        self.root.join("credentials.json")
    }

    /// Kafka's configuration and log.
    #[must_use]
    pub fn kafka(&self) -> PathBuf {
        self.root.join("kafka")
    }

    /// Postgres' configuration and data; [`crate::postgres::home`] says when they lie elsewhere.
    #[must_use]
    pub fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// Removes all that a stack keeps here, and nothing else. Nothing of it may run any more.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn clear(&self) -> anyhow::Result<()> {
        let postgres = crate::postgres::home(self)?;
        let kept = [postgres, self.postgres(), self.kafka(), self.logs(), self.records()];
        for folder in kept {
            removed(std::fs::remove_dir_all(&folder), &folder)?;
        }
        let credentials = self.credentials();
        removed(std::fs::remove_file(&credentials), &credentials)?;
        make_folder(&self.logs(), 0o700)?;
        make_folder(&self.records(), 0o700)
    }
}

fn take_lock(root: &Path) -> anyhow::Result<File> {
    let path = root.join("lock");
    let mut lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => {
            let written = lock
                .set_len(0)
                .and_then(|()| lock.rewind())
                .and_then(|()| write!(lock, "{}", std::process::id()));
            written.with_context(|| format!("cannot write {}", path.display()))?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            bail!(
                "a stack is already up on {} (process {holder}); stop it with Ctrl-C where it \
                 runs or with `kill {holder}`, or give another folder with --data",
                root.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn removed(result: std::io::Result<()>, path: &Path) -> anyhow::Result<()> {
    ignore_missing(result).with_context(|| format!("cannot remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_refused_with_who_uses_it() {
        let place = tempfile::tempdir().unwrap();
        let first = DataFolder::open(place.path()).unwrap();
        let message = DataFolder::open(place.path()).unwrap_err().to_string();
        let me = format!("process {}", std::process::id());
        assert!(message.contains(&me), "{message}");
        drop(first);
        DataFolder::open(place.path()).unwrap();
    }

    #[test]
    fn clearing_leaves_what_is_not_ours() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(place.path()).unwrap();
        std::fs::write(folder.credentials(), "{}").unwrap();
        std::fs::create_dir(folder.kafka()).unwrap();
        std::fs::write(place.path().join("letter.txt"), "dear").unwrap();
        folder.clear().unwrap();
        assert!(!folder.credentials().exists());
        assert!(!folder.kafka().exists());
        assert!(place.path().join("letter.txt").exists());
    }
}
