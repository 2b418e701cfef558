//! A service that is stopped in the middle of its work.

use std::sync::Arc;

use integration_tests::eventually::eventually;
use integration_tests::stockbook::{Stockbook, lines_at_main, start_again};
use integration_tests::world::World;
use serde_json::Value;

pub(crate) async fn a_stopping_service_answers_what_it_took_and_ends_cleanly(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.register(&["A"]).await;
    let api = stockbook.command();
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let api = api.clone();
            tokio::spawn(async move {
                let mut accepted = 0_i64;
                let body = Some(lines_at_main(&[("A", 1)]).to_string().into_bytes());
                loop {
                    let json = [("content-type", "application/json")];
                    let sent =
                        api.try_send(reqwest::Method::POST, "/v1/receipts", &json, body.clone());
                    match sent.await {
                        Ok(answer) if answer.status == 200 => accepted += 1,
                        Ok(answer) => return (accepted, Some(answer.status)),
                        Err(_) => return (accepted, None),
                    }
                }
            })
        })
        .collect();
    eventually("receipts come in", async || stockbook.recorded().await, |seen| *seen > 500).await;
    let ended = stockbook.commands[0].stop().await.expect("the service stops");
    assert!(ended.success(), "{ended}");
    let mut accepted = 0;
    for caller in callers {
        let (count, last) = caller.await.expect("a caller ends");
        assert!(last.is_none_or(|status| status == 503), "{last:?}");
        accepted += count;
    }
    start_again(&mut stockbook.commands[0]).await;
    let history = stockbook.command().get("/v1/streams/stock/A/MAIN/events?limit=10000").await;
    let last: Value = serde_json::from_str(history.body.lines().last().unwrap()).unwrap();
    let on_hand = last["data"]["after"]["on_hand"].as_i64().expect("a number");
    assert_eq!(
        on_hand, accepted,
        "an answered receipt is lost, or one that was not answered counts"
    );
    super::relay::assert_topic_equals_log(&stockbook).await;
}
