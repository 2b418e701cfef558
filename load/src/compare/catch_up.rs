//! How fast the views follow a log from its beginning, all of them at once.

use super::bench::Bench;
use crate::limits::consume;
use crate::table::{Budget, Row};
use crate::world::extend::extend;
use crate::world::follower::Follower;

/// What a projection must do.
const EVENTS_A_SECOND: f64 = 50_000.0;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    extend(&bench.ours, bench.world.args.items, bench.effort.catch_up).await?;
    let recorded = bench.ours.recorded().await?;
    let brokers = bench.world.servers().brokers()?;
    let mut best = 0.0_f64;
    let mut limit = 0.0_f64;
    for _ in 0..bench.effort.rounds {
        let consumed = consume::records_a_second(brokers, &bench.ours.topic, recorded).await?;
        limit = limit.max(consumed);
        let mut follower = Follower::start(bench.world, &bench.ours).await?;
        let followed = follower.follow(recorded).await?;
        follower.stop().await?;
        let rate = followed.events as f64 / followed.seconds;
        tracing::info!(
            "{recorded} events followed in {:.1} s since the program began, {rate:.0}/s once it applied",
            followed.since_start
        );
        best = best.max(rate);
    }
    bench.report.table.rows.push(Row::beside(
        "projection, catch-up (events/s)",
        best,
        None,
        limit,
        Budget::AtLeast(EVENTS_A_SECOND),
    ));
    Ok(())
}
