//! Ours: a query-service that follows a log, on views of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use sqlx::{Connection as _, PgConnection};
use stack::services::settings::Settings;
use stack::services::{Service, run_task};
use tokio::time::{Instant, sleep};

use super::World;
use super::stockbook::Stockbook;
use crate::requests::address;

const READY_MAX: Duration = Duration::from_secs(120);

/// How long following to the end of a log may take.
const FOLLOW_MAX: Duration = Duration::from_secs(900);

const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A query-service, begun on an empty read database.
pub struct Follower {
    service: Service,
    /// Where it listens.
    pub address: SocketAddr,
    views: PgConnection,
}

/// How fast a log was followed.
#[derive(Debug, Clone, Copy)]
pub struct Followed {
    /// Events applied after the first checkpoint that was seen.
    pub events: i64,
    /// Seconds from that checkpoint to the end.
    pub seconds: f64,
    /// Seconds from the start of the program to the end, in which all events were applied.
    pub since_start: f64,
}

impl Follower {
    /// Starts one on a fresh read database; answers when its socket is open, which is before it
    /// has caught up.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start(world: &World, of: &Stockbook) -> anyhow::Result<Self> {
        let name = world.unique_name("views");
        let urls = world.servers.databases()?.create(&name).await?;
        let program = &world.programs.query_service;
        let migrate =
            Settings::migrate(&urls.read_owner).with("LANES", world.args.lanes.to_string());
        run_task(program, "migrate", &migrate).await?;
        let brokers = world.servers.brokers()?;
        let settings = Settings::query_service(0, &urls.read, brokers, &[of.url()])
            .with("TOPIC", &of.topic)
            .with("CONSUMER_GROUP", &name)
            .with("READ_CONNECTIONS_MAX", world.args.pool.to_string());
        let views = PgConnection::connect(urls.read_owner.as_str()).await?;
        let service = Service::start(world.servers.folder(), &name, program, &settings).await?;
        let address = address(&service.url())?;
        Ok(Self { service, address, views })
    }

    /// Waits until it has applied so many events and can answer. The checkpoints say how fast it
    /// went.
    ///
    /// # Errors
    /// It does not get there in time, or its database does not say.
    pub async fn follow(&mut self, events: i64) -> anyhow::Result<Followed> {
        let started = Instant::now();
        let mut first = None;
        loop {
            let applied: i64 = sqlx::query_scalar(include_str!("../../queries/read_applied.sql"))
                .fetch_one(&mut self.views)
                .await?;
            let now = Instant::now();
            if applied > 0 && first.is_none() {
                first = Some((applied, now));
            }
            if applied >= events {
                let (seen, since) = first.unwrap_or((0, started));
                self.service.ready(READY_MAX).await?;
                return Ok(Followed {
                    events: applied - seen,
                    seconds: (now - since).as_secs_f64(),
                    since_start: (now - started).as_secs_f64(),
                });
            }
            ensure!(
                started.elapsed() < FOLLOW_MAX,
                "the views reflect {applied} of {events} events after {} s",
                FOLLOW_MAX.as_secs()
            );
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.views.close().await?;
        self.service.stop().await.map(drop)
    }
}
