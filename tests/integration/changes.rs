//! How it came to be so: explanations, differences, and the events for those who follow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use integration_tests::{
    Answer, Api, DEADLINE, Figures, Stockbook, World, assert_has, lines_at_main, stop,
};
use reqwest::Method;
use serde_json::{Value, json};
use shared_events::lane::PositionToken;
use shared_events::recorded::RecordedEvent;
use stack::access::Access;
use tokio::time::timeout;

trials! {
    an_explanation_adds_up_and_a_difference_says_what_lies_between,
    changes_are_sent_once_and_in_order_page_by_page_and_as_a_stream,
    an_answer_that_the_client_has_is_not_sent_again,
    availability_is_answered_in_order_with_what_is_unknown,
}

/// Receipts, an issue, a hold and a promise.
async fn trade(stockbook: &Stockbook) -> PositionToken {
    let command = stockbook.command();
    stockbook.register(&["A", "B", "C"]).await;
    stockbook.receive(&[("A", 10), ("B", 4), ("C", 1)]).await;
    command.done("/v1/issues", lines_at_main(&[("A", 1)])).await;
    command.reserve("cart-1", 600, &[("A", 2)]).await;
    let promised = command.reserve("cart-2", 600, &[("A", 3)]).await.reservation_id();
    command.take(&promised, "confirm", json!({})).await;
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/items", &token).await;
    token
}

/// The sum of a member of figures, over a list of objects that have figures as `of`.
fn sum(list: &Value, of: &str, member: &str) -> i64 {
    let one = |item: &Value| item[of][member].as_i64().expect("an amount");
    list.as_array().expect("a list").iter().map(one).sum()
}

async fn an_explanation_adds_up_and_a_difference_says_what_lies_between(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let token = trade(&stockbook).await;
    let query = stockbook.query();
    let whole = query.json("/v1/explain/A/MAIN").await;
    assert_eq!(Figures::of(&whole["figures"]), Figures::new(9, 2, 3));
    for member in ["on_hand", "reserved", "allocated", "available"] {
        assert_eq!(sum(&whole["summary"]["by_type"], "delta", member), whole["figures"][member]);
        assert_eq!(sum(&whole["movements"], "delta", member), whole["figures"][member]);
    }
    let (held, promised) = (&whole["summary"]["reserved_by"], &whole["summary"]["allocated_by"]);
    assert_has(held, json!({"lines": 1, "quantity": 2}));
    assert!(held["items"][0]["expires_at"].is_string(), "{held}");
    assert_has(promised, json!({"lines": 1, "quantity": 3, "items": [{"expires_at": null}]}));
    let movements = whole["movements"].as_array().expect("a list");
    let versions: Vec<&Value> = movements.iter().map(|one| &one["version"]).collect();
    assert_eq!(versions, [5, 4, 3, 2, 1]);
    assert_eq!(movements[0]["reservation"], promised["items"][0]["reservation"]);

    // Page by page it is the same, and as of a position only what stood there.
    let (mut pages, mut cursor) = (Vec::new(), Some(String::new()));
    while let Some(next) = cursor {
        let page = query.json(&format!("/v1/explain/A/MAIN?limit=2{next}")).await;
        assert_eq!(page["summary"].is_null(), !next.is_empty());
        pages.extend(page["movements"].as_array().expect("a list").clone());
        cursor = page["next_cursor"].as_str().map(|next| format!("&cursor={next}"));
    }
    assert_eq!(&pages, movements);
    let earlier = movements[2]["position"].as_str().expect("a position");
    let path = format!("/v1/explain/A/MAIN?at_position={earlier}");
    let then = query.json(&path).await;
    assert_eq!(Figures::of(&then["figures"]), Figures::new(9, 2, 0));
    assert_eq!(then["summary"]["allocated_by"]["lines"], 0);
    assert_eq!(then["movements"].as_array().expect("a list")[..], movements[2..]);

    let path = format!("/v1/diff?sku=A&from_position={earlier}&to_position={token}");
    let diff = query.json(&path).await;
    assert_eq!(Figures::of(&diff["difference"]), Figures::new(0, 0, 3));
    assert_eq!(diff["locations"][0]["location"], "MAIN");
    assert_eq!(diff["movements"].as_array().expect("a list")[..], movements[..2]);
    for member in ["on_hand", "reserved", "allocated", "available"] {
        let at = |of: &str| diff[of][member].as_i64().expect("an amount");
        assert_eq!(at("to") - at("from"), at("difference"), "{member}");
        assert_eq!(sum(&diff["movements"], "delta", member), at("difference"), "{member}");
    }
}

/// The events of every lane, in their order.
type Lanes = BTreeMap<u16, Vec<String>>;

fn sort_in(lanes: &mut Lanes, line: &str) {
    let event: RecordedEvent = serde_json::from_str(line).expect("an event a line");
    lanes.entry(event.lane.0).or_default().push(line.to_owned());
}

/// The log's own lines.
async fn log(stockbook: &Stockbook) -> Lanes {
    let mut lanes = Lanes::new();
    for lane in 0..stockbook.lanes {
        let answer = stockbook.command().get(&format!("/v1/lanes/{lane}/events")).await;
        answer.expect_status(200).body.lines().for_each(|line| sort_in(&mut lanes, line));
    }
    lanes
}

async fn changes_are_sent_once_and_in_order_page_by_page_and_as_a_stream(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_query_service(&[]).await;
    trade(&stockbook).await;
    let query = stockbook.query();
    let (mut seen, mut after) = (Lanes::new(), String::new());
    loop {
        let page = query.get(&format!("/v1/changes?limit=3{after}")).await.expect_status(200);
        assert_eq!(page.header("content-type"), Some("application/x-ndjson"));
        if page.body.is_empty() {
            break;
        }
        page.body.lines().for_each(|line| sort_in(&mut seen, line));
        after = format!("&after={}", page.header("next-position").expect("a position"));
    }
    assert_eq!(seen, log(&stockbook).await);

    // A stream sends the past and then what comes; after a cut it resumes where it was.
    let url = format!("{}/v1/changes", stockbook.queries[1].url());
    let (mut streamed, last) = stream(&url, None, 5).await;
    stockbook.receive(&[("A", 1), ("B", 1), ("C", 1)]).await;
    let log = log(&stockbook).await;
    let left = log.values().map(Vec::len).sum::<usize>() - 5;
    let (rest, _) = stream(&url, Some(&last), left).await;
    for (lane, lines) in rest {
        streamed.entry(lane).or_default().extend(lines);
    }
    assert_eq!(streamed, log);
    query.get("/v1/changes?after=99:1").await.expect_problem(422, "invalid_position");
    // Who would rather have a list gets one.
    let list = "application/x-ndjson;q=0.5, text/event-stream;q=0.4";
    for accept in ["text/event-stream;q=0", list, "*/*", "application/json"] {
        let answer = query.get_with("/v1/changes?limit=1", &[("accept", accept)]).await;
        let answer = answer.expect_status(200);
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"), "{accept}");
        assert_eq!(answer.header("vary"), Some("accept"));
    }

    // A stream that is open does not keep a service from stopping.
    let request = http_client().get(&url).header("accept", "text/event-stream");
    let mut open = request.send().await.expect("the service answers");
    stop(&mut stockbook.queries[1]).await;
    let end = async { while let Ok(Some(_)) = open.chunk().await {} };
    timeout(DEADLINE, end).await.expect("the stream ends with the service");
}

fn http_client() -> reqwest::Client {
    Access::default().client().unwrap().build().unwrap()
}

/// The next events of a stream, and the id of the last of them.
async fn stream(url: &str, last: Option<&str>, count: usize) -> (Lanes, String) {
    let mut request = http_client().get(url).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let mut answer = request.send().await.expect("the service answers");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut text, mut lanes, mut id) = (String::new(), Lanes::new(), String::new());
    for _ in 0..count {
        let end = loop {
            if let Some(end) = text.find("\n\n") {
                break end;
            }
            let chunk = timeout(DEADLINE, answer.chunk()).await.expect("an event in time");
            let chunk = chunk.expect("the stream goes on").expect("the stream does not end");
            text.push_str(std::str::from_utf8(&chunk).expect("text"));
        };
        let event: String = text.drain(..end + 2).collect();
        for line in event.lines() {
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("data", value)) => sort_in(&mut lanes, value),
                _ => {}
            }
        }
    }
    (lanes, id)
}

async fn ask_again(query: &Api, path: &str, tag: &str) -> Answer {
    let headers = [("if-none-match", tag)];
    query.try_send(Method::GET, path, &headers, None).await.expect("the service answers")
}

async fn an_answer_that_the_client_has_is_not_sent_again(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let token = trade(&stockbook).await;
    let (command, query) = (stockbook.command(), stockbook.query());
    let id = command.reserve("cart-3", 600, &[("B", 1)]).await.reservation_id();
    stockbook.read_at("/v1/items", &stockbook.heads().await).await;
    for path in [
        "/v1/stock/A/MAIN".to_owned(),
        "/v1/stock/A".to_owned(),
        "/v1/stock".to_owned(),
        format!("/v1/stock/A/MAIN?at_position={token}"),
        format!("/v1/stock/A?at_position={token}"),
        "/v1/stock/A?as_of=2999-01-01T00:00:00Z".to_owned(),
        "/v1/stock?as_of=2999-01-01T00:00:00Z".to_owned(),
        "/v1/movements".to_owned(),
        format!("/v1/reservations/{id}"),
        "/v1/reservations".to_owned(),
        "/v1/items/A".to_owned(),
        "/v1/items".to_owned(),
        "/v1/locations".to_owned(),
        "/v1/explain/A/MAIN".to_owned(),
        format!("/v1/diff?sku=A&from_position={token}&to_position={token}"),
    ] {
        let first = query.get(&path).await.expect_status(200);
        let tag = first.header("etag").unwrap_or_else(|| panic!("{path} has no tag"));
        let known = ask_again(&query, &path, tag).await.expect_status(304);
        assert!(known.body.is_empty(), "{path}");
        assert_eq!(known.header("stock-position"), first.header("stock-position"), "{path}");
        ask_again(&query, &path, "\"other\"").await.expect_status(200);
    }
    let path = "/v1/stock/A/MAIN";
    let tag = query.get(path).await.header("etag").expect("a tag").to_owned();
    let received = stockbook.receive(&[("A", 1)]).await;
    stockbook.read_at(path, &received.position()).await;
    ask_again(&query, path, &tag).await.expect_status(200);
}

async fn availability_is_answered_in_order_with_what_is_unknown(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    trade(&stockbook).await;
    let query = stockbook.query();
    let pairs = json!({"pairs": [
        {"sku": "C", "location": "MAIN"}, {"sku": "NONE"}, {"sku": "A"}, {"sku": "a b"},
        {"sku": "A", "location": "NONE"}, {"sku": "A", "location": "MAIN"}, {"sku": "A"},
    ]});
    let answer = query.done("/v1/availability", pairs).await;
    let json = answer.json();
    assert_eq!(json["position"], answer.position().to_string());
    let said = |item: &Value| item.get("error").unwrap_or(&item["available"]).clone();
    let said: Vec<Value> = json["items"].as_array().expect("a list").iter().map(said).collect();
    let expected = json!([1, "unknown_sku", 4, "unknown_sku", "unknown_location", 4, 4]);
    assert_eq!(json!(said), expected);

    let at_the_end = json!({"pairs": [{"sku": "A", "location": "MAIN"}]});
    let path = "/v1/availability?as_of=2999-01-01T00:00:00Z";
    let then = query.done(path, at_the_end.clone()).await.json();
    assert_eq!(Figures::of(&then["items"][0]), Figures::new(9, 2, 3));
    query.refused("/v1/availability?at_position=0:1", at_the_end, 422, "invalid_position").await;
    let many: Vec<Value> = (0..5_001).map(|_| json!({"sku": "A"})).collect();
    query.refused("/v1/availability", json!({"pairs": many}), 422, "validation_failed").await;
    let large = json!({"pairs": [{"sku": "A".repeat(2 << 20)}]});
    for _ in 0..20 {
        query.refused("/v1/availability", large.clone(), 413, "body_too_large").await;
        query.get("/livez").await.expect_status(200);
    }
    let silent = timeout(Duration::from_secs(10), query.get("/v1/availability")).await;
    silent.expect("an answer").expect_problem(405, "method_not_allowed");
}
