//! Files and folders that are there whole or not at all, whenever the process that makes them is
//! killed: made under another name first, then renamed.

use std::fs::{OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Makes a folder and what is above it. Only a new one gets the mode, whatever the umask says:
/// Postgres may have to read it as another user.
///
/// # Errors
/// It cannot be made.
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

/// Makes the folder `target` through `make`, which fills the folder it is handed, unless it is
/// there already.
///
/// # Errors
/// What `make` fails with, or the folder cannot be written.
pub(crate) async fn make_whole(
    target: &Path,
    mode: u32,
    make: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    remove_partials(target);
    // Named after this process: a program that outlived its killed stack writes where nobody reads.
    let partial = beside(target, &format!("{PARTIAL}{}", std::process::id()));
    make_folder(&partial, mode)?;
    make(&partial).await?;
    std::fs::rename(&partial, target).with_context(|| format!("cannot make {}", target.display()))
}

/// Writes a file with this mode, whatever the umask says.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let partial = beside(path, &format!("{PARTIAL}{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        ignore_missing(std::fs::remove_file(&partial))?;
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&partial)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The same path with an ending more.
pub(crate) fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A removal after which the thing is not there, be it that it never was.
pub(crate) fn ignore_missing(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

const PARTIAL: &str = ".partial-";

/// Removes what killed processes left of this folder, as far as it can be: it is in nobody's way.
fn remove_partials(target: &Path) {
    let start = beside(target, PARTIAL);
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
    async fn what_fails_half_way_leaves_no_folder_and_is_begun_anew() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("v1");
        let failed = make_whole(&target, 0o755, async |partial| {
            std::fs::write(partial.join("half"), "…")?;
            bail!("cut off")
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
    fn a_private_file_is_private_whatever_was_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("credentials.json");
        std::fs::write(&path, "open to all").unwrap();
        write_whole(&path, b"{}", 0o600).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
    }
}
