//! Master keys, which seal the keys of subjects. They come from a file and are never stored elsewhere.
//!
//! The file has one key a line, `{id}:{64 hexadecimal digits}`. The first seals; all of them open, so that a
//! key can be replaced while services run. The file is read again when it has changed.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};

use super::aead::{Key, SealError, Sealer};

/// A key of the file.
#[derive(Clone)]
pub(crate) struct MasterKey {
    pub(crate) id: String,
    sealer: Sealer,
}

/// The keys of the file. Cheap to clone; Debug shows no key.
#[derive(Clone)]
pub(crate) struct MasterKeys {
    path: Arc<Path>,
    read: Arc<Mutex<Read>>,
}

struct Read {
    keys: Vec<MasterKey>,
    changed_at: Option<SystemTime>,
}

impl MasterKeys {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or has no key or a wrong line.
    pub(crate) fn open(path: PathBuf) -> anyhow::Result<Self> {
        let read = Read::of(&path)?;
        Ok(Self { path: path.into(), read: Arc::new(Mutex::new(read)) })
    }

    /// The key that seals.
    pub(crate) fn first(&self) -> MasterKey {
        let read = self.up_to_date();
        read.keys.first().expect("a file without a key is refused").clone()
    }

    pub(crate) fn find(&self, id: &str) -> Option<MasterKey> {
        self.up_to_date().keys.iter().find(|key| key.id == id).cloned()
    }

    /// The keys as the file has them now. While it cannot be read, those of before count.
    fn up_to_date(&self) -> MutexGuard<'_, Read> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if changed_at(&self.path) != read.changed_at {
            match Read::of(&self.path) {
                Ok(now) => *read = now,
                Err(error) => {
                    tracing::error!(%error, "the master keys cannot be read again; using those of before");
                }
            }
        }
        read
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MasterKeys({})", self.path.display())
    }
}

impl MasterKey {
    /// Seals a key for a place, such as a subject and a number; it opens for the same place only.
    pub(crate) fn seal(&self, key: &Key, place: &[&[u8]]) -> Vec<u8> {
        self.sealer.seal(key.bytes(), place)
    }

    pub(crate) fn open(&self, sealed: &[u8], place: &[&[u8]]) -> Result<Key, SealError> {
        Key::of(&self.sealer.open(sealed, place)?)
    }
}

impl Read {
    fn of(path: &Path) -> anyhow::Result<Self> {
        // Before the content, so that a change in between is seen the next time.
        let changed_at = changed_at(path);
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
        let keys = parse(&text).with_context(|| format!("{}", path.display()))?;
        Ok(Self { keys, changed_at })
    }
}

fn changed_at(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

fn parse(text: &str) -> anyhow::Result<Vec<MasterKey>> {
    let mut ids = BTreeSet::new();
    let mut keys = Vec::new();
    for (nth, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        // The line is not repeated in a message, for it has a key.
        let Some((id, digits)) = line.trim().split_once(':') else {
            bail!("line {nth} is not a master key: an id, a colon and 64 hexadecimal digits");
        };
        let is_id = (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let bytes = hex::decode(digits).ok().filter(|bytes| bytes.len() == 32);
        let (true, Some(bytes)) = (is_id, bytes) else {
            bail!("line {nth} is not a master key: an id, a colon and 64 hexadecimal digits");
        };
        ensure!(ids.insert(id.to_owned()), "line {nth} has the id of another key");
        let key = Key::of(&bytes).expect("the length was checked");
        keys.push(MasterKey { id: id.to_owned(), sealer: Sealer::new(&key) });
    }
    ensure!(!keys.is_empty(), "it has no master key");
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_master_keys_is_read_whole_or_refused_without_its_keys() {
        let (a, b) = ("0a".repeat(32), "0b".repeat(32));
        let keys = parse(&format!("2026-11:{a}\n\nold:{b}\n")).unwrap();
        assert_eq!(keys.iter().map(|key| &*key.id).collect::<Vec<_>>(), ["2026-11", "old"]);
        for bad in
            ["", "x", "x:00", &format!(":{a}"), &format!("a:{a}\na:{b}"), &format!("a b:{a}")]
        {
            let error = parse(bad).err().expect("it is refused").to_string();
            assert!(!error.contains(&a), "{error}");
        }
    }

    #[test]
    fn a_key_opens_for_its_own_place_only() {
        let master = parse(&format!("m:{}", "0a".repeat(32))).unwrap().remove(0);
        let key = Key::random();
        let sealed = master.seal(&key, &[b"subject", b"1"]);
        assert_eq!(master.open(&sealed, &[b"subject", b"1"]).unwrap().bytes(), key.bytes());
        assert!(master.open(&sealed, &[b"subject1", b""]).is_err());
        let other = parse(&format!("m:{}", "0b".repeat(32))).unwrap().remove(0);
        assert!(other.open(&sealed, &[b"subject", b"1"]).is_err());
    }
}
