//! What all tests of a run share: the servers and the services' programs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use reqwest::Url;
use sqlx::{Connection, PgConnection};
use stack::certificates::{Certificates, NAMES};
use stack::folder::DataFolder;
use stack::places::Places;
use stack::servers::{Servers, Wanted};
use stack::services::build::{Profile, Program, build};

/// The servers of a run. What a killed run left behind is stopped when the next one starts.
pub struct World {
    servers: Servers,
    command_service: PathBuf,
    query_service: PathBuf,
    payment_service: PathBuf,
    console: PathBuf,
    tests: AtomicU32,
}

const PROFILE: Profile = if cfg!(debug_assertions) { Profile::Dev } else { Profile::Release };

impl World {
    /// Builds the services, optimised if this program is, and starts the servers on free ports, with
    /// nothing in them.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let programs = [
            Program::CommandService,
            Program::QueryService,
            Program::PaymentService,
            Program::Console,
        ];
        let [command_service, query_service, payment_service, console] =
            build(PROFILE, programs).await?;
        let places = Places::from_environment()?;
        let folder = DataFolder::open(folder)?;
        let mut servers = Servers::open(folder, Wanted::on_free_ports()?).await?;
        servers.folder().clear()?;
        servers.start(&places).await.context("the test servers")?;
        stop_fsync(servers.databases()?.admin_url()).await?;
        let tests = AtomicU32::new(0);
        Ok(Self { servers, command_service, query_service, payment_service, console, tests })
    }

    /// Stops the servers.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.servers.stop().await?;
        self.servers.folder().clear()
    }

    /// The servers.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The program that decides and records.
    pub fn command_service(&self) -> &Path {
        &self.command_service
    }

    /// The program that answers.
    pub fn query_service(&self) -> &Path {
        &self.query_service
    }

    /// The program that takes part in orders.
    pub fn payment_service(&self) -> &Path {
        &self.payment_service
    }

    /// Makes an authority, and a certificate of it for this machine, in a folder of this name.
    pub fn authority(&self, name: &str) -> Certificates {
        let folder = self.servers.folder().logs().join(name);
        Certificates::make(&folder, &NAMES).expect("certificates can be made")
    }

    /// The program that shows all of it in a browser.
    pub fn console(&self) -> &Path {
        &self.console
    }

    /// A name that no other test of the run has.
    pub fn unique_name(&self) -> String {
        format!("t{}", self.tests.fetch_add(1, Ordering::Relaxed))
    }
}

/// Lets a Postgres write without waiting for the disk: only a machine that fails would show the difference. With
/// the files of hundreds of databases, every checkpoint would keep all of them waiting.
pub async fn stop_fsync(admin: &Url) -> anyhow::Result<()> {
    let mut superuser = PgConnection::connect(admin.as_str()).await?;
    for statement in ["alter system set fsync = off", "select pg_reload_conf()"] {
        sqlx::raw_sql(statement).execute(&mut superuser).await?;
    }
    Ok(())
}
