//! The primary of Postgres is lost and its standby takes its place, with or without all that was acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use integration_tests::link::NetworkFault;
use integration_tests::{
    Api, Commits, Pair, Size, Stockbook, World, each, eventually, lines_at_main,
};
use serde_json::Value;
use shared_events::lane::{Lane, PositionToken};
use stack::postgres::databases::DatabaseUrls;
use tokio::time::Instant;

use crate::integrity::assert_ok;
use crate::redaction::remake_topic;
use crate::relay::assert_topic_equals_log;
use crate::views::done;

trials! {
    what_the_standby_does_not_have_is_not_acknowledged,
    a_fork_is_found_and_an_operator_lets_topic_and_views_follow_the_log_that_won,
}

/// Longer than Postgres lets a transaction of the writer last.
const PAST_EVERY_TIMEOUT: Duration = Duration::from_secs(16);

const SKUS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

async fn pair(world: &World, name: &str, commits: Commits) -> Pair {
    let root = world.servers().folder().root().join(name);
    Pair::start(&root, commits).await.unwrap()
}

/// A synchronous commit whose wait is given up counts as committed in Postgres, but not here.
async fn what_the_standby_does_not_have_is_not_acknowledged(world: Arc<World>) {
    let mut pair = pair(&world, "pair-at-both", Commits::AtBoth).await;
    let urls = pair.create("at_both").await.unwrap();
    let mut stockbook = Stockbook::prepare_in(&world, urls, 4, None).await;
    stockbook.add_command_service(&[]).await;
    stockbook.stock(&[("A", 5)]).await;
    let command = stockbook.command();
    let receipt = lines_at_main(&[("A", 1)]);
    let ask = async || command.keyed("/v1/receipts", "once", &receipt).await;

    pair.replication.inject(NetworkFault::Silent);
    let asked = Instant::now();
    let mut answers = BTreeSet::new();
    while asked.elapsed() < PAST_EVERY_TIMEOUT {
        let answer = ask().await;
        assert!(matches!(answer.status, 409 | 503), "{answer:?}");
        answers.insert(answer.json()["type"].to_string());
    }
    println!("without a standby: {answers:?}");

    pair.fail_over().await.unwrap();
    let done = eventually("the command is accepted", ask, |answer| answer.status == 200).await;
    assert!(!done.is_replayed(), "the standby did not have it: {done:?}");
    let again = ask().await;
    assert!(again.is_replayed() && again.body == done.body, "{again:?}");
    assert_eq!(command.figures("A").await.on_hand, 6);
    stockbook.verify().await;
    drop(stockbook);
    pair.stop().await.unwrap();
}

async fn a_fork_is_found_and_an_operator_lets_topic_and_views_follow_the_log_that_won(
    world: Arc<World>,
) {
    let mut pair = pair(&world, "pair-at-the-primary", Commits::AtThePrimary).await;
    let rounds = Size::wanted().scaled(2, 10);
    for round in 0..rounds {
        if round > 0 {
            pair.rejoin().await.unwrap();
        }
        lose_and_reconcile(&world, &mut pair, round).await;
    }
    println!("{rounds} failovers that lost events: {rounds} forks found and reconciled");
    pair.stop().await.unwrap();
}

/// Loses what the standby did not have yet. The views are in the same server, and lose as much, or elsewhere.
async fn lose_and_reconcile(world: &Arc<World>, pair: &mut Pair, round: usize) {
    let views_lose = round % 2 == 1;
    let recorded_since = [0, 30, 3][round % 3];
    let stockbook = start(world, pair, round, views_lose).await;
    let (command, query) = (stockbook.command(), stockbook.query());
    let kept = stockbook.heads().await;
    pair.caught_up().await.unwrap();

    // 1. More is acknowledged, published and shown than the standby gets.
    pair.replication.inject(NetworkFault::Reset);
    for (nth, sku) in SKUS.iter().enumerate() {
        receive(&command, &format!("lost-{nth}"), sku).await;
    }
    let lost = stockbook.heads().await;
    published(&stockbook).await;
    stockbook.read_at("/v1/items", &lost).await;
    let forked = differing(&kept, &lost);
    assert!(!forked.is_empty());

    // 2. The primary is lost. The services go on by themselves.
    pair.fail_over().await.unwrap();
    pair.replication.inject(NetworkFault::None);
    for nth in 0..recorded_since {
        receive(&command, &format!("since-{nth}"), SKUS[nth % SKUS.len()]).await;
    }

    // 3. All who know the lost events say so.
    relay_says(&command, &forked).await;
    if !views_lose {
        views_say(&query, &forked).await;
        let ready = query.get("/readyz").await.expect_status(200).json();
        assert_eq!(ready["status"], "degraded", "{ready}");
    }
    // 4. An operator lets topic and views follow the log.
    remake_topic(&stockbook).await;
    let views = stockbook.views().await;
    join_all(views.iter().map(async |view| {
        done(&stockbook, &["rebuild", view, "--replace"]).await;
        done(&stockbook, &["rebuild", view, "--drop"]).await;
    }))
    .await;

    // 5. Everything agrees, and what was lost can be done again.
    let on_hand = async |sku| command.figures(sku).await.on_hand;
    let before = on_hand(SKUS[0]).await;
    let again = receive(&command, "lost-0", SKUS[0]).await;
    assert!(!again.is_replayed(), "the log that won does not have it");
    assert!(receive(&command, "lost-0", SKUS[0]).await.is_replayed());
    assert_eq!(on_hand(SKUS[0]).await, before + 1);
    agree(&stockbook).await;
}

async fn start(world: &Arc<World>, pair: &Pair, round: usize, views_lose: bool) -> Stockbook {
    let name = format!("forked_{round}");
    let urls = pair.create(&name).await.unwrap();
    let elsewhere = world.servers().databases().unwrap().create(&name).await.unwrap();
    let urls = match views_lose {
        true => urls,
        false => DatabaseUrls { write_owner: urls.write_owner, write: urls.write, ..elsewhere },
    };
    let mut stockbook = Stockbook::prepare_in(world, urls, 4, None).await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[("SESSION_TIMEOUT_MS", "6000")]).await;
    stockbook.register(&SKUS).await;
    stockbook.receive(&each(&SKUS, 10)).await;
    stockbook
}

/// Receives a unit under a key, asking again until it is accepted.
async fn receive(command: &Api, key: &str, sku: &str) -> integration_tests::Answer {
    let body = lines_at_main(&[(sku, 1)]);
    let ask = async || command.keyed("/v1/receipts", key, &body).await;
    eventually("the receipt is accepted", ask, |answer| answer.status == 200).await
}

/// Waits until Kafka has the whole log.
pub(crate) async fn published(stockbook: &Stockbook) {
    let lanes = async || stockbook.command().rows("/v1/relay").await;
    let all = |lanes: &Vec<Value>| lanes.iter().all(|lane| lane["lag"] == 0);
    eventually("the whole log is published", lanes, all).await;
}

/// The lanes that two tokens place differently.
fn differing(one: &PositionToken, other: &PositionToken) -> BTreeSet<Lane> {
    let places = |token: &PositionToken| token.iter().collect::<BTreeSet<_>>();
    places(other).difference(&places(one)).map(|(lane, _)| *lane).collect()
}

/// Waits until the relay says of each of these lanes that it is a fork.
async fn relay_says(command: &Api, forked: &BTreeSet<Lane>) {
    let is_fork = |lane: &Value| {
        lane["state"] == "stopped" && lane["error"].as_str().is_some_and(|it| it.contains("fork"))
    };
    let lanes = async || command.get("/v1/relay").await;
    eventually("the relay finds the fork", lanes, |answer| {
        let body = answer.json();
        let lanes = body["items"].as_array().into_iter().flatten();
        let found = lanes.filter(|lane| is_fork(lane)).filter_map(|lane| lane["lane"].as_u64());
        answer.status == 200 && found.eq(forked.iter().map(|lane| u64::from(lane.0)))
    })
    .await;
    let metrics = command.get("/metrics").await.body;
    for lane in forked {
        let stopped = format!("stockbook_relay_lane_state{{lane=\"{}\"}} 3", lane.0);
        assert!(metrics.contains(&stopped), "{stopped} is missing");
    }
}

/// Waits until every view says of each of these lanes that the log is another one.
async fn views_say(query: &Api, forked: &BTreeSet<Lane>) {
    let says = |row: &Value| {
        let error = row["error"].as_str().unwrap_or_default();
        error.contains("fork") || error.contains("the chain does not follow")
    };
    let rows = async || query.rows("/v1/projections?").await;
    eventually("every view finds the fork", rows, |rows| {
        let of_forked = rows.iter().filter(|row| {
            forked.iter().any(|lane| row["lane"].as_u64() == Some(u64::from(lane.0)))
        });
        let (mut seen, mut all) = (0, true);
        for row in of_forked {
            seen += 1;
            all &= says(row);
        }
        all && seen > 0
    })
    .await;
}

/// Fails unless topic, views and log say the same.
pub(crate) async fn agree(stockbook: &Stockbook) {
    published(stockbook).await;
    assert_topic_equals_log(stockbook).await;
    let rows = async || stockbook.query().rows("/v1/projections?").await;
    let follows = |row: &Value| row["error"].is_null() && row["lag"] == 0;
    eventually("all views follow", rows, |rows| rows.iter().all(follows)).await;
    let heads = stockbook.heads().await;
    assert_ok(&stockbook.read_at("/v1/integrity", &heads).await.json());
    stockbook.verify().await;
}
