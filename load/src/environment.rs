//! What is measured: real servers on this machine with Stockbook's services and the others on
//! them, each in its own process.

pub(crate) mod baseline;
pub(crate) mod query_service;
pub(crate) mod stockbook;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::Url;
use sqlx::{Connection as _, PgConnection};
use stack::folder::DataFolder;
use stack::kafka::Compiling;
use stack::places::Places;
use stack::servers::{Servers, Wanted};
use stack::services::build::cargo;
use stack::up::stop_signal::StopSignal;

use crate::drive::{Load, drive};
use crate::requests::{Ask, Requests, Sku};
use stockbook::Stockbook;

const PROGRAMS: [&str; 5] =
    ["command-service", "query-service", "update-service", "select-service", "cqrs-es-service"];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EnvironmentArgs {
    /// Folder for the servers' data while they run; emptied before and after. It should be on the
    /// disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp/stockbook-load")]
    folder: PathBuf,
    /// Take all programs from this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

/// Lanes of the log.
pub(crate) const LANES: &str = "16";

/// Database connections of every service.
pub(crate) const POOL: &str = "16";

/// Units of every item at the start: nothing runs out.
pub(crate) const PLENTY: i64 = 1_000_000_000;

/// Items that requests draw from.
pub(crate) const ITEMS: u32 = 10_000;

/// Running servers, and the programs to start on them.
pub(crate) struct Environment {
    pub(crate) servers: Servers,
    binaries: PathBuf,
    names: AtomicU32,
}

impl Environment {
    /// Starts the servers, does the work and stops the servers, whatever happens. Services that
    /// the work started end when they are dropped.
    pub(crate) async fn run<T>(
        args: EnvironmentArgs,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let binaries = binaries(args.binaries.as_deref()).await?;
        let folder = DataFolder::open(&args.folder)?;
        let wanted = Wanted { compiling: Compiling::Fully, ..Wanted::on_free_ports()? };
        let servers = Servers::open(folder, wanted).await?;
        servers.folder().clear()?;
        let mut environment = Self { servers, binaries, names: AtomicU32::new(0) };
        let mut stop = StopSignal::listen()?;
        let done = tokio::select! {
            done = Box::pin(async {
                let places = Places::from_environment()?;
                environment.servers.start(&places).await.context("the servers")?;
                work(&environment).await
            }) => done,
            () = stop.asked() => Err(anyhow::anyhow!("stopped before the end")),
        };
        let stopped = environment.servers.stop().await.context("the servers cannot be stopped");
        let cleared = environment.servers.folder().clear();
        let done = done?;
        stopped.and(cleared)?;
        Ok(done)
    }

    /// A name that nothing else in this run has.
    fn unique_name(&self, what: &str) -> String {
        format!("{what}_{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// A new database, by its owner's URL.
    pub(crate) async fn database(&self, what: &str) -> anyhow::Result<Url> {
        Ok(self.servers.databases()?.create(&self.unique_name(what)).await?.write_owner)
    }

    /// The names of all items.
    pub(crate) fn skus(&self) -> Vec<String> {
        (0..ITEMS).map(|item| Sku(item).to_string()).collect()
    }

    /// Writes all changed pages to the disk, so that no measurement pays for the one before.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        let admin_url = self.servers.databases()?.admin_url();
        let mut admin = PgConnection::connect(admin_url.as_str()).await?;
        sqlx::query(include_str!("../queries/checkpoint.sql")).execute(&mut admin).await?;
        Ok(admin.close().await?)
    }

    /// Drives Kafka through a Stockbook that is thrown away: Java compiles the code that runs
    /// often, and everything measured before that is too slow.
    pub(crate) async fn warm_up(&self, duration: Duration) -> anyhow::Result<()> {
        let stockbook = Stockbook::start(self, &[]).await?;
        stockbook.fill(&self.skus(), 1).await?;
        let receipts = Requests::new(Ask::Receive, 0..ITEMS);
        let load = Load::closed(64, Duration::ZERO, duration);
        drive(stockbook.address, &load, receipts.renderers()).await?;
        stockbook.stop().await
    }
}

/// The folder with all programs: the given one, or the one of this program after building the
/// others into it.
async fn binaries(ready: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = match ready {
        Some(folder) => std::path::absolute(folder)?,
        None => {
            let this = std::env::current_exe().context("the path of this program is unknown")?;
            let folder = this.parent().context("this program is in no folder")?.to_owned();
            let target = folder.parent().context("this program is not in a target folder")?;
            // The services are built as the image builds them, so not together with the others.
            build("Cargo.toml", &["command-service", "query-service"], target).await?;
            build("Cargo.toml", &["baselines"], target).await?;
            build("peers/Cargo.toml", &["peers"], target).await?;
            folder
        }
    };
    for program in PROGRAMS.map(|name| folder.join(name)) {
        ensure!(program.is_file(), "there is no {}", program.display());
    }
    Ok(folder)
}

async fn build(manifest: &str, packages: &[&str], target: &Path) -> anyhow::Result<()> {
    let mut cargo = cargo();
    cargo
        .args(["build", "--locked", "--bins", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest))
        .arg("--target-dir")
        .arg(target);
    for package in packages {
        cargo.args(["--package", package]);
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    if !cargo.status().await.context("cannot run cargo")?.success() {
        bail!("{} cannot be built", packages.join(" and "));
    }
    Ok(())
}
