//! The data folder, which one stack keeps from run to run.
//!
//! It has `credentials.json` (the roles' passwords), `master.key` (which seals the keys of personal data), `postgres/`, `kafka/`, `logs/`, `processes/`
//! (the records), and `lock`, which is held as long as a stack uses the folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::user::User;
use crate::whole::{ignore_missing, make_folder};

const SHARED_DATA: &str = "/var/lib/stockbook";

/// No other stack uses the folder while this value exists.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is missing, and locks it.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        // Others may enter it but not read it: Postgres may run as another user.
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

    /// The output of servers and services.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// See [`crate::process::record`].
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.root.join("processes")
    }

    /// The passwords of the database's roles.
    #[must_use]
    pub fn credentials(&self) -> PathBuf {
        self.root.join("credentials.json")
    }

    /// The master key of personal data. Without it what it sealed is lost.
    #[must_use]
    pub fn master_key(&self) -> PathBuf {
        self.root.join("master.key")
    }

    /// Certificates and API keys of `cargo stack up --secure`.
    #[must_use]
    pub fn secure(&self) -> PathBuf {
        self.root.join("secure")
    }

    /// Kafka's configuration and log.
    #[must_use]
    pub fn kafka(&self) -> PathBuf {
        self.root.join("kafka")
    }

    /// Postgres' configuration and data: in this folder, or in `/var/lib/stockbook` when root's data folder
    /// is in a place that Postgres' user cannot enter, such as `/root`.
    #[must_use]
    pub fn postgres(&self) -> PathBuf {
        match User::for_postgres() {
            Some(user) if !user.may_enter(&self.root) => {
                let digest = Sha256::digest(self.root.as_os_str().as_encoded_bytes());
                Path::new(SHARED_DATA).join(&hex::encode(digest)[..16])
            }
            _ => self.root.join("postgres"),
        }
    }

    /// Removes everything that a stack keeps here, and nothing else. No process may use it any more.
    pub fn clear(&self) -> anyhow::Result<()> {
        let kept = [self.postgres(), self.kafka(), self.secure(), self.logs(), self.records()];
        for folder in kept {
            removed(std::fs::remove_dir_all(&folder), &folder)?;
        }
        for file in [self.credentials(), self.master_key()] {
            removed(std::fs::remove_file(&file), &file)?;
        }
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
                "a stack already uses {} (process {holder}); stop it with Ctrl-C or \
                 `kill {holder}`, or choose another folder with --data",
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
    fn a_folder_in_use_is_refused_with_the_process_that_uses_it() {
        let place = tempfile::tempdir().unwrap();
        let first = DataFolder::open(place.path()).unwrap();
        let message = DataFolder::open(place.path()).unwrap_err().to_string();
        let me = format!("process {}", std::process::id());
        assert!(message.contains(&me), "{message}");
        drop(first);
        DataFolder::open(place.path()).unwrap();
    }

    #[test]
    fn clearing_keeps_other_files() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(place.path()).unwrap();
        std::fs::write(folder.credentials(), "{}").unwrap();
        std::fs::create_dir(folder.kafka()).unwrap();
        std::fs::write(place.path().join("letter.txt"), "hello").unwrap();
        folder.clear().unwrap();
        assert!(!folder.credentials().exists());
        assert!(!folder.kafka().exists());
        assert!(place.path().join("letter.txt").exists());
    }
}
