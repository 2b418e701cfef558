//! The load generator: clients with a connection each, driven by a pace, measured without
//! flattery.

pub mod connection;
pub mod pace;
pub mod recorder;
pub mod usage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use connection::Connection;
use pace::{Pace, Schedule};
use recorder::{Measured, Recorder, Window};

/// Writes the next request of a client into an empty buffer.
pub type Render = Box<dyn FnMut(&mut Vec<u8>) + Send>;

/// How hard a service is driven, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Clients, each with a connection and at most one request under way.
    pub clients: usize,
    /// When requests are sent.
    pub pace: Pace,
    /// Time at the start that is not measured.
    pub warm_up: Duration,
    /// Time that is measured.
    pub duration: Duration,
}

/// Time for every client to open its connection before the first request.
const CONNECT: Duration = Duration::from_millis(100);

/// How long answers may be outstanding after the end.
const DRAIN_MAX: Duration = Duration::from_secs(30);

impl Load {
    /// Clients that each send as soon as they are answered.
    #[must_use]
    pub fn closed(clients: usize, warm_up: Duration, duration: Duration) -> Self {
        Self { clients, pace: Pace::Closed, warm_up, duration }
    }

    /// Requests at fixed moments, however long answers take.
    #[must_use]
    pub fn open(clients: usize, rate: f64, warm_up: Duration, duration: Duration) -> Self {
        Self { clients, pace: Pace::Open { from: rate, to: rate }, warm_up, duration }
    }

    /// When its requests are due, from a moment shortly ahead.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let start = Instant::now() + CONNECT;
        Schedule::new(self.pace, start, self.warm_up + self.duration)
    }

    /// The part of the schedule that is measured.
    #[must_use]
    pub fn window(&self, schedule: &Schedule) -> Window {
        let start = schedule.start() + self.warm_up;
        Window { start, end: start + self.duration, by_intent: self.pace.is_open() }
    }
}

/// Drives one service and measures its answers. `requests` makes what each client sends.
///
/// # Errors
/// The service cannot be reached, or does not finish its answers after the end.
pub async fn drive(
    target: SocketAddr,
    load: &Load,
    requests: impl Fn(usize) -> Render,
) -> anyhow::Result<Measured> {
    let schedule = Arc::new(load.schedule());
    let window = load.window(&schedule);
    let mut clients = JoinSet::new();
    for nth in 0..load.clients {
        clients.spawn(client(target, Arc::clone(&schedule), window, requests(nth)));
    }
    let mut measured = Measured::new(load);
    measured.watch(window).await;
    let all = async {
        while let Some(client) = clients.join_next().await {
            measured.add(client.context("a client broke")??);
        }
        anyhow::Ok(())
    };
    let in_time = tokio::time::timeout(DRAIN_MAX, all).await;
    in_time.with_context(|| format!("{target} does not finish its answers"))??;
    Ok(measured)
}

async fn client(
    target: SocketAddr,
    schedule: Arc<Schedule>,
    window: Window,
    mut render: Render,
) -> anyhow::Result<Recorder> {
    let mut connection = Connection::open(target).await?;
    let mut recorder = Recorder::new(window);
    let mut request = Vec::with_capacity(512);
    while let Some(intended) = schedule.turn().await {
        request.clear();
        render(&mut request);
        match connection.exchange(&request).await {
            Ok(answer) => recorder.answered(intended, Instant::now(), &answer),
            Err(_) => {
                recorder.broke_off(Instant::now());
                connection = Connection::open(target).await?;
            }
        }
    }
    Ok(recorder)
}
