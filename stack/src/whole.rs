//! Files and folders that are complete or absent, even if the process that makes them is killed: they
//! are made under another name and then renamed.

use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

const PARTIAL: &str = ".partial-";

/// Makes a folder and those above it. Only a new folder gets the mode, and the umask does not reduce
/// it, because Postgres may read the folder as another user.
pub(crate) fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    let cannot = || format!("cannot make the folder {}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(cannot)?;
    }
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made
            .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(mode)))
            .with_context(cannot),
    }
}

/// Makes the folder `target`, unless it is there: `make` fills a folder that then gets its name.
pub(crate) async fn make_whole(
    target: &Path,
    mode: u32,
    make: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    remove_partials(target);
    // Named after this process: a program that outlives its killed stack writes to another folder.
    let partial = with_suffix(target, &format!("{PARTIAL}{}", std::process::id()));
    make_folder(&partial, mode)?;
    make(&partial).await?;
    std::fs::rename(&partial, target).with_context(|| format!("cannot make {}", target.display()))
}

/// Writes a file with exactly this mode.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) fn with_suffix(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The result of removing or renaming a thing that may be absent.
pub(crate) fn ignore_missing(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes what killed processes left of this folder, as far as possible.
fn remove_partials(target: &Path) {
    let start = with_suffix(target, PARTIAL);
    let entries = target.parent().and_then(|parent| std::fs::read_dir(parent).ok());
    for path in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.as_os_str().as_encoded_bytes().starts_with(start.as_os_str().as_encoded_bytes()) {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_folder_is_made_once() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("v1");
        for text in ["first", "second"] {
            let make = async |partial: &Path| Ok(std::fs::write(partial.join("it"), text)?);
            make_whole(&target, 0o755, make).await.unwrap();
        }
        assert_eq!(std::fs::read_to_string(target.join("it")).unwrap(), "first");
        assert_eq!(mode(&target), 0o755);
    }

    #[tokio::test]
    async fn a_failure_leaves_no_folder_and_the_next_attempt_starts_from_nothing() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("v1");
        let failed = make_whole(&target, 0o755, async |partial| {
            std::fs::write(partial.join("half"), "…")?;
            bail!("interrupted")
        });
        failed.await.unwrap_err();
        assert!(!target.exists());
        let killed = place.path().join("v1.partial-1");
        std::fs::create_dir(&killed).unwrap();
        make_whole(&target, 0o755, async |_| Ok(())).await.unwrap();
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0, "nothing of the first attempt");
        assert!(!killed.exists());
    }

    #[test]
    fn a_private_file_is_private_although_an_open_one_was_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("credentials.json");
        std::fs::write(&path, "open to all").unwrap();
        write_whole(&path, b"{}", 0o600).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
    }
}
