//! Idle is not silent: after any pause the next event is applied at once, and nobody takes a pause for a
//! fault.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use integration_tests::{Stockbook, World, eventually};
use tokio::time::Instant;

trials! {
    after_any_pause_the_next_event_is_applied_at_once_and_nothing_is_replaced,
}

/// Longer than any limit that a pause could be taken for: a lane may be behind for 3 s, the group waits 6 s
/// for an instance, and the locks of the relay are lost after 8 s.
const LONG_PAUSE: Duration = Duration::from_secs(9);

/// Longer than Kafka may be silent here.
const PAUSE: Duration = Duration::from_millis(600);

/// Less than a lane may be behind before it is read from the log: only Kafka can be so quick.
const AT_ONCE: &str = "2500";

/// The lines of both services that say that something is wrong, or that lanes change hands.
fn notable(logs: &[PathBuf]) -> Vec<String> {
    let words = ["WARN", "ERROR", "assigned", "take over"];
    let text =
        logs.iter().map(|log| std::fs::read_to_string(log).expect("a log")).collect::<String>();
    text.lines()
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .map(str::to_owned)
        .collect()
}

async fn after_any_pause_the_next_event_is_applied_at_once_and_nothing_is_replaced(
    world: Arc<World>,
) {
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.add_command_service(&[]).await;
    let settings = [
        ("HEADS_INTERVAL_MS", "10"),
        ("KAFKA_SILENCE_MAX_MS", "500"),
        ("SESSION_TIMEOUT_MS", "6000"),
    ];
    stockbook.add_query_service(&settings).await;
    stockbook.stock(&[("A", 1)]).await;
    let views = ["/v1/stock/A/MAIN?", "/v1/alerts?", "/v1/flow/A?from=2026-01-01&to=2026-01-02&"];
    let token = stockbook.heads().await;
    for view in views {
        stockbook.read_at(view.trim_end_matches(['?', '&']), &token).await;
    }
    let logs = [&mut stockbook.commands[0], &mut stockbook.queries[0]]
        .map(|service| service.process().log().to_owned());
    let query = stockbook.query();
    let replaced = async || {
        let gaps: u64 = query.metric("stockbook_projection_gaps_total").await;
        (gaps, query.metric::<u64>("stockbook_consumer_rebuilds_total").await)
    };
    let before = (notable(&logs), replaced().await);
    assert!(before.0.iter().any(|line| line.contains("take over")), "{before:?}");
    for pause in [LONG_PAUSE].into_iter().chain([PAUSE; 8]) {
        let since = Instant::now();
        eventually("nothing happens", async || since.elapsed(), |idle| *idle > pause).await;
        let received = stockbook.receive(&[("A", 1)]).await.position();
        for view in views {
            let path = format!("{view}min_position={received}&wait_ms={AT_ONCE}");
            query.get(&path).await.expect_status(200);
        }
    }
    assert_eq!((notable(&logs), replaced().await), before);
}
