//! The load generator: clients with one connection each. Latency counts from the moment a request
//! was due, so a stalled service cannot hide behind the requests that it was not sent.

pub(crate) mod connection;
mod follow;
pub(crate) mod pace;
pub(crate) mod recorder;
pub(crate) mod usage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use connection::Connection;
use follow::Follower;
use pace::{Pace, Schedule};
use recorder::{Answers, Measured};

use crate::requests::Render;

/// How hard a service is driven, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Each has one connection and at most one request under way.
    pub(crate) clients: usize,
    pub(crate) pace: Pace,
    /// Time at the start that is not measured.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// The query-service that some of the commands are followed to.
    pub(crate) follow: Option<SocketAddr>,
}

impl Load {
    /// Clients that send as soon as they are answered.
    pub(crate) fn closed(clients: usize, warm_up: Duration, duration: Duration) -> Self {
        Self { clients, pace: Pace::Closed, warm_up, duration, follow: None }
    }
}

/// How long answers may be outstanding after the end.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Drives one service and measures its answers. `requests` makes what each client sends.
pub(crate) async fn drive(
    target: SocketAddr,
    load: &Load,
    requests: impl Fn(usize) -> Render,
) -> anyhow::Result<Measured> {
    let schedule = Arc::new(Schedule::new(load));
    let mut clients = JoinSet::new();
    for nth in 0..load.clients {
        let part = nth as f64 / load.clients as f64;
        let follower = load.follow.map(|query| Follower::new(query, schedule.window(), part));
        clients.spawn(client(target, Arc::clone(&schedule), requests(nth), follower));
    }
    let mut measured = Measured::new(load);
    measured.watch(schedule.window()).await;
    let all = async {
        while let Some(client) = clients.join_next().await {
            measured.answers.add(client.context("a client panicked")??);
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
    mut render: Render,
    mut follower: Option<Follower>,
) -> anyhow::Result<Answers> {
    let mut connection = Connection::open(target).await?;
    let (window, mut answers) = (schedule.window(), Answers::new());
    let mut request = Vec::with_capacity(512);
    while let Some(due) = schedule.turn().await {
        request.clear();
        render(&mut request);
        match connection.exchange(&request).await {
            Ok(answer) => {
                let answered = Instant::now();
                answers.answered(window, due, answered, &answer);
                if let (Some(follower), Some(position)) = (&mut follower, answer.position)
                    && let Some(delay) = follower.follow(&request, &position, answered).await?
                {
                    answers.queryable(delay);
                }
            }
            Err(_) => {
                answers.broken += u64::from(window.holds(Instant::now()));
                connection = Connection::open(target).await?;
            }
        }
    }
    Ok(answers)
}
