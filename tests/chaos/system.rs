//! The system under test: real servers, two instances of each service, and ways between all of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use integration_tests::link::{Link, OpenLink};
use integration_tests::{Api, Commits, Pair, stop_fsync};
use reqwest::Url;
use sqlx::{Connection, PgConnection};
use stack::folder::DataFolder;
use stack::kafka::Extras;
use stack::places::Places;
use stack::ports;
use stack::postgres::databases::DatabaseUrls;
use stack::servers::{Servers, Wanted};
use stack::services::build::{Profile, Program, build};
use stack::services::settings::Settings;
use stack::services::{Service, run_task};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::schedule::{End, Part};

pub(crate) const LANES: u16 = 8;
pub(crate) const TOPIC: &str = "chaos.events";

/// How long a part may take until it works again.
pub(crate) const RECOVERY_MAX: Duration = Duration::from_secs(90);

const PROFILE: Profile = if cfg!(debug_assertions) { Profile::Dev } else { Profile::Release };

/// A service with the ways to what it needs, and from its clients.
pub(crate) struct Instance {
    pub(crate) service: Mutex<Service>,
    /// As its clients reach it.
    pub(crate) api: Api,
    /// As those reach it who check it.
    pub(crate) direct: Api,
    postgres: Link,
    kafka: Link,
    clients: Link,
}

/// A server of our own.
pub(crate) struct Server {
    servers: Mutex<Servers>,
}

/// The Postgres of the run.
pub(crate) enum Database {
    Alone(Box<Server>),
    /// With a synchronous standby.
    Pair(Box<Mutex<Pair>>),
}

/// How long parts take to come back. What a killed process has written is with the system in either case: only
/// a machine that fails would show the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Postgres does not wait for the disk, and the consumers' sessions are short.
    Quick,
    /// As the services and servers are set up elsewhere.
    Usual,
}

impl Pace {
    fn session_timeout(self) -> &'static str {
        match self {
            Self::Quick => "2000",
            Self::Usual => "6000",
        }
    }
}

pub(crate) struct System {
    pace: Pace,
    pub(crate) commands: Vec<Instance>,
    pub(crate) queries: Vec<Instance>,
    pub(crate) postgres: Database,
    pub(crate) kafka: Server,
    /// Around all ways.
    pub(crate) urls: DatabaseUrls,
    pub(crate) brokers: String,
    admin: Url,
    command_service: PathBuf,
    query_service: PathBuf,
}

/// The ways of an instance before their ends are known.
struct OpenWays {
    postgres: OpenLink,
    kafka: OpenLink,
    clients: OpenLink,
}

impl OpenWays {
    async fn bind() -> anyhow::Result<Self> {
        let (postgres, kafka, clients) =
            (OpenLink::bind().await?, OpenLink::bind().await?, OpenLink::bind().await?);
        Ok(Self { postgres, kafka, clients })
    }
}

impl Server {
    async fn start(folder: &Path, wanted: Wanted) -> anyhow::Result<Self> {
        let mut servers = Servers::open(DataFolder::open(folder)?, wanted).await?;
        servers.folder().clear()?;
        servers.start(&Places::from_environment()?).await?;
        Ok(Self { servers: Mutex::new(servers) })
    }

    /// Ends it as `kill -9` does, and starts it again on what it has.
    pub(crate) async fn crash(&self) -> anyhow::Result<Instant> {
        let mut servers = self.servers.lock().await;
        let server = servers.own().next().context("there is a server")?;
        server.kill().await?;
        let lifted = Instant::now();
        server.start_again().await?;
        Ok(lifted)
    }

    async fn stop(&self) -> anyhow::Result<()> {
        let mut servers = self.servers.lock().await;
        servers.stop().await?;
        servers.folder().clear()
    }
}

impl Database {
    async fn start(folder: &Path, wanted: Wanted, has_standby: bool) -> anyhow::Result<Self> {
        Ok(match has_standby {
            true => Self::Pair(Box::new(Mutex::new(Pair::start(folder, Commits::AtBoth).await?))),
            false => Self::Alone(Box::new(Server::start(folder, wanted).await?)),
        })
    }

    /// The databases of the services, and the superuser.
    async fn create(&self) -> anyhow::Result<(DatabaseUrls, Url)> {
        match self {
            Self::Alone(server) => {
                let servers = server.servers.lock().await;
                let databases = servers.databases()?;
                Ok((databases.create("chaos").await?, databases.admin_url().clone()))
            }
            Self::Pair(pair) => {
                let pair = pair.lock().await;
                Ok((pair.create("chaos").await?, pair.admin_url()))
            }
        }
    }

    pub(crate) async fn crash(&self) -> anyhow::Result<Instant> {
        match self {
            Self::Alone(server) => server.crash().await,
            Self::Pair(_) => bail!("a server with a standby is not started again"),
        }
    }

    /// Ends the primary and lets the standby take its place.
    pub(crate) async fn fail_over(&self) -> anyhow::Result<Instant> {
        let Self::Pair(pair) = self else { bail!("there is no standby") };
        let killed = Instant::now();
        pair.lock().await.fail_over().await?;
        Ok(killed)
    }

    /// Makes another standby while everybody works, and lets commits wait for it.
    pub(crate) async fn rejoin(&self) -> anyhow::Result<()> {
        match self {
            Self::Alone(_) => Ok(()),
            Self::Pair(pair) => pair.lock().await.rejoin().await,
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Alone(server) => server.stop().await,
            Self::Pair(pair) => pair.into_inner().stop().await,
        }
    }
}

/// A node that each of four services reaches by its own listener, which says the way's port.
fn listeners(ways: &[OpenWays]) -> anyhow::Result<(Extras, [u16; 4])> {
    let ports: [u16; 4] = ports::free()?;
    let mut listens =
        "PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}".to_owned();
    let mut says = "PLAINTEXT://127.0.0.1:{broker}".to_owned();
    let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    for (nth, (port, way)) in ports.iter().zip(ways).enumerate() {
        listens += &format!(",WAY{nth}://127.0.0.1:{port}");
        says += &format!(",WAY{nth}://127.0.0.1:{}", way.kafka.port);
        protocols += &format!(",WAY{nth}:PLAINTEXT");
    }
    let properties = format!(
        "\nlisteners={listens}\nadvertised.listeners={says}\n\
         listener.security.protocol.map={protocols}\ninter.broker.listener.name=PLAINTEXT\n\
         group.min.session.timeout.ms=1000\n"
    );
    Ok((Extras { properties, ..Extras::default() }, ports))
}

/// Copies of the programs: a build in the middle of a run changes none. What a killed run left may still run.
fn keep(folder: &Path, programs: &[PathBuf; 2]) -> anyhow::Result<[PathBuf; 2]> {
    let copies = ["command-service", "query-service"].map(|name| folder.join(name));
    std::fs::create_dir_all(folder)?;
    for (program, copy) in programs.iter().zip(&copies) {
        if copy.exists() {
            std::fs::remove_file(copy)?;
        }
        std::fs::copy(program, copy).context("a program cannot be copied")?;
    }
    Ok(copies)
}

/// The same URL by a way.
fn by(url: &Url, port: u16) -> Url {
    let mut url = url.clone();
    url.set_port(Some(port)).expect("a database's URL has a port");
    url
}

impl System {
    /// Everything on free ports, with nothing in it.
    pub(crate) async fn start(
        folder: &Path,
        pace: Pace,
        has_standby: bool,
    ) -> anyhow::Result<Self> {
        let programs = [Program::CommandService, Program::QueryService];
        let built = build(PROFILE, programs).await?;
        let [command_service, query_service] = keep(folder, &built)?;
        let mut ways = Vec::new();
        for _ in 0..4 {
            ways.push(OpenWays::bind().await?);
        }
        let (kafka_extras, listens) = listeners(&ways)?;
        let wanted = Wanted { kafka_extras, ..Wanted::on_free_ports()? };
        let only_postgres = Wanted { kafka: None, ..wanted.clone() };
        let only_kafka = Wanted { postgres: None, ..wanted };
        let (postgres, kafka) = (folder.join("postgres"), folder.join("kafka"));
        let (postgres, kafka) = tokio::try_join!(
            Box::pin(Database::start(&postgres, only_postgres, has_standby)),
            Box::pin(Server::start(&kafka, only_kafka)),
        )?;
        let (urls, admin) = postgres.create().await?;
        let brokers = kafka.servers.lock().await.brokers()?.to_owned();
        let mut system = Self {
            pace,
            commands: Vec::new(),
            queries: Vec::new(),
            postgres,
            kafka,
            urls,
            brokers,
            admin,
            command_service,
            query_service,
        };
        if pace == Pace::Quick {
            stop_fsync(&system.admin).await?;
        }
        system.prepare().await?;
        for (nth, (ways, listens)) in ways.into_iter().zip(listens).enumerate() {
            system.add(nth, ways, listens).await?;
        }
        for instance in system.commands.iter().chain(&system.queries) {
            instance.service.lock().await.ready(RECOVERY_MAX).await?;
        }
        Ok(system)
    }

    /// Tables and topics.
    async fn prepare(&self) -> anyhow::Result<()> {
        let programs = [
            (&self.command_service, &self.urls.write_owner),
            (&self.query_service, &self.urls.read_owner),
        ];
        for (program, owner) in programs {
            let settings = Settings::migrate(owner).with("LANES", LANES.to_string());
            run_task(program, "migrate", &settings).await?;
        }
        self.create_topic().await
    }

    pub(crate) async fn create_topic(&self) -> anyhow::Result<()> {
        let settings = Settings::create_topic(&self.brokers)
            .with("TOPIC", TOPIC)
            .with("LANES", LANES.to_string());
        run_task(&self.command_service, "create-topic", &settings).await
    }

    /// Two command-services, then two query-services.
    async fn add(&mut self, nth: usize, ways: OpenWays, listens: u16) -> anyhow::Result<()> {
        let OpenWays { postgres, kafka, clients } = ways;
        let brokers = format!("127.0.0.1:{}", kafka.port);
        let url = if nth < 2 { &self.urls.write } else { &self.urls.read };
        let server = url.port().context("the database has a port")?;
        let database = by(url, postgres.port);
        let (program, settings) = if nth < 2 {
            (&self.command_service, Settings::command_service(0, &database, &brokers))
        } else {
            let urls: Vec<String> = self
                .commands
                .iter()
                .map(|one| format!("http://127.0.0.1:{}", one.clients.port))
                .collect();
            let settings = Settings::query_service(0, &database, &brokers, &urls)
                .with("SESSION_TIMEOUT_MS", self.pace.session_timeout())
                .with("ALERTS_TOPIC", "chaos.alerts");
            (&self.query_service, settings)
        };
        let settings = settings.with("TOPIC", TOPIC);
        let name = ["command-0", "command-1", "query-0", "query-1"][nth];
        let (postgres, kafka) = (postgres.lead_to(server), kafka.lead_to(listens));
        let service = {
            let servers = self.kafka.servers.lock().await;
            Service::start(servers.folder(), name, program, &settings).await?
        };
        let direct = service.url();
        let port = Url::parse(&direct)?.port().context("a service has a port")?;
        let instance = Instance {
            api: Api::new(&format!("http://127.0.0.1:{}", clients.port)),
            direct: Api::new(&direct),
            service: Mutex::new(service),
            postgres,
            kafka,
            clients: clients.lead_to(port),
        };
        if nth < 2 {
            self.commands.push(instance)
        } else {
            self.queries.push(instance)
        }
        Ok(())
    }

    /// A service's instance.
    pub(crate) fn instance(&self, part: Part) -> Option<&Instance> {
        match part {
            Part::Command(nth) => self.commands.get(nth),
            Part::Query(nth) => self.queries.get(nth),
            Part::Kafka | Part::Postgres => None,
        }
    }

    /// A connection as superuser, around all ways; an empty name is the server's own database.
    pub(crate) async fn superuser(&self, database: &str) -> anyhow::Result<PgConnection> {
        let mut url = self.admin.clone();
        if !database.is_empty() {
            url.set_path(database);
        }
        let connect = timeout(Duration::from_secs(5), PgConnection::connect(url.as_str()));
        connect.await.context("Postgres does not answer")?.context("cannot connect to Postgres")
    }

    /// `command-service verify`: the first difference that it finds.
    pub(crate) async fn verify(&self) -> Option<String> {
        let settings = Settings::default().with("WRITE_DATABASE_URL", self.urls.write.as_str());
        let verified = run_task(&self.command_service, "verify", &settings).await;
        verified.err().map(|error| format!("{error:#}"))
    }

    /// A subcommand of query-service, as its owner runs it; what it says.
    pub(crate) async fn query_task(&self, arguments: &[&str]) -> Result<String, String> {
        let urls: Vec<&str> = self.commands.iter().map(|one| one.direct.base()).collect();
        let output = Command::new(&self.query_service)
            .args(arguments)
            .env("MIGRATE_DATABASE_URL", self.urls.read_owner.as_str())
            .env("COMMAND_URL", urls.join(","))
            .env("NO_COLOR", "1")
            .kill_on_drop(true)
            .output();
        let output = output.await.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    /// Stops everything and forgets it.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let stop = async |instance: &Instance| {
            let ended = instance.service.lock().await.stop().await?;
            anyhow::ensure!(ended.success(), "a service did not end cleanly: {ended}");
            Ok(())
        };
        let services = self.queries.iter().chain(&self.commands);
        futures::future::try_join_all(services.map(stop)).await?;
        futures::try_join!(Box::pin(self.kafka.stop()), Box::pin(self.postgres.stop()))?;
        Ok(())
    }
}

impl Instance {
    pub(crate) fn link(&self, end: End) -> &Link {
        match end {
            End::Postgres => &self.postgres,
            End::Kafka => &self.kafka,
            End::Clients => &self.clients,
        }
    }
}
