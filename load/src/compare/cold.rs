//! The first command on a long stream, asked of a service that has just started.

use tokio::time::Instant;

use super::bench::Bench;
use crate::drive::connection::Connection;
use crate::keys::sku;
use crate::table::{Budget, Row};
use crate::world::stockbook::receive;

/// Lines in one command while the stream is made long.
const LINES: usize = 2_500;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let [long, short, other] = ["long-stream", "short-stream", "other-stream"];
    let names = [long, short, other].map(str::to_owned);
    bench.ours.fill(0, &names, 1).await?;
    let mut wire = Connection::open(bench.ours.command()?).await?;
    let mut made = 1;
    while made < bench.effort.long_stream {
        let lines = LINES.min(bench.effort.long_stream - made);
        receive(&mut wire, std::iter::repeat_n(long, lines), 1).await?;
        made += lines;
    }
    let mut best = [f64::INFINITY; 2];
    for _ in 0..bench.effort.rounds {
        bench.ours.restart().await?;
        let mut wire = Connection::open(bench.ours.command()?).await?;
        // What any first command pays is not the stream's.
        receive(&mut wire, [other].into_iter(), 1).await?;
        for (name, best) in [long, short].into_iter().zip(&mut best) {
            let asked = Instant::now();
            receive(&mut wire, [name].into_iter(), 1).await?;
            *best = best.min(asked.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    let [long, short] = best;
    bench.report.table.rows.push(Row::beside(
        &format!("first command on a stream of {made} events, cold (ms)"),
        long,
        short,
        None,
        Budget::Below(10.0),
    ));
    // What comes later is about the usual items again.
    let mut wire = Connection::open(bench.ours.command()?).await?;
    receive(&mut wire, [sku(0).as_str()].into_iter(), 1).await
}
