//! A folder of files, one folder below it for each lane. A file appears there under its name when it is
//! complete and on the disk; until then it has another ending, which readers leave out.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use parquet::file::reader::{FileReader, SerializedFileReader};
use shared_events::lane::Lane;

use super::file::Description;
use super::name::{self, Span, Spans};

/// Locked by the one export that writes here.
const LOCK: &str = ".lock";

/// The file of a lane that is being written.
const UNFINISHED: &str = ".unfinished";

/// A folder that this process alone writes to.
pub(super) struct Folder {
    root: PathBuf,
    /// Held until the process ends, however it does.
    _lock: File,
}

impl Folder {
    /// Creates the folder if it is missing. Refuses one that another export writes to.
    pub(super) fn lock(root: PathBuf) -> anyhow::Result<Self> {
        let shown = root.display().to_string();
        let locked = || -> anyhow::Result<File> {
            fs::create_dir_all(&root)?;
            let lock = File::create(root.join(LOCK))?;
            match lock.try_lock() {
                Ok(()) => Ok(lock),
                Err(TryLockError::WouldBlock) => bail!("another export writes to it"),
                Err(TryLockError::Error(error)) => Err(error.into()),
            }
        };
        let lock = locked().with_context(|| format!("{shown} cannot be used"))?;
        Ok(Self { root, _lock: lock })
    }

    /// The files of a lane.
    pub(super) fn spans(&self, lane: Lane) -> anyhow::Result<Spans> {
        spans(&self.root, lane)
    }

    pub(super) fn describe(&self, lane: Lane, span: Span) -> anyhow::Result<Description> {
        describe(&path(&self.root, lane, span))
    }

    /// Where the next file of a lane is written. What a killed export left there is overwritten.
    pub(super) fn unfinished(&self, lane: Lane) -> anyhow::Result<PathBuf> {
        let folder = self.root.join(name::folder(lane));
        if !folder.exists() {
            fs::create_dir(&folder)?;
            sync(&self.root)?;
        }
        Ok(folder.join(UNFINISHED))
    }

    /// Gives a complete file its name, which no file has yet.
    pub(super) fn keep(&self, written: &Path, description: Description) -> anyhow::Result<()> {
        let path = path(&self.root, description.lane, description.span);
        ensure!(!path.exists(), "{} was made by somebody else", path.display());
        fs::rename(written, &path)?;
        sync(&self.root.join(name::folder(description.lane)))?;
        Ok(())
    }
}

/// Lets the names in a folder outlive a loss of power.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Every lane that a folder has files of, ascending.
pub(super) fn lanes(root: &Path) -> anyhow::Result<Vec<Lane>> {
    let names = names(root).with_context(|| format!("{} cannot be read", root.display()))?;
    let mut lanes: Vec<Lane> = names.iter().filter_map(|name| name::lane_of(name)).collect();
    lanes.sort_unstable();
    Ok(lanes)
}

/// The files of a lane.
pub(super) fn spans(root: &Path, lane: Lane) -> anyhow::Result<Spans> {
    let folder = root.join(name::folder(lane));
    let read = || -> anyhow::Result<Spans> {
        let names = match names(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        let visible = names.iter().filter(|name| !name.starts_with('.'));
        let spans = visible.map(|name| name.parse().context(name.clone()));
        Ok(Spans::new(spans.collect::<anyhow::Result<_>>()?)?)
    };
    read().with_context(|| format!("{} cannot be used", folder.display()))
}

pub(super) fn path(root: &Path, lane: Lane, span: Span) -> PathBuf {
    root.join(name::folder(lane)).join(span.to_string())
}

/// What a file says of itself, which has to be what its name says.
pub(super) fn describe(path: &Path) -> anyhow::Result<Description> {
    let read = || Description::of(SerializedFileReader::new(File::open(path)?)?.metadata());
    read().with_context(|| format!("{} cannot be read", path.display()))
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
