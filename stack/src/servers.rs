//! Postgres and Kafka together: our own servers, or external ones.

use anyhow::Context;
use reqwest::Url;

use crate::cache::{self, Programs};
use crate::credentials::Credentials;
use crate::folder::DataFolder;
use crate::kafka::{self, Compiling, KafkaPorts};
use crate::places::Places;
use crate::ports;
use crate::postgres::databases::Databases;
use crate::postgres::{self, Launched};
use crate::process::record::stop_leftovers;
use crate::server::{Server, wait_for_external_kafka};

/// The servers to start or to use.
#[derive(Clone)]
pub struct Wanted {
    pub postgres: Option<PostgresFrom>,
    pub kafka: Option<KafkaFrom>,
    pub compiling: Compiling,
}

/// No `Debug`: the URL has a password.
#[derive(Clone)]
pub enum PostgresFrom {
    /// A server of our own, on this port.
    Own(u16),
    /// The URL of a superuser.
    External(Url),
}

#[derive(Debug, Clone)]
pub enum KafkaFrom {
    Own(KafkaPorts),
    /// `host:port` with commas.
    External(String),
}

impl Wanted {
    /// Both servers of our own, on free ports, for tests.
    pub fn on_free_ports() -> anyhow::Result<Self> {
        let [postgres, broker, controller] = ports::free()?;
        Ok(Self {
            postgres: Some(PostgresFrom::Own(postgres)),
            kafka: Some(KafkaFrom::Own(KafkaPorts { broker, controller })),
            compiling: Compiling::Quickly,
        })
    }
}

/// The servers of one data folder. Dropping it kills them; [`Servers::stop`] is the orderly way.
pub struct Servers {
    folder: DataFolder,
    wanted: Wanted,
    brokers: Option<String>,
    postgres: Option<Server>,
    databases: Option<Databases>,
    kafka: Option<Server>,
}

impl Servers {
    /// Takes the data folder and stops the leftovers of a killed run. Starts nothing yet.
    pub async fn open(folder: DataFolder, wanted: Wanted) -> anyhow::Result<Self> {
        stop_leftovers(&folder.records()).await?;
        let brokers = wanted.kafka.as_ref().map(|kafka| match kafka {
            KafkaFrom::Own(ports) => ports.brokers(),
            KafkaFrom::External(brokers) => brokers.clone(),
        });
        Ok(Self { folder, wanted, brokers, postgres: None, databases: None, kafka: None })
    }

    /// Starts both servers at the same time, waits until they answer, and creates the roles.
    ///
    /// After an interruption or an error, [`Servers::stop`] stops the servers that were started.
    pub async fn start(&mut self, places: &Places) -> anyhow::Result<()> {
        let programs = match (&self.wanted.postgres, &self.wanted.kafka) {
            (Some(PostgresFrom::Own(_)), _) | (_, Some(KafkaFrom::Own(_))) => {
                Some(cache::fetch(places).await?)
            }
            _ => None,
        };
        let credentials = Credentials::keep(&self.folder.credentials())?;
        let postgres = start_postgres(
            &self.folder,
            self.wanted.postgres.as_ref(),
            programs.as_ref(),
            credentials,
            &mut self.postgres,
        );
        let kafka =
            start_kafka(&self.folder, &self.wanted, programs.as_ref(), places, &mut self.kafka);
        // Boxed, because the two are large and part of every caller's future.
        let (databases, ()) = tokio::try_join!(Box::pin(postgres), Box::pin(kafka))?;
        self.databases = databases;
        Ok(())
    }

    /// Stops our own servers: Kafka, then Postgres.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let kafka = match self.kafka.take() {
            Some(mut kafka) => kafka.stop().await.map(drop),
            None => Ok(()),
        };
        let postgres = match self.postgres.take() {
            Some(mut postgres) => postgres.stop().await.map(drop),
            None => Ok(()),
        };
        kafka.and(postgres)
    }

    #[must_use]
    pub fn folder(&self) -> &DataFolder {
        &self.folder
    }

    /// Kafka's addresses, `host:port` with commas.
    pub fn brokers(&self) -> anyhow::Result<&str> {
        self.brokers.as_deref().context("there is no Kafka")
    }

    pub fn databases(&self) -> anyhow::Result<&Databases> {
        self.databases.as_ref().context("there is no Postgres")
    }

    /// The servers that were started here.
    pub fn own(&mut self) -> impl Iterator<Item = &mut Server> {
        self.postgres.iter_mut().chain(&mut self.kafka)
    }
}

async fn start_postgres(
    folder: &DataFolder,
    wanted: Option<&PostgresFrom>,
    programs: Option<&Programs>,
    credentials: Credentials,
    slot: &mut Option<Server>,
) -> anyhow::Result<Option<Databases>> {
    let (admin_url, counts_statements) = match (wanted, programs) {
        (Some(PostgresFrom::Own(port)), Some(programs)) => {
            let Launched { server, admin_url, counts_statements } =
                postgres::launch(folder, programs, &credentials, *port).await?;
            slot.insert(server).ready().await?;
            (admin_url, counts_statements)
        }
        (Some(PostgresFrom::External(admin_url)), _) => (admin_url.clone(), false),
        (Some(PostgresFrom::Own(_)) | None, _) => return Ok(None),
    };
    let databases = Databases::open(admin_url, credentials).await?;
    if counts_statements {
        databases.enable_statement_statistics().await?;
    }
    Ok(Some(databases))
}

async fn start_kafka(
    folder: &DataFolder,
    wanted: &Wanted,
    programs: Option<&Programs>,
    places: &Places,
    slot: &mut Option<Server>,
) -> anyhow::Result<()> {
    match (&wanted.kafka, programs) {
        (Some(KafkaFrom::Own(ports)), Some(programs)) => {
            let java = places.java();
            let launched = kafka::launch(folder, programs, &java, *ports, wanted.compiling).await?;
            slot.insert(launched).ready().await
        }
        (Some(KafkaFrom::External(brokers)), _) => wait_for_external_kafka(brokers).await,
        (Some(KafkaFrom::Own(_)) | None, _) => Ok(()),
    }
}
