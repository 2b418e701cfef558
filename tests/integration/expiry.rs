//! Holds that end: by the sweeper, by the next decision, and never together with a confirmation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use futures::stream;
use integration_tests::{
    Answer, Api, Figures, Size, Stockbook, World, each, eventually, lines_at_main, moment, seeded,
};
use rand::RngExt;
use serde_json::{Value, json};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;

trials! {
    the_sweeper_ends_a_hold_that_no_command_meets,
    an_expired_hold_counts_in_no_decision_even_without_the_sweeper,
    a_confirmation_and_the_end_of_a_hold_never_both_win,
    holds_that_end_later_cost_the_sweeper_nothing,
}

/// When a hold ends, by the answer that made it.
fn ends(held: &Answer) -> Timestamp {
    moment(&held.json()["reservation"]["expires_at"])
}

/// Waits until the log says that the reservation ended by itself, and returns its history.
async fn expired(command: &Api, id: &str) -> Vec<RecordedEvent> {
    let history = async || command.stream(&format!("reservation/{id}")).await;
    let is_expired = |history: &Vec<RecordedEvent>| {
        history.last().is_some_and(|event| event.event_type == "ReservationExpired")
    };
    eventually("the sweeper ends the reservation", history, is_expired).await
}

async fn the_sweeper_ends_a_hold_that_no_command_meets(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10), ("B", 5)]).await;
    let kept = command.reserve("kept", 1, &[("A", 1)]).await;
    let more = json!({"ttl_seconds": 600});
    command.take(&kept.reservation_id(), "extend", more).await;
    let promised = command.reserve("promised", 1, &[("A", 1)]).await;
    command.take(&promised.reservation_id(), "confirm", json!({})).await;
    let held = command.reserve("forgotten", 1, &[("A", 6), ("B", 5)]).await;
    let id = held.reservation_id();
    assert_eq!(command.figures("B").await, Figures::new(5, 5, 0));

    let history = expired(&command, &id).await;
    assert_eq!(history.len(), 2);
    assert_eq!(history[1].occurred_at, ends(&held));
    assert!(history[1].recorded_at >= ends(&held));
    let stock = command.stream("stock/B/MAIN").await;
    let last = stock.last().unwrap();
    assert_eq!((last.event_type.as_str(), last.occurred_at), ("StockHoldExpired", ends(&held)));
    assert_eq!(command.figures("B").await, Figures::new(5, 0, 0));
    // Those that were due before it, but extended or confirmed in time, stand.
    assert_eq!(command.figures("A").await, Figures::new(10, 1, 1));
    let token = stockbook.heads().await;
    for (id, status) in [(kept, "held"), (promised, "confirmed"), (held, "expired")] {
        let path = format!("/v1/reservations/{}", id.reservation_id());
        assert_eq!(stockbook.read_at(&path, &token).await.json()["status"], status);
    }
    let seen = stockbook.read_at(&format!("/v1/reservations/{id}"), &token).await.json();
    let line = |line: usize, member: &str| seen["lines"][line][member].as_i64();
    assert_eq!((line(0, "released"), line(1, "released")), (Some(6), Some(5)), "{seen}");
    let part = json!({"lines": [{"line": 1, "quantity": 1}]});
    for (step, body) in [
        ("confirm", json!({})),
        ("release", json!({})),
        ("cancel", json!({})),
        ("fulfil", json!({})),
        ("extend", json!({"ttl_seconds": 60})),
        ("return", part),
    ] {
        command.step(&id, step, body).await.expect_problem(409, "reservation_expired");
    }
    assert_eq!(stockbook.heads().await, token, "a refusal was recorded");
    stockbook.verify().await;
}

/// The sweeper only tidies: without it, the next decision about the stock ends the hold.
async fn an_expired_hold_counts_in_no_decision_even_without_the_sweeper(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let held = command.reserve("cart", 1, &[("A", 6), ("A", 3)]).await;
    let mut superuser = stockbook.superuser().await;
    let hide = "create temp table hidden as select * from deadlines; delete from deadlines";
    sqlx::raw_sql(hide).execute(&mut superuser).await.unwrap();
    let over = "select clock_timestamp() >= $1";
    let is_over = async || -> bool {
        let over = sqlx::query_scalar(over).bind(ends(&held).to_utc());
        over.fetch_one(&mut superuser).await.unwrap()
    };
    eventually("the hold's end comes", is_over, |is_over| *is_over).await;

    let id = held.reservation_id();
    let before = stockbook.heads().await;
    let late = command.step(&id, "confirm", json!({})).await;
    late.expect_problem(409, "reservation_expired");
    let short = command.post("/v1/issues", lines_at_main(&[("A", 11)])).await;
    assert_eq!(short.expect_problem(409, "insufficient_stock")["lines"][0]["available"], 10);
    assert_eq!(stockbook.heads().await, before, "a refusal was recorded");

    let mut sale = lines_at_main(&[("A", 8)]);
    sale["occurred_at"] = json!("2010-12-01T08:26:00Z");
    let sold = command.done("/v1/issues", sale).await;
    assert_eq!(sold.types(), ["StockHoldExpired", "StockHoldExpired", "StockIssued"]);
    assert_eq!(sold.figures("A"), Figures::new(2, 0, 0));
    let history = command.stream("stock/A/MAIN").await;
    let [.., first, second, issued] = history.as_slice() else { panic!("{history:?}") };
    assert_eq!((first.occurred_at, second.occurred_at), (ends(&held), ends(&held)));
    assert_eq!(issued.occurred_at.to_string(), "2010-12-01T08:26:00.000000Z");
    let late = command.step(&id, "release", json!({})).await;
    late.expect_problem(409, "reservation_expired");

    // The sweeper comes late and finds the stock tidied up.
    let show = "insert into deadlines select * from hidden";
    sqlx::raw_sql(show).execute(&mut superuser).await.unwrap();
    assert_eq!(expired(&command, &id).await.len(), 2);
    assert_eq!(command.stream("stock/A/MAIN").await.len(), history.len());
    assert_eq!(command.figures("A").await, Figures::new(2, 0, 0));
    stockbook.verify().await;
}

/// Who had a reservation in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Winner {
    Caller,
    Clock,
}

const SKUS: usize = 20;

/// The items of the nth reservation of the race, with amounts: over two lanes, mostly.
fn lines_of(nth: usize) -> [(String, i64); 2] {
    [(format!("S{}", nth % SKUS), 1), (format!("S{}", (nth * 7 + 3) % SKUS), 2)]
}

/// Holds for a second at one instance and confirms at the other one, to arrive about when the hold
/// ends. The aim follows the wins, so that both sides keep winning however slow the machine is.
async fn race(nth: usize, apis: &[Api], aim: &AtomicI64, jitter: i64) -> (String, Winner) {
    const STEP: i64 = 2_000;
    let lines = lines_of(nth);
    let lines = lines.each_ref().map(|(sku, quantity)| (sku.as_str(), *quantity));
    let held = apis[nth % 2].reserve("racer", 1, &lines).await;
    let id = held.reservation_id();
    let at = ends(&held).unix_micros() + aim.load(Ordering::Relaxed) + jitter;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let wait = u64::try_from(at).unwrap().saturating_sub(now.as_micros() as u64);
    tokio::time::sleep(Duration::from_micros(wait)).await;
    let answer = apis[(nth + 1) % 2].step(&id, "confirm", json!({})).await;
    if answer.status == 200 {
        aim.fetch_add(STEP, Ordering::Relaxed);
        return (id, Winner::Caller);
    }
    answer.expect_problem(409, "reservation_expired");
    aim.fetch_sub(STEP, Ordering::Relaxed);
    (id, Winner::Clock)
}

async fn a_confirmation_and_the_end_of_a_hold_never_both_win(world: Arc<World>) {
    let races = Size::wanted().scaled(400, 25);
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    let skus: Vec<String> = (0..SKUS).map(|number| format!("S{number}")).collect();
    stockbook.stock(&each(&skus, 1_000_000)).await;
    let (seed, mut chance) = seeded();
    let (apis, aim) = (stockbook.instances(), AtomicI64::new(-5_000));
    let jitters: Vec<i64> = (0..races).map(|_| chance.random_range(-15_000..=15_000)).collect();
    let all = jitters.iter().enumerate().map(|(nth, jitter)| {
        let (apis, aim) = (&apis, &aim);
        async move { (nth, race(nth, apis, aim, *jitter).await) }
    });
    let all: Vec<_> = stream::iter(all).buffer_unordered(100).collect().await;
    let wins = |winner| all.iter().filter(|(_, (_, won))| *won == winner).count();
    let (caller, clock) = (wins(Winner::Caller), wins(Winner::Clock));
    println!(
        "seed {seed}: {races} races, the caller won {caller}, the clock {clock}; aim {aim:?} µs"
    );

    let ended = async || stockbook.count("ReservationExpired").await;
    eventually("every lost hold is swept", ended, |ended| *ended >= clock as i64).await;
    let mut histories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in stockbook.log().await {
        histories.entry(event.stream.to_string()).or_default().push(event.event_type);
    }
    let mut promised: BTreeMap<String, i64> = BTreeMap::new();
    for (nth, (id, winner)) in &all {
        let history = &histories[&format!("reservation/{id}")];
        let end = match winner {
            Winner::Caller => "ReservationConfirmed",
            Winner::Clock => "ReservationExpired",
        };
        assert_eq!(history[..], ["ReservationHeld", end], "seed {seed}: {id}");
        for (sku, quantity) in lines_of(*nth) {
            let won = if *winner == Winner::Caller { quantity } else { 0 };
            *promised.entry(sku).or_default() += won;
        }
    }
    for (sku, promised) in promised {
        let expected = Figures::new(1_000_000, 0, promised);
        assert_eq!(stockbook.command().figures(&sku).await, expected, "seed {seed}: {sku}");
        let path = format!("/v1/stock/{sku}/MAIN");
        let seen: Value = stockbook.read_at(&path, &stockbook.heads().await).await.json();
        assert_eq!(Figures::of(&seen), expected, "seed {seed}: {sku}");
    }
    stockbook.verify().await;
    super::relay::assert_topic_equals_log(&stockbook).await;
    assert!(caller * 10 >= races && clock * 10 >= races, "one side hardly ever wins");
}

async fn holds_that_end_later_cost_the_sweeper_nothing(world: Arc<World>) {
    let stockbook = Stockbook::prepare(&world, 1).await;
    let mut database = stockbook.superuser().await;
    let many = "insert into deadlines select 'reservation/' || n, 'expire_reservation', \
                clock_timestamp() + interval '1 day' from generate_series(1, 20000) as n; \
                analyze deadlines";
    sqlx::raw_sql(many).execute(&mut database).await.unwrap();
    let search = include_str!("../../command-service/queries/find_due.sql");
    let explain = format!("explain (analyze, buffers, format json) {search}");
    let plan = sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).bind(500_i64).persistent(false);
    let plan: Value = plan.fetch_one(&mut database).await.unwrap();
    let read = |name: &str| plan[0]["Plan"][name].as_i64().unwrap();
    let blocks = read("Shared Hit Blocks") + read("Shared Read Blocks");
    assert!(blocks < 20, "{blocks} pages are read although nothing is due: {plan}");
}
