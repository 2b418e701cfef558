//! Where services and servers answer, and asking whether they do.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use reqwest::Url;
use sqlx::{Connection, PgConnection};
use tokio::net::TcpStream;

use crate::access::Access;

const ANSWER_MAX: Duration = Duration::from_secs(2);
const EXTERNAL_ANSWER_MAX: Duration = Duration::from_secs(15);
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// No `Debug`: the URL holds a password.
pub(crate) enum Address {
    Service(SocketAddr, Access),
    /// It speaks over Kafka only.
    Participant,
    Postgres(Url),
    Kafka(String),
}

impl Address {
    /// Succeeds if it can work now.
    pub(crate) async fn ask(&self) -> anyhow::Result<()> {
        match self {
            Self::Service(_, access) => {
                let http = access.client()?.build().context("cannot make an HTTP client")?;
                let url = format!("{self}/readyz");
                let answer = http.get(url).timeout(ANSWER_MAX).send().await?;
                let status = answer.status();
                ensure!(status.is_success(), "{status}: {}", answer.text().await?);
                Ok(())
            }
            Self::Participant => Ok(()),
            Self::Postgres(url) => {
                let connect = PgConnection::connect(url.as_str());
                let connected = tokio::time::timeout(ANSWER_MAX, connect).await;
                let connection = connected.context("no answer in time")??;
                connection.close().await.context("the connection broke")
            }
            Self::Kafka(brokers) => {
                // A closed port is noticed at once, while the Kafka client pauses longer and longer
                // between its attempts.
                TcpStream::connect(brokers).await.context("the port is closed")?;
                ask_kafka(brokers).await
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(address, Access { ca: Some(_), .. }) => write!(f, "https://{address}"),
            Self::Service(address, Access { ca: None, .. }) => write!(f, "http://{address}"),
            Self::Participant => f.write_str("over Kafka"),
            Self::Postgres(url) => url.fmt(f),
            Self::Kafka(brokers) => brokers.fmt(f),
        }
    }
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
