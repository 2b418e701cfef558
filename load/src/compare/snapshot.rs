//! A session that rests in a transaction, in both databases, while one item changes all the time: Postgres keeps
//! every version of the item's rows until that transaction ends.

use std::time::Duration;

use reqwest::Url;
use sqlx::{Connection as _, PgConnection};

use super::bench::{Bench, RATE_REACHED};
use crate::drive::recorder::Measured;
use crate::drive::{Load, drive};
use crate::report::{Budget, Row};
use crate::requests::{Ask, Requests};

/// Commands a second, all about one item, and the clients that send them.
const WRITES: f64 = 1_000.0;
const WRITERS: usize = 64;

/// Lists a second that hold the item, and the clients that ask for them.
const READS: f64 = 100.0;
const READERS: usize = 8;

/// After the transaction has ended, everything is as before within this time.
const NORMAL_AFTER: Duration = Duration::from_secs(60);

/// Times are compared at this quantile.
const P99: f64 = 0.99;

/// What is measured before, at the end of, and after such a transaction.
struct Times {
    /// From the answer to a command until a query shows it.
    apply: f64,
    read: f64,
    /// Whether the commands and reads came at their rates.
    at_rate: bool,
}

pub(super) async fn rest(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    // 1. Before.
    measured(bench, "before the snapshot", bench.effort.duration).await?;
    let before = measured(bench, "before the snapshot", bench.effort.duration).await?;
    // 2. While it is open, and at its end.
    let write = rest_in(bench.stockbook.database()).await?;
    let read = rest_in(bench.views()?).await?;
    let long = bench.effort.snapshot;
    measured(bench, "while the snapshot is open", long).await?;
    let during = measured(bench, "at the end of the snapshot", bench.effort.duration).await?;
    write.close().await?;
    read.close().await?;
    // 3. After.
    measured(bench, "after the snapshot", NORMAL_AFTER).await?;
    let after = measured(bench, "a minute after the snapshot", bench.effort.duration).await?;
    let seconds = long.as_secs();
    let at_rate = [&before, &during, &after].iter().all(|times| times.at_rate);
    for (name, of) in [
        ("answered → queryable", (|times: &Times| times.apply) as fn(&Times) -> f64),
        ("list of 50", |times| times.read),
    ] {
        let [before, during, after] = [&before, &during, &after].map(of);
        let row = format!("one item at 1,000/s, a snapshot open for {seconds} s: {name}, p99 (ms)");
        let row = Row::compared(&row, during, before, None, Budget::AtMostTimes(3.0));
        bench.report.add(row.valid_if(at_rate));
        let row = format!("the same a minute after it: {name}, p99 (ms)");
        let row = Row::compared(&row, after, before, None, Budget::AtMostTimes(1.5));
        bench.report.add(row.valid_if(at_rate));
    }
    Ok(())
}

/// A session that has looked at the database, and looks at it as it was then from now on.
async fn rest_in(database: &Url) -> anyhow::Result<PgConnection> {
    let mut session = PgConnection::connect(database.as_str()).await?;
    sqlx::raw_sql("begin isolation level repeatable read; select count(*) from pg_class")
        .execute(&mut session)
        .await?;
    Ok(session)
}

/// Commands and reads of one item for a while.
async fn measured(bench: &mut Bench<'_>, what: &str, duration: Duration) -> anyhow::Result<Times> {
    let query = bench.query_service().await?;
    let one = |ask| Requests::new(ask, 0..1);
    let write = Load { follow: Some(query), duration, ..bench.open(WRITERS, WRITES) };
    let read = Load { duration, ..bench.open(READERS, READS) };
    let (written, read): (Measured, Measured) = tokio::try_join!(
        drive(bench.stockbook.address, &write, one(Ask::Receive).renderers()),
        drive(query, &read, one(Ask::List).renderers()),
    )?;
    bench.record(&format!("receive of one item, {what}"), "ours", &written);
    bench.record(&format!("list of 50, {what}"), "ours", &read);
    let at_rate = written.rate() >= RATE_REACHED * WRITES && read.rate() >= RATE_REACHED * READS;
    let times = Times { apply: written.queryable(P99), read: read.latency(P99), at_rate };
    tracing::info!("{what}: queryable {:.1} ms, list {:.1} ms (p99)", times.apply, times.read);
    Ok(times)
}
