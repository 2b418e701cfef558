//! Stockbook's read side: a query-service that follows a log, with its own views.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{bail, ensure};
use reqwest::Url;
use sqlx::{Connection as _, PgConnection};
use stack::services::settings::Settings;
use stack::services::{Service, run_task};
use tokio::select;
use tokio::time::{Instant, sleep};

use super::stockbook::Stockbook;
use super::{Environment, LANES, POOL};
use crate::requests::address;

const READY_MAX: Duration = Duration::from_secs(120);

/// How long catching up with a log may take.
const CATCH_UP_MAX: Duration = Duration::from_secs(900);

const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub(crate) struct QueryService {
    service: Service,
    pub(crate) address: SocketAddr,
    /// The read database, as its owner.
    pub(crate) database: Url,
    views: PgConnection,
}

/// How fast the views caught up.
pub(crate) struct CaughtUp {
    /// Events a second after the first checkpoint that was seen.
    pub(crate) rate: f64,
    /// Seconds from the start of the program to the end.
    pub(crate) since_start: f64,
}

impl QueryService {
    /// Starts one on an empty read database; returns when its socket is open, which is before it
    /// has caught up.
    pub(crate) async fn start(environment: &Environment, of: &Stockbook) -> anyhow::Result<Self> {
        let name = environment.unique_name("views");
        let urls = environment.servers.databases()?.create(&name).await?;
        let program = environment.program("query-service");
        let migrate = Settings::migrate(&urls.read_owner).with("LANES", LANES);
        run_task(&program, "migrate", &migrate).await?;
        let brokers = environment.servers.brokers()?;
        let settings = Settings::query_service(0, &urls.read, brokers, &[of.url()])
            .with("TOPIC", &of.topic)
            .with("CONSUMER_GROUP", &name)
            .with("READ_CONNECTIONS_MAX", POOL);
        let views = PgConnection::connect(urls.read_owner.as_str()).await?;
        let folder = environment.servers.folder();
        let service = Service::start(folder, &name, &program, &settings).await?;
        let address = address(&service.url())?;
        Ok(Self { service, address, database: urls.read_owner, views })
    }

    /// Waits until every view has applied so many events and the service is ready.
    pub(crate) async fn catch_up(&mut self, events: i64) -> anyhow::Result<CaughtUp> {
        let started = Instant::now();
        let mut first = None;
        loop {
            let applied: i64 = sqlx::query_scalar(include_str!("../../queries/read_applied.sql"))
                .fetch_one(&mut self.views)
                .await?;
            let now = Instant::now();
            let (seen, since) = match first {
                None if applied == 0 => (0, started),
                _ => *first.get_or_insert((applied, now)),
            };
            if applied >= events {
                self.service.ready(READY_MAX).await?;
                return Ok(CaughtUp {
                    rate: (applied - seen) as f64 / (now - since).as_secs_f64(),
                    since_start: (now - started).as_secs_f64(),
                });
            }
            ensure!(
                started.elapsed() < CATCH_UP_MAX,
                "the views have applied {applied} of {events} events after {} s",
                CATCH_UP_MAX.as_secs()
            );
            select! {
                ended = self.service.ended() => {
                    bail!("query-service ended before it had caught up: {}", ended?)
                }
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.views.close().await?;
        self.service.stop().await.map(drop)
    }
}
