//! Two hard cases: the first command on a long stream, and twice as many commands as can be
//! answered.

use anyhow::ensure;
use tokio::time::Instant;

use super::bench::{Bench, CLIENTS, Side};
use crate::drive::connection::Connection;
use crate::environment::PLENTY;
use crate::environment::stockbook::{Stockbook, receipt};
use crate::report::{Budget, Row};
use crate::requests::{Ask, Sku, post};

/// Lines in one command while the stream is made long.
const LINES: usize = 2_500;

/// Clients that send too much.
const CROWD: usize = 512;

/// A queue of commands small enough to be full.
const QUEUE: &str = "128";

/// The first command on a stream, sent to a service that has just started.
pub(super) async fn cold(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let [long, short, other] = ["long-stream", "short-stream", "other-stream"];
    bench.stockbook.fill(&[long, short, other].map(str::to_owned), 1).await?;
    let mut made = 1;
    while made < bench.effort.long_stream {
        let lines = LINES.min(bench.effort.long_stream - made);
        bench.stockbook.receive(&vec![long.to_owned(); lines], 1).await?;
        made += lines;
    }
    let mut best = [f64::INFINITY; 2];
    for _ in 0..bench.effort.rounds {
        bench.stockbook.restart().await?;
        let mut connection = Connection::open(bench.stockbook.address).await?;
        // What every first command pays has nothing to do with the stream.
        timed_receipt(&mut connection, other).await?;
        for (sku, best) in [long, short].into_iter().zip(&mut best) {
            *best = best.min(timed_receipt(&mut connection, sku).await?);
        }
    }
    let [long, short] = best;
    let name = format!("first command on a stream of {made} events, cold (ms)");
    bench.report.add(Row::compared(&name, long, short, None, Budget::Below(10.0)));
    // The service has forgotten the usual items; the next section must not pay for that.
    bench.stockbook.receive(&[Sku(0).to_string()], 1).await
}

/// Milliseconds until a receipt is answered.
async fn timed_receipt(connection: &mut Connection, sku: &str) -> anyhow::Result<f64> {
    let mut request = Vec::new();
    post("/v1/receipts", None, None, &receipt(&[sku], 1).to_string(), &mut request);
    let begun = Instant::now();
    let answer = connection.exchange(&request).await?;
    let elapsed = begun.elapsed();
    ensure!((200..300).contains(&answer.status), "a receipt of {sku}: {}", answer.status);
    Ok(elapsed.as_secs_f64() * 1_000.0)
}

/// Goodput must not fall, and the other commands must be refused at once.
pub(super) async fn overload(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let small_queue = [("QUEUE_COMMANDS_MAX", QUEUE)];
    let stockbook = Stockbook::start(bench.environment, &small_queue).await?;
    stockbook.fill(&bench.environment.skus(), PLENTY).await?;
    let (address, requests) = (stockbook.address, bench.requests(Ask::Receive));
    let side = [Side { name: "ours, queue of 128", address, requests }];
    let [peak] = &bench.alternate("receive", bench.closed(CLIENTS), &side).await?;
    let crowd = bench.open(CROWD, 2.0 * peak.rate());
    let [crowded] = &bench.alternate("receive at twice the peak", crowd, &side).await?;
    let rounds = crowded.rounds();
    let refused: u64 = rounds.iter().map(|round| round.count(503..504)).sum();
    let silent: u64 = rounds.iter().map(|round| round.answers.refused_without_retry_after).sum();
    let slowest = rounds.iter().map(|round| round.refusal_latency(0.99)).fold(0.0, f64::max);
    let name = "overload at 2 ×: goodput (commands/s), against the peak";
    bench.rate_row(name, [crowded, peak], None, Budget::Times(0.9));
    let name = "overload at 2 ×: 503 without Retry-After";
    bench.row(name, silent as f64, Budget::Below(1.0));
    let name = "overload at 2 ×: refusals, p99 (ms)";
    // Without a refusal, it was no overload.
    let row = Row::new(name, slowest, Budget::Below(100.0)).valid_if(refused > 0);
    bench.report.add(row);
    stockbook.stop().await
}
