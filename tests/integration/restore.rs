//! A database that is put back to an earlier state under a running service.

use std::sync::Arc;

use integration_tests::{
    Api, Figures, Stockbook, World, eventually, lines_at_main, read_partition,
};
use serde_json::Value;

use crate::failover::published;

trials! {
    a_service_follows_a_log_that_was_restored_while_it_ran,
    a_relay_does_not_publish_one_history_after_another,
}

/// Forgets the events after a position, as a restore to that moment would.
async fn restore(stockbook: &Stockbook, position: i64) {
    let mut superuser = stockbook.superuser().await;
    // The triggers do not fire for a replica.
    sqlx::raw_sql("set session_replication_role = replica").execute(&mut superuser).await.unwrap();
    let forget = sqlx::query("delete from events where position > $1").bind(position);
    let forgotten = forget.execute(&mut superuser).await.unwrap().rows_affected();
    assert!(forgotten > 0, "nothing was recorded after {position}");
}

/// How often the service found that the log is not the one it knew.
async fn forks(api: &Api) -> u64 {
    api.metric("stockbook_writer_forks_total").await
}

async fn receive(api: &Api, quantity: i64) -> i64 {
    let lines = lines_at_main(&[("A", quantity)]);
    api.done("/v1/receipts", lines).await.figures("A").on_hand
}

/// A service that knew better than the log would invent or lose units.
async fn a_service_follows_a_log_that_was_restored_while_it_ran(world: Arc<World>) {
    let (mut stockbook, warm) = Stockbook::without_views(&world, 1).await;
    receive(&warm, 10).await;
    let earlier = stockbook.recorded().await;
    receive(&warm, 5).await;
    assert_eq!(receive(&warm, 5).await, 20);
    assert_eq!(forks(&warm).await, 0);

    // The head is behind what the service knows.
    restore(&stockbook, earlier).await;
    let short = warm.post("/v1/issues", lines_at_main(&[("A", 11)])).await;
    assert_eq!(short.expect_problem(409, "insufficient_stock")["lines"][0]["available"], 10);
    assert_eq!(forks(&warm).await, 1);
    let sold = warm.done("/v1/issues", lines_at_main(&[("A", 4)])).await;
    assert_eq!(sold.figures("A"), Figures::new(6, 0, 0));
    stockbook.verify().await;

    // Another instance wrote on meanwhile: as many events, other ones.
    let earlier = stockbook.recorded().await;
    assert_eq!(receive(&warm, 1).await, 7);
    restore(&stockbook, earlier).await;
    stockbook.add_command_service(&[]).await;
    let other = stockbook.instances().remove(1);
    assert_eq!(receive(&other, 2).await, 8);
    let sold = warm.done("/v1/issues", lines_at_main(&[("A", 8)])).await;
    assert_eq!(sold.figures("A"), Figures::new(0, 0, 0));
    assert_eq!(forks(&warm).await, 2);
    stockbook.verify().await;

    // And more events than the service knew.
    let earlier = stockbook.recorded().await;
    assert_eq!(receive(&warm, 3).await, 3);
    restore(&stockbook, earlier).await;
    receive(&other, 1).await;
    assert_eq!(receive(&other, 1).await, 2);
    let short = warm.post("/v1/issues", lines_at_main(&[("A", 3)])).await;
    assert_eq!(short.expect_problem(409, "insufficient_stock")["lines"][0]["available"], 2);
    assert_eq!(forks(&warm).await, 3);
    assert_eq!(receive(&warm, 1).await, 3);
    assert_eq!(forks(&other).await, 0, "it knew nothing that was taken away");
    stockbook.verify().await;
}

/// If it went on where it was, nothing would tell its next session that the topic has another history.
async fn a_relay_does_not_publish_one_history_after_another(world: Arc<World>) {
    let (stockbook, command) = Stockbook::without_views(&world, 1).await;
    let earlier = stockbook.recorded().await;
    for _ in 0..3 {
        receive(&command, 5).await;
    }
    published(&stockbook).await;
    let records = async || read_partition(stockbook.brokers(), &stockbook.topic, 0).await.len();
    let before = records().await;
    restore(&stockbook, earlier).await;
    // More than were lost, so that some have a position that the topic does not have yet.
    for _ in 0..5 {
        receive(&command, 1).await;
    }
    let lanes = async || command.rows("/v1/relay").await;
    let is_fork = |lanes: &Vec<Value>| {
        let error = lanes[0]["error"].as_str().unwrap_or_default();
        lanes[0]["state"] == "stopped" && error.starts_with("fork")
    };
    eventually("the relay stops at the fork", lanes, is_fork).await;
    assert_eq!(records().await, before, "nothing is published after a fork");
}
