//! A service that is stopped or paused in the middle of its work.

use std::sync::Arc;
use std::time::Duration;

use integration_tests::{Api, Size, Stockbook, World, lines_at_main, start_again, stop};
use tokio::task::JoinHandle;
use tokio::time::Instant;

trials! {
    a_stopping_service_answers_what_it_took_and_ends_cleanly,
    a_paused_instance_holds_up_the_other_for_six_seconds_at_most,
}

async fn a_stopping_service_answers_what_it_took_and_ends_cleanly(world: Arc<World>) {
    let (mut stockbook, _) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let callers = callers(&stockbook);
    stockbook.grown_to(501).await;
    stop(&mut stockbook.commands[0]).await;
    let mut accepted = 0;
    for caller in callers {
        let (count, last) = caller.await.expect("a caller ends");
        assert!(last.is_none_or(|status| status == 503), "{last:?}");
        accepted += count;
    }
    start_again(&mut stockbook.commands[0]).await;
    let on_hand = stockbook.command().figures("A").await.on_hand;
    assert_eq!(
        on_hand, accepted,
        "an answered receipt is lost, or one that was not answered counts"
    );
    super::relay::assert_topic_equals_log(&stockbook).await;
}

/// A paused instance may hold lanes locked. Postgres ends its transaction after five idle seconds.
async fn a_paused_instance_holds_up_the_other_for_six_seconds_at_most(world: Arc<World>) {
    let paused_for = Duration::from_secs(Size::wanted().scaled(8, 4) as u64);
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    stockbook.register(&["A"]).await;
    let busy = callers(&stockbook);
    stockbook.grown_to(301).await;

    let other = stockbook.instances().remove(1);
    let mut accepted = pause_in_a_transaction(&mut stockbook, &other).await;
    let paused = Instant::now();
    let mut longest = Duration::ZERO;
    while paused.elapsed() < paused_for {
        let asked = Instant::now();
        let answer = other.post("/v1/receipts", lines_at_main(&[("A", 1)])).await;
        match answer.status {
            200 => accepted += 1,
            503 => {}
            _ => panic!("{answer:?}"),
        }
        longest = longest.max(asked.elapsed());
    }
    println!(
        "paused for {paused_for:?}: the other accepted {accepted}, waiting {longest:?} at most"
    );
    assert!(longest < Duration::from_secs(6) && accepted > 0, "{longest:?}, {accepted}");

    stockbook.commands[0].process().resume().expect("the service can be resumed");
    let after = stockbook.command().post("/v1/receipts", lines_at_main(&[("A", 1)])).await;
    assert!(matches!(after.status, 200 | 503), "{after:?}");
    stop(&mut stockbook.commands[0]).await;
    let mut answered = accepted + i64::from(after.status == 200);
    let mut unknown = 0;
    for caller in busy {
        let (count, last) = caller.await.expect("a caller ends");
        answered += count;
        unknown += i64::from(last.is_none_or(|status| status == 503));
    }
    start_again(&mut stockbook.commands[0]).await;
    let on_hand = stockbook.command().figures("A").await.on_hand;
    assert!(
        (answered..=answered + unknown).contains(&on_hand),
        "{answered} + {unknown}: {on_hand}"
    );
    super::relay::assert_topic_equals_log(&stockbook).await;
    stockbook.verify().await;
}

/// Pauses the first command-service again and again until it is caught holding locks. It waits for its lanes
/// because the other one writes, too; returns how often that one received.
async fn pause_in_a_transaction(stockbook: &mut Stockbook, other: &Api) -> i64 {
    let mut received = 0;
    let database = stockbook.write_database().await;
    let caught = "select count(*) from pg_stat_activity where datname = current_database()
        and application_name = 'command-service writer' and state = 'idle in transaction'";
    for _ in 0..500 {
        stockbook.commands[0].process().pause().expect("the service can be paused");
        // What was on its way to Postgres is done by the second look.
        for _ in 0..2 {
            let caught: i64 = sqlx::query_scalar(caught).fetch_one(&database).await.unwrap();
            if caught > 0 {
                return received;
            }
            tokio::task::yield_now().await;
        }
        stockbook.commands[0].process().resume().expect("the service can be resumed");
        other.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
        received += 1;
    }
    panic!("the service was never caught in a transaction");
}

/// Sixteen callers that receive until they are refused.
fn callers(stockbook: &Stockbook) -> Vec<JoinHandle<(i64, Option<u16>)>> {
    (0..16).map(|_| tokio::spawn(receive_until_refused(stockbook.command()))).collect()
}

/// Receives one unit after another until the service has something else to say.
async fn receive_until_refused(api: Api) -> (i64, Option<u16>) {
    let mut accepted = 0;
    let body = Some(lines_at_main(&[("A", 1)]).to_string().into_bytes());
    loop {
        let json = [("content-type", "application/json")];
        match api.try_send(reqwest::Method::POST, "/v1/receipts", &json, body.clone()).await {
            Ok(answer) if answer.status == 200 => accepted += 1,
            Ok(answer) => return (accepted, Some(answer.status)),
            Err(_) => return (accepted, None),
        }
    }
}
