//! The servers and services that one `up` has started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use futures::future::{join_all, try_join_all};

use super::alarms;
use super::announce::Ready;
use super::keep::keep;
use super::parts::Parts;
use super::secure::Secure;
use super::stop_signal::StopSignal;
use crate::credentials::keep_master_key;
use crate::folder::DataFolder;
use crate::places::Places;
use crate::postgres::databases::DatabaseUrls;
use crate::servers::Servers;
use crate::services::build::{Profile, Program, build_all};
use crate::services::settings::Settings;
use crate::services::{Service, run_task};

/// The prefix of the names of both databases.
const DATABASES: &str = "stockbook";

const READY_MAX: Duration = Duration::from_secs(60);

/// Dropping it kills them; [`Running::stop`] is the orderly way.
pub(crate) struct Running {
    servers: Servers,
    services: Vec<Service>,
    secure: Option<Secure>,
}

impl Running {
    /// Takes the data folder and stops the leftovers of a killed run. Starts nothing yet.
    pub(crate) async fn open(folder: DataFolder, parts: &Parts) -> anyhow::Result<Self> {
        Ok(Self {
            servers: Servers::open(folder, parts.servers.clone()).await?,
            services: Vec::new(),
            secure: None,
        })
    }

    /// Starts everything and waits until it is ready.
    pub(crate) async fn start(&mut self, places: &Places, parts: &Parts) -> anyhow::Result<Ready> {
        // 1. Compile, and start the servers at the same time.
        let programs = parts.programs_needed();
        let (paths, ()) =
            tokio::try_join!(build_services(parts.profile, &programs), self.servers.start(places))?;

        // 2. Databases, then each service with its tables; the first one makes the topic.
        let urls = match &parts.servers.postgres {
            Some(_) => Some(self.servers.databases()?.create(DATABASES).await?),
            None => None,
        };
        if parts.secure {
            self.secure = Some(Secure::prepare(self.servers.folder())?);
        }
        for (program, path) in programs.iter().zip(&paths) {
            let urls = urls.as_ref().context("a service needs Postgres")?;
            match program {
                Program::CommandService => self.start_commands(path, parts, urls).await?,
                Program::QueryService => self.start_queries(path, parts, urls).await?,
                Program::PaymentService => self.start_payments(path)?,
                Program::Console => self.start_console(path, parts).await?,
            }
        }
        try_join_all(self.services.iter_mut().map(|service| service.ready(READY_MAX))).await?;

        Ok(Ready {
            command: parts.urls_of(&parts.command_ports),
            query: parts.urls_of(&parts.query_ports),
            console: parts.urls_of(parts.console_port.as_slice()).pop(),
            access: self.secure.as_ref().map(Secure::access),
            kafka: self.servers.brokers().ok().map(str::to_owned),
            postgres: urls,
            data: self.servers.folder().root().to_owned(),
        })
    }

    /// Restarts parts that end, and shows warnings from their logs, until a signal.
    pub(crate) async fn keep(&mut self, mut stop: StopSignal) {
        let logs: Vec<(String, PathBuf)> = self
            .services
            .iter_mut()
            .map(Service::process)
            .map(|process| (process.name().to_owned(), process.log().to_owned()))
            .collect();
        let keep_all = join_all(self.servers.own().chain(&mut self.services).map(keep));
        let show_all = join_all(logs.into_iter().map(|(name, log)| alarms::show(name, log)));
        tokio::select! {
            _ = async { tokio::join!(keep_all, show_all, std::future::pending::<()>()) } => {}
            () = stop.asked() => {}
        }
    }

    /// Stops the services, then Kafka, then Postgres.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let services = self.services.iter_mut().map(Service::stop);
        let stopped = join_all(services).await;
        let servers = self.servers.stop().await;
        stopped.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        servers
    }

    async fn start_commands(
        &mut self,
        path: &Path,
        parts: &Parts,
        urls: &DatabaseUrls,
    ) -> anyhow::Result<()> {
        let brokers = self.servers.brokers()?.to_owned();
        let keys = self.servers.databases()?.create_keys(DATABASES).await?;
        let master_key = self.servers.folder().master_key();
        keep_master_key(&master_key)?;
        let migrate = Settings::migrate(&urls.write_owner).with_keys(&keys.owner);
        run_task(path, "migrate", &migrate).await?;
        run_task(path, "create-topic", &Settings::create_topic(&brokers)).await?;
        let secure = self.secure.clone();
        if let Some(secure) = &secure {
            secure.make_keys(path, &urls.write_owner).await?;
        }
        let settings = |port| {
            let settings = Settings::command_service(port, &urls.write, &brokers)
                .keeping_personal(&keys.service, &master_key);
            Ok(match &secure {
                Some(secure) => secure.command_service(settings),
                None => settings,
            })
        };
        self.start_all(Program::CommandService, path, &parts.command_ports, settings).await
    }

    async fn start_queries(
        &mut self,
        path: &Path,
        parts: &Parts,
        urls: &DatabaseUrls,
    ) -> anyhow::Result<()> {
        let brokers = self.servers.brokers()?.to_owned();
        run_task(path, "migrate", &Settings::migrate(&urls.read_owner)).await?;
        let (commands, secure) = (command_urls(parts), self.secure.clone());
        // So that an operator can rebuild by the API, as in the demo nothing is at stake.
        let settings = |port| {
            let settings = Settings::query_service(port, &urls.read, &brokers, &commands)
                .with("MIGRATE_DATABASE_URL", urls.read_owner.to_string());
            match &secure {
                Some(secure) => secure.query_service(settings),
                None => Ok(settings),
            }
        };
        self.start_all(Program::QueryService, path, &parts.query_ports, settings).await
    }

    /// Starts one service for each port.
    async fn start_all(
        &mut self,
        program: Program,
        path: &Path,
        ports: &[u16],
        settings: impl Fn(u16) -> anyhow::Result<Settings>,
    ) -> anyhow::Result<()> {
        let folder = self.servers.folder();
        let start = ports.iter().map(|port| {
            let (name, settings) = (format!("{}-{port}", program.name()), settings(*port));
            async move { Service::start(folder, &name, path, &settings?).await }
        });
        let started = try_join_all(start).await?;
        self.services.extend(started);
        Ok(())
    }

    /// Starts the console in front of the first service of each kind.
    async fn start_console(&mut self, path: &Path, parts: &Parts) -> anyhow::Result<()> {
        let first = |ports: &[u16]| parts.urls_of(ports).into_iter().next();
        let (command, query) = first(&parts.command_ports)
            .zip(first(&parts.query_ports))
            .context("the console needs both services")?;
        let secure = self.secure.clone();
        let settings = |port| {
            let settings = Settings::console(port, &command, &query);
            Ok(match &secure {
                Some(secure) => secure.console(settings),
                None => settings,
            })
        };
        self.start_all(Program::Console, path, parts.console_port.as_slice(), settings).await
    }

    fn start_payments(&mut self, path: &Path) -> anyhow::Result<()> {
        let settings = Settings::payment_service(self.servers.brokers()?);
        let name = Program::PaymentService.name();
        let started = Service::participant(self.servers.folder(), name, path, &settings)?;
        self.services.push(started);
        Ok(())
    }
}

async fn build_services(profile: Profile, programs: &[Program]) -> anyhow::Result<Vec<PathBuf>> {
    if programs.is_empty() {
        return Ok(Vec::new());
    }
    tracing::info!("building the services (the first time takes minutes)");
    build_all(profile, programs).await
}

/// A query-service reads events from the command-services of this `up`, or from one on the usual
/// port.
fn command_urls(parts: &Parts) -> Vec<String> {
    if parts.command_ports.is_empty() {
        parts.urls_of(&[parts.command_port])
    } else {
        parts.urls_of(&parts.command_ports)
    }
}
