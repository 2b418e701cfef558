//! Postgres and Kafka together: our own servers, or external ones.

use anyhow::Context;
use reqwest::Url;

use crate::cache::{self, Programs};
use crate::credentials::Credentials;
use crate::folder::DataFolder;
use crate::kafka::{self, Compiling, Extras};
use crate::places::Places;
use crate::ports;
use crate::postgres;
use crate::postgres::databases::Databases;
use crate::process::record::stop_leftovers;
use crate::server::wait_for_external_kafka;
use crate::services::{START_MAX, Service};

/// The servers to start or to use.
#[derive(Clone)]
pub struct Wanted {
    pub postgres: Option<PostgresFrom>,
    pub kafka: Option<KafkaFrom>,
    pub compiling: Compiling,
    pub kafka_extras: Extras,
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
    /// A node of our own, on this port; its controller uses the next one.
    Own(u16),
    /// `host:port` with commas.
    External(String),
}

impl Wanted {
    /// Both servers of our own, on free ports, for tests.
    pub fn on_free_ports() -> anyhow::Result<Self> {
        let [postgres, kafka] = ports::free()?;
        Ok(Self {
            postgres: Some(PostgresFrom::Own(postgres)),
            kafka: Some(KafkaFrom::Own(kafka)),
            compiling: Compiling::Quickly,
            kafka_extras: Extras::default(),
        })
    }

    fn brokers(&self) -> Option<String> {
        Some(match self.kafka.as_ref()? {
            KafkaFrom::Own(port) => kafka::brokers(*port),
            KafkaFrom::External(brokers) => brokers.clone(),
        })
    }
}

/// The servers of one data folder. Dropping it kills them; [`Servers::stop`] is the orderly way.
pub struct Servers {
    folder: DataFolder,
    wanted: Wanted,
    brokers: Option<String>,
    postgres: Option<Service>,
    databases: Option<Databases>,
    kafka: Option<Service>,
}

impl Servers {
    /// Takes the data folder and stops the leftovers of a killed run. Starts nothing yet.
    pub async fn open(folder: DataFolder, wanted: Wanted) -> anyhow::Result<Self> {
        stop_leftovers(&folder.records()).await?;
        let brokers = wanted.brokers();
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
        let (folder, wanted, programs) = (&self.folder, &self.wanted, programs.as_ref());
        let postgres = start_postgres(folder, wanted, programs, credentials, &mut self.postgres);
        let kafka = start_kafka(folder, wanted, programs, places, &mut self.kafka);
        // Boxed, because the two are large and part of every caller's future.
        let (databases, ()) = tokio::try_join!(Box::pin(postgres), Box::pin(kafka))?;
        self.databases = databases;
        Ok(())
    }

    /// Stops our own servers: Kafka, then Postgres.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let mut stopped = Ok(());
        for mut server in self.kafka.take().into_iter().chain(self.postgres.take()) {
            stopped = stopped.and(server.stop().await.map(drop));
        }
        stopped
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
    pub fn own(&mut self) -> impl Iterator<Item = &mut Service> {
        self.postgres.iter_mut().chain(&mut self.kafka)
    }
}

async fn start_postgres(
    folder: &DataFolder,
    wanted: &Wanted,
    programs: Option<&Programs>,
    credentials: Credentials,
    slot: &mut Option<Service>,
) -> anyhow::Result<Option<Databases>> {
    let databases = match (&wanted.postgres, programs) {
        (Some(PostgresFrom::Own(port)), Some(programs)) => {
            let (server, admin_url) =
                postgres::launch(folder, programs, &credentials, *port, &[], &[]).await?;
            slot.insert(server).ready(START_MAX).await?;
            let databases = Databases::open(admin_url, credentials).await?;
            databases.enable_statement_statistics().await?;
            databases
        }
        (Some(PostgresFrom::External(admin_url)), _) => {
            Databases::open(admin_url.clone(), credentials).await?
        }
        (Some(PostgresFrom::Own(_)) | None, _) => return Ok(None),
    };
    Ok(Some(databases))
}

async fn start_kafka(
    folder: &DataFolder,
    wanted: &Wanted,
    programs: Option<&Programs>,
    places: &Places,
    slot: &mut Option<Service>,
) -> anyhow::Result<()> {
    match (&wanted.kafka, programs) {
        (Some(KafkaFrom::Own(port)), Some(programs)) => {
            let java = places.java();
            let (compiling, extras) = (wanted.compiling, &wanted.kafka_extras);
            let launched = kafka::launch(folder, programs, &java, *port, compiling, extras).await?;
            slot.insert(launched).ready(START_MAX).await
        }
        (Some(KafkaFrom::External(brokers)), _) => wait_for_external_kafka(brokers).await,
        (Some(KafkaFrom::Own(_)) | None, _) => Ok(()),
    }
}
