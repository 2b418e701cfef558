//! A run from the empty system to the verdict.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::clients::Clients;
use crate::compare;
use crate::faults::{Injector, Tally};
use crate::history::{History, Kind};
use crate::oracle::Log;
use crate::schedule::{Fault, draw, draw_failovers};
use crate::system::{LANES, Pace, RECOVERY_MAX, System};

/// So many commands for each fault, or the run proves nothing.
const ACKNOWLEDGED_MIN: usize = 10;

/// How often commands are asked again at the end: about so many of them.
const REPEATED: usize = 400;

/// What is to go wrong.
pub(crate) struct Plan {
    pub(crate) cycles: usize,
    pub(crate) seed: u64,
    /// The longest network fault.
    pub(crate) longest: Duration,
    pub(crate) pace: Pace,
    /// A part of the names of the kinds of faults that are injected.
    pub(crate) only: Option<String>,
    /// Postgres has a standby, and every fault is that the primary is lost.
    pub(crate) failover: bool,
}

impl Plan {
    /// The command line that makes the same plan.
    fn command(&self) -> String {
        let Self { cycles, seed, longest, pace, only, failover } = self;
        let quick = if *pace == Pace::Quick { " --quick" } else { "" };
        let longest = longest.as_secs();
        let failover = if *failover { " --failover" } else { "" };
        let only = only.as_ref().map(|only| format!(" --only '{only}'")).unwrap_or_default();
        format!(
            "cargo chaos --cycles {cycles} --seed {seed} --longest {longest}{quick}{only}{failover}"
        )
    }
}

/// Runs it on a new system; true if nothing was violated.
pub(crate) fn run(plan: &Plan) -> bool {
    let runtime = Runtime::new().expect("a runtime can be made");
    let ran = runtime.block_on(Box::pin(go_wrong(plan)));
    ran.unwrap_or_else(|error| {
        println!("chaos: it could not be run to its end: {error:#}");
        false
    })
}

async fn go_wrong(plan: &Plan) -> anyhow::Result<bool> {
    let started = Instant::now();
    let mut schedule = match plan.failover {
        true => draw_failovers(plan.cycles, plan.seed),
        false => draw(plan.cycles, plan.seed, plan.longest),
    };
    let only = plan.only.as_deref().unwrap_or_default();
    schedule.retain(|cycle| cycle.fault.kind().contains(only));
    for cycle in &schedule {
        println!("{cycle}");
    }
    println!("the same again: {}", plan.command());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    let system = System::start(&folder, plan.pace, plan.failover).await?;
    println!("started after {:.1?}", started.elapsed());
    let history = History::default();
    let clients = Clients::new(&system, &history);
    clients.prepare().await;
    let injector = Injector::new(&clients);
    let faults = async {
        injector.run(&schedule).await;
        clients.done.store(true, Ordering::Relaxed);
    };
    futures::join!(Box::pin(faults), Box::pin(clients.run(plan.seed)));
    println!("the last fault is over after {:.1?}", started.elapsed());
    let is_whole = !schedule.iter().any(|cycle| cycle.fault == Fault::TopicAgain);
    if let Err(error) = judge(&system, &clients, is_whole).await {
        history.violate(Kind::Broken, format!("{error:#}\n{}", compare::stuck(&system).await));
    }
    println!("judged after {:.1?}", started.elapsed());
    let tally = std::mem::take(&mut *injector.tally.lock().unwrap_or_else(PoisonError::into_inner));
    vacuous(schedule.len(), &tally, &history);
    let reads = clients.reads.load(Ordering::Relaxed);
    let is_good = report(&tally, &history, reads, started);
    Box::pin(system.stop()).await?;
    println!("{}", summary(plan, &tally, &history, started));
    Ok(is_good)
}

/// Everything comes to rest; then log, topic, views and answers are compared.
async fn judge(system: &System, clients: &Clients<'_>, is_whole: bool) -> anyhow::Result<()> {
    let history = clients.history;
    clients.repeat(history.settled().len() / REPEATED).await;
    settled(system).await?;
    let mut log = Log::read(&mut system.superuser(system.urls.write.path()).await?).await?;
    log.fold(history);
    log.judge(history);
    followed(system, &log).await?;
    if let Some(difference) = system.verify().await {
        history.violate(Kind::Differs, difference);
    }
    compare::topic(system, &log, history, is_whole).await;
    compare::views(system, &log, history).await?;
    let mut superuser = system.superuser("").await?;
    let resting = "select count(*) from pg_stat_activity where state like 'idle in transaction%'
        and state_change < now() - interval '10 seconds'";
    let resting: i64 = sqlx::query_scalar(resting).fetch_one(&mut superuser).await?;
    if resting > 0 {
        history.violate(Kind::Broken, format!("{resting} transactions rest"));
    }
    Ok(())
}

/// Waits until no reservation waits or is held: each ends by itself.
async fn settled(system: &System) -> anyhow::Result<()> {
    let waited = Instant::now();
    loop {
        let mut open = Vec::new();
        for status in ["held", "waiting"] {
            let path = format!("/v1/reservations?owner=chaos&status={status}&limit=5");
            let answer =
                system.queries[0].direct.try_send(reqwest::Method::GET, &path, &[], None).await?;
            let page: Value = serde_json::from_str(&answer.body)?;
            open.extend(page["items"].as_array().cloned().unwrap_or_else(|| vec![page]));
        }
        if open.is_empty() {
            return Ok(());
        }
        if waited.elapsed() > RECOVERY_MAX {
            bail!("reservations do not end: {open:?}");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until both query-services and the relay know the whole log.
async fn followed(system: &System, log: &Log) -> anyhow::Result<()> {
    let heads = (0..i64::from(LANES)).filter_map(|lane| {
        let head = log.events.iter().rfind(|event| event.lane == lane)?;
        Some(format!("{lane}:{}", head.position))
    });
    let heads = heads.collect::<Vec<_>>().join(",");
    let (path, waited) =
        (format!("/v1/projections?min_position={heads}&wait_ms=1000"), Instant::now());
    for (apis, path) in [(&system.queries, &*path), (&system.commands, "/v1/relay")] {
        for instance in apis {
            loop {
                let answer = instance.direct.try_send(reqwest::Method::GET, path, &[], None).await;
                let is_there = answer.as_ref().is_ok_and(|answer| answer.status == 200);
                let text = answer.map_or_else(|error| error.to_string(), |answer| answer.body);
                let lanes: Value = serde_json::from_str(&text).unwrap_or_default();
                let mut lanes = lanes["items"].as_array().into_iter().flatten();
                if is_there && lanes.all(|lane| lane["lag"] == 0) {
                    break;
                }
                if waited.elapsed() > RECOVERY_MAX {
                    bail!("stuck: the log is at {heads}: {}", instance.direct.base());
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    Ok(())
}

/// A run in which nothing went wrong, or nobody worked, shows nothing.
fn vacuous(cycles: usize, tally: &Tally, history: &History) {
    let injected: usize = tally.kinds.values().map(|(count, _)| count).sum();
    if injected < cycles || tally.without_effect.len() * 2 > cycles {
        history.violate(Kind::Broken, format!("vacuous: {injected} of {cycles} faults"));
    }
    let acknowledged = history.acknowledged();
    if acknowledged < cycles * ACKNOWLEDGED_MIN {
        history.violate(Kind::Broken, format!("vacuous: {acknowledged} commands acknowledged"));
    }
}

fn report(tally: &Tally, history: &History, reads: usize, started: Instant) -> bool {
    for (kind, (count, worst)) in &tally.kinds {
        println!("{count:4} × {kind}: works again after {worst:.1?} at most");
    }
    for cycle in &tally.without_effect {
        println!("     touched nothing: {cycle}");
    }
    let settled = history.settled();
    let refused = settled.iter().filter(|one| !one.is_acknowledged()).count();
    let retried = settled.iter().filter(|one| one.attempts > 1).count();
    println!(
        "{} commands settled, {refused} of them refused, {retried} asked more than once; {reads} figures read at \
         a position; {:.0?}",
        settled.len(),
        started.elapsed()
    );
    history.violations().is_empty()
}

fn summary(plan: &Plan, tally: &Tally, history: &History, started: Instant) -> String {
    let violations = history.violations();
    let of = |kind| violations.iter().filter(|one| **one == kind).count();
    let mut text = format!(
        "chaos: {} cycles ({} kills), seed {}, {:.0?}: {} commands acknowledged; lost {}, doubled {}, oversold {}, \
         differing rows {}, other violations {}; faults (worst recovery):",
        plan.cycles,
        tally.kills,
        plan.seed,
        started.elapsed(),
        history.acknowledged(),
        of(Kind::Lost),
        of(Kind::Doubled),
        of(Kind::Oversold),
        of(Kind::Differs),
        of(Kind::Broken),
    );
    for (nth, (kind, (count, worst))) in tally.kinds.iter().enumerate() {
        let _ = write!(
            text,
            "{} {count} {kind} ({:.1} s)",
            if nth > 0 { "," } else { "" },
            worst.as_secs_f64()
        );
    }
    text
}
