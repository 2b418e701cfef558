//! Reads beside one `select` a request: one item, a list, one item while commands come in.

use super::bench::{Bench, Series, Side};
use super::writes::CLIENTS;
use crate::drive::{Load, drive};
use crate::requests::{Ask, Requests};
use crate::table::{Budget, Row};
use crate::world::rivals::Rival;

/// Commands a second on either side while it is read.
const WRITES: f64 = 1_000.0;

/// Clients that send them.
const WRITERS: usize = 32;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let query = bench.follower().await?;
    let select = Rival::select(bench.world, &bench.update).await?;
    let side = |bench: &Bench<'_>, name, at, ask| Side {
        name,
        at,
        requests: Requests::new(ask, bench.uniform()),
    };
    let load = bench.closed(CLIENTS);

    let point = [
        side(bench, "ours", query, Ask::Point),
        side(bench, "select", select.address, Ask::Point),
        side(bench, "constant", select.address, Ask::Constant),
    ];
    let [ours, theirs, constant] = bench.alternate("point read", load, &point).await?;
    bench.report.table.rows.extend(point_rows(&ours, &theirs, &constant));

    let list =
        [side(bench, "ours", query, Ask::List), side(bench, "select", select.address, Ask::List)];
    let [ours, theirs] = bench.alternate("list of 50", load, &list).await?;
    bench.report.table.rows.push(Row::beside(
        "list of 50 (answers/s)",
        ours.rate(),
        theirs.rate(),
        None,
        Budget::Times(1.0),
    ));

    let [ours, theirs, ..] = point;
    during_writes(bench, load, &ours, &theirs).await?;
    select.stop().await
}

fn point_rows(ours: &Series, theirs: &Series, constant: &Series) -> [Row; 3] {
    let name = "point read (answers/s)";
    let (rate, limit) = (ours.rate(), constant.rate());
    [
        Row::beside(name, rate, theirs.rate(), limit, Budget::Times(3.5)),
        Row::beside(
            "point read (answers/s), beside a constant",
            rate,
            None,
            limit,
            Budget::OfLimit(0.5),
        ),
        Row::beside(
            "point read, p99 (ms)",
            ours.latency(0.99),
            theirs.latency(0.99),
            constant.latency(0.99),
            Budget::AtMostTimes(1.0),
        ),
    ]
}

/// Reads of one item while a thousand commands a second come in on the side that is read.
async fn during_writes(
    bench: &mut Bench<'_>,
    reads: Load,
    ours: &Side,
    theirs: &Side,
) -> anyhow::Result<()> {
    let requests = Requests::new(Ask::Receive, bench.uniform());
    let writes = Load::open(WRITERS, WRITES, reads.warm_up, reads.duration);
    let targets = [(ours, bench.ours.command()?), (theirs, bench.update.address)];
    let mut best = [0.0_f64; 2];
    for _ in 0..bench.effort.rounds {
        for ((side, commands), best) in targets.iter().zip(&mut best) {
            let (read, written) = tokio::try_join!(
                drive(side.at, &reads, side.requests.renderers()),
                drive(*commands, &writes, requests.renderers()),
            )?;
            bench.note("point read during writes", side.name, &read);
            bench.note("receive at 1,000/s beside reads", side.name, &written);
            *best = best.max(read.rate());
        }
    }
    let [ours, theirs] = best;
    bench.report.table.rows.push(Row::beside(
        "point read during 1,000 commands/s (answers/s)",
        ours,
        theirs,
        None,
        Budget::Times(1.0),
    ));
    Ok(())
}
