//! From the answer to a command until a query shows what it did, at a fixed rate of commands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::bench::Bench;
use crate::drive::connection::Connection;
use crate::drive::pace::Schedule;
use crate::drive::recorder::{Measured, Recorder};
use crate::drive::{Load, Render};
use crate::requests::{Ask, LOCATION, Requests, get};
use crate::table::{Budget, Row};

/// Commands a second.
const RATES: [f64; 2] = [1_000.0, 5_000.0];

/// Clients that send them, more than are ever busy.
const CLIENTS: usize = 128;

/// How often each client follows a command to the views: 200 a second of all, so that following
/// costs little.
const FOLLOW_AGAIN: Duration = Duration::from_millis(640);

/// Less than this part of the rate, and it was another load.
const RATE_REACHED: f64 = 0.95;

const LATENCY_MAX: u64 = 60_000_000;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let query = bench.follower().await?;
    for rate in RATES {
        let at = [bench.ours.command()?, query];
        let load = Load::open(CLIENTS, rate, bench.effort.warm_up, bench.effort.duration);
        let requests = Requests::new(Ask::Receive, bench.uniform());
        let mut best = [f64::INFINITY; 2];
        let mut reached = 0.0_f64;
        for _ in 0..bench.effort.rounds {
            let (commands, visible) = follow(at, &load, &requests).await?;
            bench.note(&format!("receive at {rate:.0}/s, followed"), "ours", &commands);
            reached = reached.max(commands.rate());
            for (best, quantile) in best.iter_mut().zip([0.5, 0.99]) {
                *best = best.min(visible.value_at_quantile(quantile) as f64 / 1_000.0);
            }
        }
        let rows = [("p50", best[0], 10.0), ("p99", best[1], 50.0)].map(|(name, ms, bound)| {
            let what = format!("answered → queryable at {rate:.0} commands/s, {name} (ms)");
            let row = Row::new(&what, ms, Budget::Below(bound));
            if reached < rate * RATE_REACHED { row.short() } else { row }
        });
        bench.report.table.rows.extend(rows);
    }
    Ok(())
}

/// Drives the commands, and follows some of them: the token that a command was answered with is
/// asked for at once, on a connection that is open already.
async fn follow(
    [command, query]: [SocketAddr; 2],
    load: &Load,
    requests: &Requests,
) -> anyhow::Result<(Measured, Histogram<u64>)> {
    let mut wires = Vec::new();
    for _ in 0..load.clients {
        wires.push((Connection::open(command).await?, Connection::open(query).await?));
    }
    let schedule = Arc::new(load.schedule());
    let window = load.window(&schedule);
    let renderers = requests.renderers();
    let mut clients = JoinSet::new();
    for (nth, (command, query)) in wires.into_iter().enumerate() {
        let client = Client {
            command,
            query,
            render: renderers(nth),
            recorder: Recorder::new(window),
            visible: histogram(),
        };
        let first = window.start + FOLLOW_AGAIN.mul_f64(nth as f64 / CLIENTS as f64);
        clients.spawn(client.run(Arc::clone(&schedule), first));
    }
    let mut measured = Measured::new(load);
    measured.watch(window).await;
    let mut visible = histogram();
    while let Some(client) = clients.join_next().await {
        let client = client.context("a client broke")??;
        measured.add(client.recorder);
        visible.add(client.visible).expect("histograms of the same bounds add up");
    }
    Ok((measured, visible))
}

struct Client {
    command: Connection,
    query: Connection,
    render: Render,
    recorder: Recorder,
    visible: Histogram<u64>,
}

impl Client {
    async fn run(
        mut self,
        schedule: Arc<Schedule>,
        mut follow_next: Instant,
    ) -> anyhow::Result<Self> {
        let mut request = Vec::new();
        while let Some(intended) = schedule.turn().await {
            request.clear();
            (self.render)(&mut request);
            let answer = self.command.exchange(&request).await?;
            let answered = Instant::now();
            self.recorder.answered(intended, answered, &answer);
            let position = answer.position.filter(|_| answered >= follow_next);
            if let Some(position) = position {
                self.see(&request, &position).await?;
                let micros = answered.elapsed().as_micros();
                self.visible.saturating_record(u64::try_from(micros).unwrap_or(LATENCY_MAX));
                follow_next = answered + FOLLOW_AGAIN;
            }
        }
        Ok(self)
    }

    /// Waits until the item of a command shows its position.
    async fn see(&mut self, command: &[u8], position: &str) -> anyhow::Result<()> {
        let text = String::from_utf8_lossy(command);
        let sku = text.split("\"sku\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let sku = sku.context("a command names its item")?;
        let path = format!("/v1/stock/{sku}/{LOCATION}?min_position={position}&wait_ms=30000");
        let mut request = Vec::new();
        get(&path, &mut request);
        let answer = self.query.exchange(&request).await?;
        anyhow::ensure!(answer.status == 200, "{path}: {}", answer.status);
        Ok(())
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX, 3).expect("the bounds are ones a histogram has")
}
