//! What is measured: real servers on this machine, our services on them, and the others beside
//! them, all as processes of their own.

pub mod build;
pub mod stockbook;
pub mod extend;
pub mod follower;
pub mod rivals;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use reqwest::Url;
use sqlx::{Connection as _, PgConnection};
use stack::folder::DataFolder;
use stack::kafka::Compiling;
use stack::places::Places;
use stack::servers::{Servers, Wanted};

use build::Programs;

/// Where things are, and how large.
#[derive(Debug, Clone, clap::Args)]
pub struct WorldArgs {
    /// Folder for the servers' data while they run; emptied before and after. It should lie on the
    /// disk that is to be measured.
    #[arg(long = "folder", value_name = "DIR", default_value = "/var/tmp/stockbook-load")]
    folder: PathBuf,
    /// Take all programs, ours and theirs, from this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Lanes of the log.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub lanes: u16,
    /// Database connections of every service that answers from a pool, ours and theirs.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub pool: u32,
    /// Items of which requests draw.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub items: u32,
}

/// Running servers, and the programs to start on them.
///
/// Dropped, it kills what it started; [`World::stop`] is the orderly end.
pub struct World {
    servers: Servers,
    programs: Programs,
    /// As asked for.
    pub args: WorldArgs,
    names: AtomicU32,
}

impl World {
    /// Takes the folder and builds what is to be started. Starts nothing yet.
    ///
    /// # Errors
    /// Another run uses the folder, or something cannot be built.
    pub async fn open(args: WorldArgs) -> anyhow::Result<Self> {
        let programs = build::programs(args.binaries.as_deref()).await?;
        let folder = DataFolder::open(&args.folder)?;
        let wanted = Wanted { compiling: Compiling::Fully, ..Wanted::on_free_ports()? };
        let servers = Servers::open(folder, wanted).await?;
        servers.folder().clear()?;
        Ok(Self { servers, programs, args, names: AtomicU32::new(0) })
    }

    /// Starts the servers, with nothing in them.
    ///
    /// # Errors
    /// One cannot be started.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let places = Places::from_environment()?;
        self.servers.start(&places).await.context("the servers")
    }

    /// Stops the servers and removes their data.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.servers.stop().await?;
        self.servers.folder().clear()
    }

    /// The servers.
    #[must_use]
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The folder of the data.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.servers.folder().root()
    }

    /// A name that nothing else of this run has.
    fn unique_name(&self, what: &str) -> String {
        format!("{what}_{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A database of its own for something, by its owner's URL.
    ///
    /// # Errors
    /// Postgres refuses.
    pub async fn database(&self, what: &str) -> anyhow::Result<Url> {
        let urls = self.servers.databases()?.create(&self.unique_name(what)).await?;
        Ok(urls.write_owner)
    }

    /// Writes all that is dirty to the disk, so that no measurement pays for the one before.
    ///
    /// # Errors
    /// Postgres refuses.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let admin_url = self.servers.databases()?.admin_url();
        let mut admin = PgConnection::connect(admin_url.as_str()).await?;
        sqlx::query(include_str!("../queries/write_back.sql")).execute(&mut admin).await?;
        Ok(admin.close().await?)
    }
}
