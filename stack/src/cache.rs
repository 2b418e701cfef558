//! The servers' programs: fetched once by Maven and kept in the user's cache folder.
//!
//! A folder in the cache is complete or absent. Its name has the pinned versions, so that another
//! version is another folder.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use lzma_rust2::XzReader;
use tokio::process::Command;

use crate::places::Places;
use crate::process::run;
use crate::user::User;
use crate::whole::{make_folder, make_whole, with_suffix};

/// The project that Maven is given. A test keeps the versions here and there the same.
const POM: &str = include_str!("../pom.xml");
const POSTGRES_VERSION: &str = "18.4.0";
const KAFKA_VERSION: &str = "4.3.1";

/// As the data folders of Postgres name it.
pub(crate) const POSTGRES_MAJOR: &str = "18";

/// The cache of root when Postgres' user cannot enter root's own, `/root/.cache`.
const SHARED_CACHE: &str = "/var/cache/stockbook";

/// The fetched programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    jars: PathBuf,
    platform: &'static str,
}

/// Fetches the servers' programs unless they are there already.
pub(crate) async fn fetch(places: &Places) -> anyhow::Result<Programs> {
    let platform = platform(std::env::consts::OS, std::env::consts::ARCH)?;
    let name = format!("postgres-{POSTGRES_VERSION}-kafka-{KAFKA_VERSION}-{platform}");
    let jars = places.cache()?.join(name);
    if !jars.is_dir() {
        crate::java::check(&places.java(), true).await?;
        complete(&jars, async |partial| run_maven(partial, platform).await).await?;
    }
    Ok(Programs { jars, platform })
}

/// The name of this machine in Maven's artifacts.
fn platform(os: &str, arch: &str) -> anyhow::Result<&'static str> {
    Ok(match (os, arch) {
        ("linux", "x86_64") => "linux-amd64",
        ("linux", "aarch64") => "linux-arm64v8",
        ("macos", "x86_64") => "darwin-amd64",
        ("macos", "aarch64") => "darwin-arm64v8",
        _ => bail!(
            "there is no Postgres to fetch for {os} on {arch}; use your own servers with \
             DATABASE_URL and KAFKA_BROKERS"
        ),
    })
}

impl Programs {
    #[must_use]
    pub(crate) fn kafka_class_path(&self) -> PathBuf {
        self.jars.join("*")
    }

    /// The folder with Postgres' `bin`, `lib` and `share`, unpacked once where `user` can run it.
    pub(crate) async fn postgres(&self, user: Option<User>) -> anyhow::Result<PathBuf> {
        let Self { jars, platform } = self;
        let home = match user {
            Some(user) if !user.may_enter(jars) => {
                make_folder(Path::new(SHARED_CACHE), 0o755)?;
                Path::new(SHARED_CACHE).join(format!("postgres-{POSTGRES_VERSION}-{platform}"))
            }
            _ => jars.join("postgres"),
        };
        let jar = format!("embedded-postgres-binaries-{platform}-{POSTGRES_VERSION}.jar");
        let jar = jars.join(jar);
        complete(&home, async |partial| {
            let partial = partial.to_owned();
            tokio::task::spawn_blocking(move || unpack_postgres(&jar, &partial))
                .await
                .context("unpacking Postgres was interrupted")?
        })
        .await?;
        Ok(home)
    }
}

/// Makes a folder of the cache. Of several processes that want it, one does and the others wait.
async fn complete(
    target: &Path,
    make: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    let parent = target.parent().context("a folder of the cache is in a folder")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let _lock = lock(&with_suffix(target, ".lock")).await?;
    make_whole(target, 0o755, make).await
}

/// The lock ends with the process that holds it.
async fn lock(path: &Path) -> anyhow::Result<File> {
    let cannot = || format!("cannot lock {}", path.display());
    let lock = File::options().create(true).truncate(false).write(true).open(path);
    let lock = lock.with_context(cannot)?;
    if lock.try_lock().is_ok() {
        return Ok(lock);
    }
    tracing::info!("another process is fetching the servers; waiting for it");
    let wait = move || lock.lock().map(|()| lock);
    tokio::task::spawn_blocking(wait).await.context("waiting was interrupted")?.with_context(cannot)
}

/// Maven copies every jar, with verified checksums, into the folder.
async fn run_maven(folder: &Path, platform: &str) -> anyhow::Result<()> {
    tracing::info!("fetching Postgres and Kafka with Maven (once, about 60 MB)");
    let pom = with_suffix(folder, ".pom.xml");
    std::fs::write(&pom, POM).with_context(|| format!("cannot write {}", pom.display()))?;
    let mut maven = Command::new("mvn");
    maven
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .arg(format!("-Dpostgres.platform={platform}"))
        .arg(format!("-DoutputDirectory={}", folder.display()))
        .arg("dependency:copy-dependencies");
    run(&mut maven).await.context("the servers cannot be fetched")?;
    std::fs::remove_file(&pom).with_context(|| format!("cannot remove {}", pom.display()))
}

/// The jar is a zip with one `.txz`, a tar compressed with xz.
fn unpack_postgres(jar: &Path, into: &Path) -> anyhow::Result<()> {
    let not_in_jar = || format!("{} has no Postgres in it", jar.display());
    let file = File::open(jar).with_context(|| format!("cannot read {}", jar.display()))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).with_context(not_in_jar)?;
    let name = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| name.ends_with(".txz"))
        .with_context(not_in_jar)?
        .into_owned();
    let compressed = archive.by_name(&name).with_context(not_in_jar)?;
    tar::Archive::new(XzReader::new(BufReader::new(compressed), false))
        .unpack(into)
        .with_context(|| format!("cannot unpack Postgres into {}", into.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_pom() {
        for (name, version) in [("postgres", POSTGRES_VERSION), ("kafka", KAFKA_VERSION)] {
            let property = format!("<{name}.version>{version}</{name}.version>");
            assert!(POM.contains(&property), "{property}");
        }
        assert!(POSTGRES_VERSION.starts_with(&format!("{POSTGRES_MAJOR}.")));
    }

    #[test]
    fn a_platform_without_postgres_is_refused_with_an_alternative() {
        assert_eq!(platform("macos", "aarch64").unwrap(), "darwin-arm64v8");
        let message = platform("linux", "riscv64").unwrap_err().to_string();
        assert!(message.contains("DATABASE_URL"), "{message}");
    }

    #[tokio::test]
    async fn two_at_the_same_time_make_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("v1");
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
