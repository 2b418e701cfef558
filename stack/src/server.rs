//! A server of our own: Postgres or Kafka.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use reqwest::Url;
use sqlx::{Connection, PgConnection};
use tokio::net::TcpStream;

use crate::process::Process;

/// Long, because after a hard end both servers first recover their data.
const START_MAX: Duration = Duration::from_secs(180);
const ANSWER_MAX: Duration = Duration::from_secs(2);
const EXTERNAL_ANSWER_MAX: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Logged by Postgres when it was killed and its last sessions have not ended yet.
const STILL_IN_USE: &str = "is still in use";

pub struct Server {
    process: Process,
    address: Address,
}

/// Where it answers. No `Debug`: the URL holds a password.
pub(crate) enum Address {
    Postgres(Url),
    Kafka(String),
}

impl Server {
    pub(crate) fn new(process: Process, address: Address) -> Self {
        Self { process, address }
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_MAX;
        let address = &self.address;
        loop {
            let check = async || match address {
                Address::Postgres(url) => ask_postgres(url).await,
                Address::Kafka(brokers) => ask_own_kafka(brokers).await,
            };
            match self.process.wait_until(START_MAX, check).await {
                Err(error)
                    if error.to_string().contains(STILL_IN_USE) && Instant::now() < deadline =>
                {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    self.process.start_again()?;
                }
                answered => return answered,
            }
        }
    }

    /// Starts it again after it has ended, and waits until it answers.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.start_again()?;
        self.ready().await
    }

    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.stop().await
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

async fn ask_postgres(url: &Url) -> anyhow::Result<()> {
    let connect = PgConnection::connect(url.as_str());
    let connection =
        tokio::time::timeout(ANSWER_MAX, connect).await.context("no answer in time")??;
    connection.close().await.context("the connection broke")
}

/// A closed port is noticed at once, while the Kafka client pauses longer and longer between its
/// attempts.
async fn ask_own_kafka(address: &str) -> anyhow::Result<()> {
    TcpStream::connect(address).await.context("the port is closed")?;
    ask_kafka(address).await
}

async fn ask_kafka(brokers: &str) -> anyhow::Result<()> {
    let brokers = brokers.to_owned();
    let ask = move || {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .create()
            .context("cannot make a Kafka client")?;
        if admin.inner().fetch_metadata(None, ANSWER_MAX)?.brokers().is_empty() {
            bail!("no broker has registered yet");
        }
        Ok(())
    };
    tokio::task::spawn_blocking(ask).await.context("asking Kafka was interrupted")?
}

/// Waits for a Kafka that somebody else runs.
pub(crate) async fn wait_for_external_kafka(brokers: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + EXTERNAL_ANSWER_MAX;
    loop {
        match ask_kafka(brokers).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("cannot reach Kafka at {brokers}"));
            }
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
