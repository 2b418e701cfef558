//! The servers' programs, fetched once by Maven and kept under the user's cache folder.
//!
//! A folder of the cache is whole or not there. Its name holds the pinned versions, so that another
//! version is another folder.

pub mod pinned;
mod unpack;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::places::Places;
use crate::user::User;
use crate::whole::{beside, make_folder, make_whole};
use pinned::{Pinned, Platform};

/// How long another process's download is waited for.
const OTHER_FETCH_MAX: Duration = Duration::from_secs(15 * 60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The cache of root, when Postgres' user cannot enter root's own (`/root/.cache`).
const SHARED_CACHE: &str = "/var/cache/stockbook";

/// Where the fetched programs lie.
#[derive(Debug, Clone)]
pub struct Programs {
    jars: PathBuf,
    pinned: Pinned,
    platform: Platform,
}

/// Fetches the servers' programs unless they are there already.
///
/// # Errors
/// Java or Maven is missing, the download fails, or the cache cannot be written.
pub async fn fetch(places: &Places) -> anyhow::Result<Programs> {
    let pinned = Pinned::from_pom()?;
    let platform = Platform::of_this_machine()?;
    let jars = places.cache()?.join(pinned.folder_name(platform));
    if !jars.is_dir() {
        crate::java::check_java_and_maven(&places.java()).await?;
        complete(&jars, async |partial| run_maven(partial, platform).await).await?;
    }
    Ok(Programs { jars, pinned, platform })
}

impl Programs {
    /// The class path of Kafka.
    #[must_use]
    pub fn kafka_class_path(&self) -> PathBuf {
        self.jars.join("*")
    }

    /// The major version of Postgres, as its data folders name it.
    #[must_use]
    pub fn postgres_major(&self) -> &str {
        self.pinned.postgres_major()
    }

    /// The folder with Postgres' `bin`, `lib` and `share`, unpacked once, where `user` can run it.
    ///
    /// # Errors
    /// It cannot be unpacked.
    pub async fn postgres(&self, user: Option<User>) -> anyhow::Result<PathBuf> {
        let beside = self.jars.join("postgres");
        let home = match user {
            Some(user) if !user.may_enter(&self.jars) => {
                let shared = Path::new(SHARED_CACHE);
                make_folder(shared, 0o755)?;
                shared.join(format!("postgres-{}-{}", self.pinned.postgres, self.platform.name()))
            }
            _ => beside,
        };
        let jar = self.jars.join(self.pinned.postgres_jar(self.platform));
        complete(&home, async |partial| {
            let partial = partial.to_owned();
            tokio::task::spawn_blocking(move || unpack::postgres(&jar, &partial))
                .await
                .context("unpacking Postgres was cut off")?
        })
        .await?;
        Ok(home)
    }
}

/// Makes a folder of the cache, by one process at a time.
async fn complete(
    target: &Path,
    make: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    let parent = target.parent().context("a folder of the cache lies in a folder")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let _lock = lock(&beside(target, ".lock")).await?;
    make_whole(target, 0o755, make).await
}

/// Takes a lock that ends with the process that holds it.
async fn lock(path: &Path) -> anyhow::Result<File> {
    let cannot = || format!("cannot lock {}", path.display());
    let lock =
        File::options().create(true).truncate(false).write(true).open(path).with_context(cannot)?;
    let deadline = Instant::now() + OTHER_FETCH_MAX;
    let mut told = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                bail!("another process has been fetching for too long; it holds {}", path.display())
            }
            Err(TryLockError::WouldBlock) => {
                if !told {
                    tracing::info!("another process is fetching the servers, waiting for it");
                    told = true;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// Has Maven bring every jar, checksums verified, into the folder.
async fn run_maven(folder: &Path, platform: Platform) -> anyhow::Result<()> {
    tracing::info!("fetching Postgres and Kafka with Maven (once, about 60 MB)");
    // Maven reads a file, and beside it would look for a project's own settings: a folder apart.
    let pom = beside(folder, ".pom.xml");
    std::fs::write(&pom, pinned::POM).with_context(|| format!("cannot write {}", pom.display()))?;
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .arg(format!("-Dpostgres.platform={}", platform.name()))
        .arg(format!("-DoutputDirectory={}", folder.display()))
        .arg("dependency:copy-dependencies")
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run mvn")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("Maven could not fetch the servers:\n{}", String::from_utf8_lossy(&said).trim());
    }
    std::fs::remove_file(&pom).with_context(|| format!("cannot remove {}", pom.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_at_once_make_it_once() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("v1");
        let made = std::cell::Cell::new(0);
        let make = async |_: &Path| {
            made.set(made.get() + 1);
            tokio::task::yield_now().await;
            Ok(())
        };
        let (first, second) = tokio::join!(complete(&target, make), complete(&target, make));
        first.unwrap();
        second.unwrap();
        assert_eq!(made.get(), 1);
    }
}
