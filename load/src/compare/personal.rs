//! What it costs that commands carry personal data.

use super::bench::{Bench, CLIENTS, Side};
use crate::environment::stockbook::Stockbook;
use crate::report::Budget;
use crate::requests::{Ask, Requests, Subjects};

/// Subjects whose keys exist before.
const KNOWN: u32 = 10_000;

/// One service that keeps personal data, asked without any, with data of subjects whose keys exist, and with
/// data of subjects half of whom are new.
pub(super) async fn receive(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let stockbook = Stockbook::knowing(bench.environment, KNOWN).await?;
    let side = |name, subjects| {
        let requests = Requests { subjects, ..bench.requests(Ask::Receive) };
        Side { name, address: stockbook.address, requests }
    };
    let sides = [
        side("without personal data", None),
        side("known subjects", Some(Subjects::Known(KNOWN))),
        side("half of them new", Some(Subjects::HalfNew(KNOWN))),
    ];
    let load = bench.closed(CLIENTS);
    let [without, known, new] = &bench.alternate("receive, personal", load, &sides).await?;
    stockbook.stop().await?;
    for (whose, side, times) in
        [("of known subjects", known, 0.8), ("of subjects half of whom are new", new, 0.6)]
    {
        let name = format!("receive with personal data {whose} (commands/s), against without");
        bench.rate_row(&name, [side, without], None, Budget::Times(times));
    }
    Ok(())
}
