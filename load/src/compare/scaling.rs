//! From one client to many: throughput and latency of both sides.

use super::bench::Bench;
use crate::requests::{Ask, Requests};
use crate::table::{Budget, Row};

/// The numbers of clients.
pub(crate) const CLIENTS: [usize; 4] = [1, 8, 64, 256];

/// The latencies that are told, with their quantiles.
pub(crate) const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// The name of the row with the throughput at so many clients.
pub(crate) fn throughput_row(clients: usize) -> String {
    format!("receive at {clients} clients (commands/s)")
}

/// The name of the row with a latency at so many clients.
pub(crate) fn latency_row(clients: usize, quantile: &str) -> String {
    format!("receive at {clients} clients, {quantile} (ms)")
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let requests = Requests::new(Ask::Receive, bench.uniform());
    for clients in CLIENTS {
        let sides = bench.both(&requests)?;
        let load = bench.closed(clients);
        let [ours, update] = bench.alternate("receive", load, &sides).await?;
        let rows = &mut bench.report.table.rows;
        let name = throughput_row(clients);
        rows.push(Row::beside(&name, ours.rate(), update.rate(), None, Budget::Times(1.0)));
        for (name, quantile) in QUANTILES {
            rows.push(Row::beside(
                &latency_row(clients, name),
                ours.latency(quantile),
                update.latency(quantile),
                None,
                Budget::AtMostTimes(1.0),
            ));
        }
    }
    Ok(())
}
