//! Several writers on one log: each decides on what it knows, and the append proves that it is the latest.

use std::sync::Arc;

use futures::future::join_all;
use integration_tests::{
    Answer, Api, Figures, READY_MAX, Size, Stockbook, World, eventually, lines_at_main,
};
use serde_json::json;
use shared_events::lane::LaneMap;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::idempotency::keyed;

trials! {
    a_refusal_is_never_older_than_an_answer_of_another_instance,
    one_key_with_two_bodies_on_two_instances_has_one_outcome,
    readers_of_a_moment_wait_for_a_paused_append_and_stop_no_other,
    an_event_that_appears_during_an_append_is_not_overwritten,
}

async fn execute(connection: &mut PgConnection, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

async fn two_instances(world: &Arc<World>, lanes: u16) -> (Stockbook, Api, Api) {
    let (mut stockbook, one) = Stockbook::without_views(world, lanes).await;
    stockbook.add_command_service(&[]).await;
    let other = stockbook.instances().remove(1);
    (stockbook, one, other)
}

/// An instance that has not written for a while must not refuse on what it remembers.
async fn a_refusal_is_never_older_than_an_answer_of_another_instance(world: Arc<World>) {
    let rounds = Size::wanted().scaled(100, 10);
    println!("size: {rounds} receipts and issues");
    let (stockbook, one, other) = two_instances(&world, 4).await;
    // The other instance knows the stream, without stock.
    other.post("/v1/issues", lines_at_main(&[("A", 1)])).await.expect_status(409);
    for round in 0..rounds {
        one.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
        let issued = other.post("/v1/issues", lines_at_main(&[("A", 1)])).await;
        assert_eq!(issued.status, 200, "round {round}: {issued:?}");
        assert_eq!(issued.figures("A"), Figures::new(0, 0, 0));
    }
    stockbook.verify().await;
}

/// One body is accepted and the other refused, so their outcomes lie in two tables.
async fn one_key_with_two_bodies_on_two_instances_has_one_outcome(world: Arc<World>) {
    let keys = Size::wanted().scaled(100, 100);
    println!("size: {keys} keys");
    let (stockbook, one, other) = two_instances(&world, 4).await;
    stockbook.receive(&[("A", 1)]).await;
    let before = stockbook.recorded().await;
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..keys {
        let key = format!("key-{number}");
        let receive = keyed(&one, "/v1/receipts", &key, &[("A", 1)]);
        let issue = keyed(&other, "/v1/issues", &key, &[("A", 1_000_000)]);
        let (received, issued) = futures::join!(receive, issue);
        match (received.status, issued.status) {
            (200, 409 | 422) => accepted += 1,
            (409 | 422, 409) => refused += 1,
            other => panic!("{key}: {other:?}, {received:?}, {issued:?}"),
        }
        if received.status == 200 {
            assert!(issued.body.contains("/problems/idempotency_"), "{issued:?}");
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 0 && refused > 0, "only one of two ends was met: {accepted}, {refused}");
    assert_eq!(stockbook.recorded().await - before, accepted);
    let outcomes = "select count(*) from commands where key like 'key-%'";
    let stored: i64 =
        sqlx::query_scalar(outcomes).fetch_one(&stockbook.write_database().await).await.unwrap();
    assert_eq!(stored, refused, "a key has an event and a refusal");
    stockbook.verify().await;
}

/// Two skus whose items are in different lanes.
fn in_two_lanes(lanes: u16) -> [String; 2] {
    let map = LaneMap::even(lanes).unwrap();
    let lane = |sku: &str| map.lane_of(&format!("item/{sku}").parse().unwrap());
    let mut others = (1..).map(|number| format!("S{number}"));
    let other = others.find(|sku| lane(sku) != lane("A")).expect("two lanes have skus");
    ["A".to_owned(), other]
}

/// Inserts an event at the head of A's lane and leaves it uncommitted, without the lane's lock.
const HALF_WRITTEN: &str =
    "begin; insert into events select lane, position + 1, stream, version + 1,
        type, schema_version, occurred_at, recorded_at, actor, correlation_id, causation_id, data,
        data_hash, chain
    from events where stream = 'stock/A/MAIN' order by version desc limit 1";

fn receive(api: &Api, sku: &str) -> JoinHandle<Answer> {
    let (api, lines) = (api.clone(), lines_at_main(&[(sku, 1)]));
    tokio::spawn(async move { api.post("/v1/receipts", lines).await })
}

/// Waits until an append waits in the database for another transaction.
async fn append_is_paused(stockbook: &Stockbook) {
    let mut observer = stockbook.superuser().await;
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
        and application_name = 'command-service writer' and wait_event_type = 'Lock'";
    eventually(
        "an append is paused",
        async || -> i64 { sqlx::query_scalar(waiting).fetch_one(&mut observer).await.unwrap() },
        |seen| *seen > 0,
    )
    .await;
}

async fn readers_of_a_moment_wait_for_a_paused_append_and_stop_no_other(world: Arc<World>) {
    const ASKERS: usize = 100;
    const RECEIPTS: u64 = 20;
    let (stockbook, one, other) = two_instances(&world, 4).await;
    let [a, b] = in_two_lanes(4);
    one.put(&format!("/v1/items/{b}"), json!({})).await.expect_status(201);
    for api in [&one, &other] {
        for sku in [&a, &b] {
            api.done("/v1/receipts", lines_at_main(&[(sku.as_str(), 1)])).await;
        }
    }

    let mut holder = stockbook.superuser().await;
    execute(&mut holder, HALF_WRITTEN).await;
    let paused = receive(&one, &a);
    append_is_paused(&stockbook).await;
    let now =
        "select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    let now: String =
        sqlx::query_scalar(now).fetch_one(&stockbook.write_database().await).await.unwrap();
    let path = format!("/v1/lanes?at={now}");
    let askers: Vec<JoinHandle<Answer>> = (0..ASKERS)
        .map(|_| {
            let (api, path) = (other.clone(), path.clone());
            tokio::spawn(async move { api.get(&path).await })
        })
        .collect();
    let conflicts =
        async || other.metric::<u64>(r#"stockbook_writer_foreseen_total{log="other"}"#).await;
    let before = conflicts().await;
    for _ in 0..RECEIPTS {
        let received = receive(&other, &b);
        timeout(READY_MAX, received).await.expect("other lanes go on").unwrap().expect_status(200);
    }
    // On a machine that is busy with other tests a clock may be a tenth of a second late now and then.
    assert!(conflicts().await - before <= RECEIPTS / 4, "askers stop the appends of other lanes");
    assert!(!paused.is_finished(), "the append was not paused");
    assert!(
        askers.iter().all(|asker| !asker.is_finished()),
        "a reader did not wait for the append"
    );

    execute(&mut holder, "rollback").await;
    paused.await.unwrap().expect_status(200);
    let answers = timeout(READY_MAX, join_all(askers)).await.expect("askers end in bounded time");
    let answers: Vec<Answer> = answers.into_iter().map(Result::unwrap).collect();
    for answer in &answers {
        assert_eq!(
            (answer.status, &answer.body),
            (200, &answers[0].body),
            "one moment, one answer"
        );
    }
    stockbook.verify().await;
}

/// The primary key is the last word, whatever an append believes.
async fn an_event_that_appears_during_an_append_is_not_overwritten(world: Arc<World>) {
    let (mut stockbook, one, other) = two_instances(&world, 1).await;
    for api in [&other, &one] {
        api.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
    }
    other.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
    // The last event is taken away and comes back while the first instance, which has not seen it, writes.
    let mut holder = stockbook.superuser().await;
    execute(
        &mut holder,
        "set session_replication_role = replica;
         create table kept as select * from events order by position desc limit 1;
         delete from events using kept where events.position = kept.position",
    )
    .await;
    execute(&mut holder, "begin; insert into events select * from kept").await;
    let received = receive(&one, "A");
    append_is_paused(&stockbook).await;
    assert!(!received.is_finished());
    execute(&mut holder, "commit; drop table kept").await;
    let received = received.await.unwrap().expect_status(200);
    assert_eq!(received.figures("A").on_hand, 4, "it was decided again on the event that appeared");
    stockbook.commands[1].stop().await.expect("the service stops");
    stockbook.verify().await;
}
