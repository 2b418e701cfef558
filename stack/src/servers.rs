//! Postgres and Kafka together: our own, or those that others run.

use anyhow::Context;
use reqwest::Url;

use crate::cache::{self, Programs};
use crate::credentials::Credentials;
use crate::folder::DataFolder;
use crate::kafka::{self, Compiling, Kafka, KafkaPorts};
use crate::places::Places;
use crate::ports;
use crate::postgres::Postgres;
use crate::postgres::databases::Databases;
use crate::process::sweep::sweep;

/// Which servers are wanted, and whose they are.
#[derive(Clone)]
pub struct Wanted {
    /// Postgres, if any.
    pub postgres: Option<PostgresFrom>,
    /// Kafka, if any.
    pub kafka: Option<KafkaFrom>,
    /// How far Java compiles our own Kafka.
    pub compiling: Compiling,
}

/// Whose Postgres. No `Debug`: the URL holds a password.
#[derive(Clone)]
pub enum PostgresFrom {
    /// Our own, on this port.
    Here(u16),
    /// Another's, by a superuser's URL.
    There(Url),
}

/// Whose Kafka.
#[derive(Debug, Clone)]
pub enum KafkaFrom {
    /// Our own, on these ports.
    Here(KafkaPorts),
    /// Another's, by its addresses.
    There(String),
}

impl Wanted {
    /// Both, our own, on free ports: what a test wants.
    ///
    /// # Errors
    /// No port is free.
    pub fn on_free_ports() -> anyhow::Result<Self> {
        let [postgres, broker, controller] = ports::free()?;
        Ok(Self {
            postgres: Some(PostgresFrom::Here(postgres)),
            kafka: Some(KafkaFrom::Here(KafkaPorts { broker, controller })),
            compiling: Compiling::Quickly,
        })
    }
}

/// The servers of one data folder, started or about to be.
///
/// Nothing outlives it: dropped, what it started is killed; [`Servers::stop`] is the orderly end.
pub struct Servers {
    folder: DataFolder,
    wanted: Wanted,
    postgres: Option<Postgres>,
    databases: Option<Databases>,
    kafka: Option<Kafka>,
}

impl Servers {
    /// Takes the data folder and stops what a killed run left there. Starts nothing yet.
    ///
    /// # Errors
    /// Another stack uses the folder, or a left-over cannot be stopped.
    pub async fn open(folder: DataFolder, wanted: Wanted) -> anyhow::Result<Self> {
        sweep(&folder.records()).await?;
        Ok(Self { folder, wanted, postgres: None, databases: None, kafka: None })
    }

    /// Starts what is wanted, both at once, and waits until it answers and the roles are there.
    ///
    /// Cut off or failed, it leaves what was started in place, for [`Servers::stop`].
    ///
    /// # Errors
    /// A server cannot be fetched or started, or does not answer.
    pub async fn start(&mut self, places: &Places) -> anyhow::Result<()> {
        let programs = match (&self.wanted.postgres, &self.wanted.kafka) {
            (Some(PostgresFrom::Here(_)), _) | (_, Some(KafkaFrom::Here(_))) => {
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
        // Boxed: the two are large, and this value travels through every caller's future.
        let (databases, ()) = tokio::try_join!(Box::pin(postgres), Box::pin(kafka))?;
        self.databases = databases;
        Ok(())
    }

    /// Stops what was started here: Kafka, then Postgres.
    ///
    /// # Errors
    /// The operating system refuses.
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

    /// The data folder they use.
    #[must_use]
    pub fn folder(&self) -> &DataFolder {
        &self.folder
    }

    /// Kafka's addresses, `host:port` with commas.
    ///
    /// # Errors
    /// No Kafka was wanted.
    pub fn brokers(&self) -> anyhow::Result<&str> {
        match (&self.wanted.kafka, &self.kafka) {
            (_, Some(kafka)) => Ok(kafka.brokers()),
            (Some(KafkaFrom::There(brokers)), None) => Ok(brokers),
            (Some(KafkaFrom::Here(_)) | None, None) => anyhow::bail!("there is no Kafka"),
        }
    }

    /// Where databases are made.
    ///
    /// # Errors
    /// No Postgres was wanted, or it is not started.
    pub fn databases(&self) -> anyhow::Result<&Databases> {
        self.databases.as_ref().context("there is no Postgres")
    }

    /// Our own Postgres and our own Kafka, as far as they were started: to break and mend them.
    pub fn own(&mut self) -> (Option<&mut Postgres>, Option<&mut Kafka>) {
        (self.postgres.as_mut(), self.kafka.as_mut())
    }
}

async fn start_postgres(
    folder: &DataFolder,
    wanted: Option<&PostgresFrom>,
    programs: Option<&Programs>,
    credentials: Credentials,
    slot: &mut Option<Postgres>,
) -> anyhow::Result<Option<Databases>> {
    let (admin_url, statistics) = match (wanted, programs) {
        (Some(PostgresFrom::Here(port)), Some(programs)) => {
            let launched = Postgres::launch(folder, programs, &credentials, *port).await?;
            let postgres = slot.insert(launched);
            postgres.ready().await?;
            (postgres.admin_url().clone(), postgres.counts_statements())
        }
        (Some(PostgresFrom::There(admin_url)), _) => (admin_url.clone(), false),
        (Some(PostgresFrom::Here(_)) | None, _) => return Ok(None),
    };
    let databases = Databases::open(admin_url, credentials).await?;
    if statistics {
        databases.enable_statement_statistics().await?;
    }
    Ok(Some(databases))
}

async fn start_kafka(
    folder: &DataFolder,
    wanted: &Wanted,
    programs: Option<&Programs>,
    places: &Places,
    slot: &mut Option<Kafka>,
) -> anyhow::Result<()> {
    match (&wanted.kafka, programs) {
        (Some(KafkaFrom::Here(ports)), Some(programs)) => {
            let java = places.java();
            let launched = Kafka::launch(folder, programs, &java, *ports, wanted.compiling).await?;
            slot.insert(launched).ready().await
        }
        (Some(KafkaFrom::There(brokers)), _) => kafka::wait_for_others(brokers).await,
        (Some(KafkaFrom::Here(_)) | None, _) => Ok(()),
    }
}
