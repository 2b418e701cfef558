//! The read side: how fast views catch up, how fast reads are, and how soon a command is visible.

use super::bench::{Bench, CLIENTS, RATE_REACHED, Side};
use crate::drive::{Load, drive};
use crate::environment::baseline::Baseline;
use crate::environment::query_service::QueryService;
use crate::limits;
use crate::report::{Budget, Row};
use crate::requests::{Ask, Requests};

/// Commands a second on either side while it is read, and the clients that send them.
const WRITES: f64 = 1_000.0;
const WRITERS: usize = 32;

/// Commands a second whose visibility is measured, and the clients that send them, more than are
/// ever busy.
const FOLLOWED_RATES: [f64; 2] = [1_000.0, 5_000.0];
const FOLLOWED_CLIENTS: usize = 128;

/// All views follow a log from its beginning at once.
pub(super) async fn catch_up(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let stockbook = &bench.stockbook;
    stockbook.extend(bench.effort.catch_up).await?;
    let recorded = stockbook.recorded().await?;
    let brokers = bench.environment.servers.brokers()?;
    let [mut best, mut limit] = [0.0_f64; 2];
    for _ in 0..bench.effort.rounds {
        limit = limit.max(limits::consumed_records(brokers, &stockbook.topic, recorded).await?);
        let mut service = QueryService::start(bench.environment, stockbook).await?;
        let caught_up = service.catch_up(recorded).await?;
        service.stop().await?;
        tracing::info!(
            "{recorded} events applied in {:.1} s since the start, {:.0}/s after the first",
            caught_up.since_start,
            caught_up.rate
        );
        best = best.max(caught_up.rate);
    }
    let name = "projection, catch-up (events/s)";
    bench.report.add(Row::compared(name, best, None, limit, Budget::AtLeast(50_000.0)));
    Ok(())
}

/// Reads against one `select` a request: one item, a list, one item while commands come in.
pub(super) async fn reads(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let query = bench.query_service().await?;
    let database = bench.update.database.clone();
    let baseline = Baseline::start(bench.environment, "select-service", database).await?;
    let select = baseline.address;
    let load = bench.closed(CLIENTS);
    let [point, list, constant] = [Ask::Point, Ask::List, Ask::Constant].map(|a| bench.requests(a));
    let side =
        |name, address, requests: &Requests| Side { name, address, requests: requests.clone() };

    let sides = [
        side("ours", query, &point),
        side("select", select, &point),
        side("constant", select, &constant),
    ];
    let [ours, theirs, limit] = &bench.alternate("point read", load, &sides).await?;
    let name = "point read (answers/s)";
    bench.rate_row(name, [ours, theirs], limit.rate(), Budget::Times(3.5));
    bench.report.add(Row::compared(
        "point read (answers/s), against a constant",
        ours.rate(),
        None,
        limit.rate(),
        Budget::OfLimit(0.5),
    ));
    bench.latency_row("point read, p99 (ms)", 0.99, [ours, theirs], limit.latency(0.99));

    let sides = [side("ours", query, &list), side("select", select, &list)];
    let [ours, theirs] = &bench.alternate("list of 50", load, &sides).await?;
    bench.rate_row("list of 50 (answers/s)", [ours, theirs], None, Budget::Times(1.0));

    let sides = [side("ours", query, &point), side("select", select, &point)];
    during_writes(bench, load, &sides).await?;
    baseline.stop().await
}

/// Reads of one item while commands come in on the side that is read.
async fn during_writes(
    bench: &mut Bench<'_>,
    reads: Load,
    sides: &[Side; 2],
) -> anyhow::Result<()> {
    let requests = bench.requests(Ask::Receive);
    let writes = bench.open(WRITERS, WRITES);
    let writers = [bench.stockbook.address, bench.update.address];
    let mut best = [0.0_f64; 2];
    for _ in 0..bench.effort.rounds {
        for ((side, writer), best) in sides.iter().zip(writers).zip(&mut best) {
            let (read, written) = tokio::try_join!(
                drive(side.address, &reads, side.requests.renderers()),
                drive(writer, &writes, requests.renderers()),
            )?;
            bench.record("point read during writes", side.name, &read);
            bench.record("receive at 1,000/s during reads", side.name, &written);
            *best = best.max(read.rate());
        }
    }
    let [ours, theirs] = best;
    let name = "point read during 1,000 commands/s (answers/s)";
    bench.report.add(Row::compared(name, ours, theirs, None, Budget::Times(1.0)));
    Ok(())
}

/// From the answer to a command until a query shows its effect, at a fixed rate of commands.
pub(super) async fn visible(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let query = bench.query_service().await?;
    for rate in FOLLOWED_RATES {
        let load = Load { follow: Some(query), ..bench.open(FOLLOWED_CLIENTS, rate) };
        let [side, _] = bench.both(&bench.requests(Ask::Receive));
        let what = format!("receive at {rate:.0}/s, followed");
        let [followed] = bench.alternate(&what, load, &[side]).await?;
        for (name, quantile, bound) in [("p50", 0.5, 10.0), ("p99", 0.99, 50.0)] {
            let rounds = followed.rounds().iter();
            let ms = rounds.map(|round| round.queryable(quantile)).fold(f64::INFINITY, f64::min);
            let name = format!("answered → queryable at {rate:.0} commands/s, {name} (ms)");
            let reached = followed.rate() >= rate * RATE_REACHED;
            bench.report.add(Row::new(&name, ms, Budget::Below(bound)).valid_if(reached));
        }
    }
    Ok(())
}
