//! Traces: a command can be followed from its request to every view, and nothing waits for the collector.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use integration_tests::{
    Answer, Api, Collector, Stockbook, World, eventually, lines_at_main, read_partition, stop,
};
use stack::services::Service;
use tokio::time::Instant;

trials! {
    a_command_can_be_followed_from_its_request_to_every_view,
    a_request_that_is_not_sampled_leaves_its_traceparent_on_the_event_and_no_span,
    a_collector_that_is_away_delays_neither_a_command_nor_a_stop,
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A batch of spans is sent after this time.
const AFTER_MS: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "100");

/// Services that know location MAIN and item A, and send their traces there.
async fn traced(world: &Arc<World>, url: &str) -> Stockbook {
    let mut stockbook = Stockbook::prepare(world, 2).await;
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", url), AFTER_MS];
    stockbook.add_command_service(&settings).await;
    stockbook.add_query_service(&settings).await;
    stockbook.register(&["A"]).await;
    stockbook
}

async fn receive(command: &Api, traceparent: &str) -> Answer {
    let headers = [("traceparent", traceparent)];
    let lines = lines_at_main(&[("A", 3)]);
    command.send_with("POST", "/v1/receipts", &headers, &lines).await.expect_status(200)
}

async fn a_command_can_be_followed_from_its_request_to_every_view(world: Arc<World>) {
    let collector = Collector::start().await;
    let stockbook = traced(&world, &collector.url).await;
    receive(&stockbook.command(), &format!("00-{TRACE}-{CALLER}-01")).await;

    let views = stockbook.views().await.into_iter().map(|view| format!("apply {view}_v1"));
    let own = ["POST /v1/receipts", "append", "send"].map(str::to_owned);
    let wanted: BTreeSet<String> = views.chain(own).collect();
    let names = || collector.spans_of(TRACE).into_iter().map(|span| span.name).collect();
    eventually("all spans", async || -> BTreeSet<String> { names() }, |seen| *seen == wanted).await;

    let spans = collector.spans_of(TRACE);
    let request = spans.iter().find(|span| span.parent == CALLER).expect("the caller's child");
    assert_eq!(request.name, "POST /v1/receipts");
    for span in &spans {
        let is_view = span.name.starts_with("apply ");
        let service = if is_view { "query-service" } else { "command-service" };
        assert_eq!(span.service, service, "{span:?}");
        assert!(span.began <= span.ended, "{span:?}");
        assert!(span.id == request.id || span.parent == request.id, "{span:?}");
        assert!(span.began >= request.began, "{span:?} began before {request:?}");
    }
    let on_topic = traceparents(&stockbook, 1).await;
    assert_eq!(on_topic, [format!("00-{TRACE}-{}-01", request.id)]);
}

async fn a_request_that_is_not_sampled_leaves_its_traceparent_on_the_event_and_no_span(
    world: Arc<World>,
) {
    let collector = Collector::start().await;
    let mut stockbook = traced(&world, &collector.url).await;
    let (unsampled, later) = (TRACE, "1af7651916cd43dd8448eb211c80319c");
    let untraced = format!("00-{unsampled}-{CALLER}-00");
    receive(&stockbook.command(), &untraced).await;
    receive(&stockbook.command(), &format!("00-{later}-{CALLER}-01")).await;
    assert_eq!(traceparents(&stockbook, 2).await[0], untraced);

    // A stop sends what is left.
    for service in stockbook.commands.iter_mut().chain(&mut stockbook.queries) {
        stop(service).await;
    }
    assert!(!collector.spans_of(later).is_empty(), "the later one is traced");
    assert!(collector.spans_of(unsampled).is_empty(), "{:?}", collector.spans_of(unsampled));
}

/// Those of the receipts on the topic, in the order of their lane, once there are so many.
async fn traceparents(stockbook: &Stockbook, receipts: usize) -> Vec<String> {
    let read = async || {
        let mut found = Vec::new();
        for lane in 0..stockbook.lanes {
            let records = read_partition(stockbook.brokers(), &stockbook.topic, lane).await;
            let received = records.iter().filter(|(event, _)| event.event_type == "StockReceived");
            found.extend(received.map(|(event, _)| event.traceparent.clone()));
        }
        found
    };
    let found = eventually("all receipts on the topic", read, |seen| seen.len() == receipts).await;
    found.into_iter().map(|one| one.expect("a traceparent").to_string()).collect()
}

async fn a_collector_that_is_away_delays_neither_a_command_nor_a_stop(world: Arc<World>) {
    // It accepts no connection: nobody listens on a port that was free a moment ago.
    let closed = Collector::start().await.url.clone();
    let mut stockbook = traced(&world, &closed).await;
    let command = stockbook.command();
    let began = Instant::now();
    for _ in 0..200 {
        receive(&command, &format!("00-{TRACE}-{CALLER}-01")).await;
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "200 receipts took {took:?}");
    let service: &mut Service = &mut stockbook.commands[0];
    let began = Instant::now();
    stop(service).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "the stop took {took:?}");
}
