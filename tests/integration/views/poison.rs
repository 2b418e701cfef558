//! Events that cannot be applied: each stops its own lane and no other, and a lane goes on after a fix
//! or an operator's skip.

use std::collections::BTreeMap;
use std::sync::Arc;

use integration_tests::{Api, Stockbook, World, each, eventually};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared_events::chain::{Chain, data_hash};
use shared_events::lane::{Lane, LaneMap, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::values::Sku;

use super::{done, run, start};
use crate::console::{OWN, assert_shows, send};

trials! {
    five_kinds_of_poison_stop_five_lanes_until_a_fix_or_a_skip,
}

const LANES: u16 = 7;

/// An item of each lane whose name begins so.
fn skus(prefix: &str) -> Vec<String> {
    let map = LaneMap::even(LANES).unwrap();
    let of = |lane| {
        let mut names = (0..).map(|nth| format!("{prefix}{nth}"));
        let is_there = |name: &String| map.lane_of_item(&name.parse::<Sku>().unwrap()) == lane;
        names.find(is_there).unwrap()
    };
    (0..LANES).map(|lane| of(Lane(lane))).collect()
}

/// The five kinds: type, data, and whether the chain goes on from what is there.
fn kinds(sku: &str) -> [(&'static str, Value, bool); 5] {
    let figures = json!({"on_hand": 1, "reserved": 0, "allocated": 0});
    [
        ("ItemSealed", json!({}), true),
        ("ItemChanged", json!({"sku": sku}), true),
        ("ItemRetired", json!({"sku": "ANOTHER"}), true),
        ("ItemRetired", json!({"sku": sku}), false),
        (
            "StockReceived",
            json!({"sku": sku, "location": "EAST", "quantity": i64::MIN, "after": figures}),
            true,
        ),
    ]
}

/// Puts an event at the end of a lane as nobody can through a service.
async fn poison(stockbook: &Stockbook, lane: u16, sku: &str) -> String {
    let heads = stockbook.command().rows("/v1/lanes?").await;
    let head = heads.iter().find(|one| one["lane"] == lane).unwrap();
    let (event_type, data, follows) = kinds(sku)[usize::from(lane)].clone();
    let stream = if event_type == "StockReceived" {
        format!("stock/{sku}/EAST")
    } else {
        format!("item/{sku}")
    };
    let recorded_at = head["recorded_at"].as_str().unwrap().parse().unwrap();
    let mut event = RecordedEvent {
        lane: Lane(lane),
        position: Position(head["position"].as_i64().unwrap() + 1),
        stream: stream.parse().unwrap(),
        version: Version(900),
        event_type: event_type.to_owned(),
        schema_version: 1,
        occurred_at: recorded_at,
        recorded_at,
        actor: None,
        caller: None,
        personal: None,
        redacted: None,
        correlation_id: "poison".parse().unwrap(),
        causation_id: None,
        data: RawValue::from_string(data.to_string()).unwrap(),
        chain: Chain([7; 32]),
        traceparent: None,
    };
    if follows {
        event.chain = event.chain_after(head["chain"].as_str().unwrap().parse().unwrap());
    }
    sqlx::query(
        "insert into events (lane, position, stream, version, type, schema_version, occurred_at, \
             recorded_at, correlation_id, data, data_hash, chain) \
         values ($1, $2, $3, $4, $5, 1, $6, $6, 'poison', $7::json, $8, $9)",
    )
    .bind(i16::try_from(lane).unwrap())
    .bind(event.position.0)
    .bind(stream)
    .bind(event.version.0)
    .bind(event_type)
    .bind(recorded_at.to_utc())
    .bind(event.data.get())
    .bind(data_hash(event.data.get()).to_vec())
    .bind(event.chain.0.to_vec())
    .execute(&mut stockbook.superuser().await)
    .await
    .unwrap();
    event.id().to_string()
}

/// A record that is no event, in front of those to come.
async fn garbage(stockbook: &Stockbook, lane: u16) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", stockbook.brokers()).create().unwrap();
    let record =
        FutureRecord::to(&stockbook.topic).partition(i32::from(lane)).key("x").payload("{");
    producer.send_result(record).unwrap().await.unwrap().unwrap();
}

/// The lanes of a projection that stand still, with what each waits at and what it has skipped.
async fn lanes(stockbook: &Stockbook, projection: &str) -> BTreeMap<u64, Value> {
    let lanes = stockbook.query().rows("/v1/projections?").await.into_iter();
    let lanes = lanes.filter(|one| one["projection"] == projection);
    lanes.map(|one| (one["lane"].as_u64().unwrap(), one)).collect()
}

/// Lane, event and error of those that are stopped.
fn stopped(lanes: &BTreeMap<u64, Value>) -> Vec<(u64, String, String)> {
    let stopped = lanes.iter().filter(|(_, one)| one["state"] == "stopped");
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    stopped.map(|(lane, one)| (*lane, text(one, "event"), text(one, "error"))).collect()
}

async fn five_kinds_of_poison_stop_five_lanes_until_a_fix_or_a_skip(world: Arc<World>) {
    let stockbook = start(&world, LANES).await;
    let skus = skus("GOOD");
    stockbook.register(&skus).await;
    let all = each(&skus, 10);
    let token = stockbook.receive(&all).await.position();
    stockbook.read_at("/v1/items", &token).await;
    // 1. Five lanes get an event each that cannot be applied, a sixth a record that is no event.
    let mut events = Vec::new();
    for (lane, sku) in (0..5).zip(self::skus("BAD")) {
        events.push((u64::from(lane), poison(&stockbook, lane, &sku).await));
    }
    garbage(&stockbook, 5).await;
    // 2. The others go on, and the sixth is mended from the log.
    let answer = stockbook.receive(&all).await;
    let position = answer.position();
    for (lane, sku) in (0..).zip(&skus) {
        let at: shared_events::lane::PositionToken =
            [(Lane(lane), position.get(Lane(lane)).unwrap())].into_iter().collect();
        if lane >= 5 {
            let figure = stockbook.read_at(&format!("/v1/stock/{sku}/MAIN"), &at).await.json();
            assert_eq!(figure["on_hand"], 20, "lane {lane}: {figure}");
        } else {
            let path = format!("/v1/stock/{sku}/MAIN?min_position={at}&wait_ms=0");
            stockbook.query().get(&path).await.expect_problem(503, "not_yet_applied");
        }
    }
    // 3. Each lane says what it waits at. What only `stock` cannot take stops only `stock`.
    let views = stockbook.views().await;
    for view in &views {
        let expected = if view == "stock" { &events[..] } else { &events[..4] };
        let ask = async || stopped(&lanes(&stockbook, view).await);
        let is_so = |seen: &Vec<(u64, String, String)>| {
            let seen = seen.iter().map(|(lane, event, _)| (lane, event));
            seen.eq(expected.iter().map(|(lane, event)| (lane, event)))
        };
        eventually("every poisoned lane stops", ask, is_so).await;
    }
    let now = lanes(&stockbook, "stock").await;
    for (lane, word) in
        [(0, "ItemSealed"), (1, "does not fit"), (2, "stream"), (3, "chain"), (4, "64 bits")]
    {
        let error = now[&lane]["error"].as_str().unwrap();
        assert!(error.contains(word), "lane {lane}: {error}");
    }
    let stopped = ready(&stockbook).await;
    assert_eq!((&stopped["status"], &stopped["ready"]), (&json!("degraded"), &json!(true)));
    let lanes_named = stopped["stopped_lanes"].as_array().unwrap();
    let stops = views.len() * 4 + 1;
    assert_eq!(lanes_named.len(), stops, "{stopped}");
    let first = json!({"projection": "daily_flow", "lane": 0, "event": events[0].1});
    assert_eq!(lanes_named[0], first);
    skip_all(&stockbook, &events).await;
    // 4. The lanes go on behind it, and what was skipped stays on record.
    let token = stockbook.heads().await;
    for sku in &skus {
        let figure = stockbook.read_at(&format!("/v1/stock/{sku}/MAIN"), &token).await.json();
        assert_eq!(figure["on_hand"], 20, "{figure}");
    }
    let now = lanes(&stockbook, "stock").await;
    for (lane, event) in &events {
        assert_eq!(now[lane]["skipped"], json!([event]));
    }
    let database = stockbook.read_database().await;
    let kept = "select count(*) from skipped_events where reason = 'a test'";
    let kept: i64 = sqlx::query_scalar(kept).fetch_one(&database).await.unwrap();
    assert_eq!(kept, stops as i64);
    let status = async || ready(&stockbook).await["status"].clone();
    eventually("nothing is stopped any more", status, |status| status == "ready").await;
    // 5. A rebuild passes over the same events.
    done(&stockbook, &["rebuild", "stock", "--compare"]).await;
}

/// How the query-service does its work; it answers with 200, whatever it says.
async fn ready(stockbook: &Stockbook) -> Value {
    stockbook.query().get("/readyz").await.expect_status(200).json()
}

/// Those that stop every view by the subcommand and by the console, the last one by the API.
async fn skip_all(stockbook: &Stockbook, events: &[(u64, String)]) {
    let (last, events) = events.split_last().unwrap();
    skip_by_the_api(stockbook, last).await;
    let (last, events) = events.split_last().unwrap();
    skip_by_the_console(stockbook, &last.1).await;
    for (lane, event) in events {
        let (lane, position) = (lane.to_string(), event.split_once('-').unwrap().1);
        let before = (position.parse::<i64>().unwrap() - 1).to_string();
        let mut skip = ["skip", "--lane", &lane, "--position", &before, "--reason", "a test"];
        let (is_done, said) = run(stockbook, &skip).await;
        assert!(!is_done && said.contains("nothing is stopped at"), "{said}");
        skip[4] = position;
        let said = done(stockbook, &skip).await;
        assert!(said.contains("is skipped in stock version 1"), "{said}");
    }
}

/// Sends the form that the page of problems leads to, for each view that stopped at the event.
async fn skip_by_the_console(stockbook: &Stockbook, event: &str) {
    let console = stockbook.console(&[]).await;
    let pages = Api::new(&console.url());
    let problems = pages.get("/problems").await.expect_status(200).body;
    let links = problems.split("/operations/skip?projection=").skip(1);
    let views = links.filter_map(|link| {
        let (view, rest) = link.split_once("&amp;event=")?;
        (rest.split('"').next() == Some(event)).then_some(view)
    });
    let views: Vec<&str> = views.collect();
    assert!(views.contains(&"stock") && views.len() > 1, "{views:?}");
    for view in views {
        let asks = format!("/operations/skip?projection={view}&event={event}");
        assert_shows(&pages.get(&asks).await.expect_status(200), &[event, view]);
        for (reason, status) in [("", 422), ("a test", 200), ("a test", 409)] {
            let fields = [("projection", view), ("event", event), ("reason", reason)];
            send(&pages, "/operations/skip", &fields, &[OWN]).await.expect_status(status);
        }
    }
}

async fn skip_by_the_api(stockbook: &Stockbook, (lane, event): &(u64, String)) {
    let position: i64 = event.split_once('-').unwrap().1.parse().unwrap();
    let query = stockbook.query();
    let skip = async |projection: &str, position: i64, reason: &str| {
        let body = json!({"lane": lane, "position": position, "reason": reason});
        query.post(&format!("/v1/projections/{projection}/skip"), body).await
    };
    skip("stock", position - 1, "a test").await.expect_problem(409, "projection_state");
    skip("low_stock", position, "a test").await.expect_problem(409, "projection_state");
    skip("prices", position, "a test").await.expect_problem(404, "not_found");
    for (position, reason, pointer) in [(position, "", "/reason"), (0, "a test", "/position")] {
        let problem =
            skip("stock", position, reason).await.expect_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let skipped = skip("stock", position, "a test").await.expect_status(200).json();
    let expected = json!([{"projection": "stock", "version": 1, "event": event}]);
    assert_eq!(skipped["skipped"], expected);
    skip("stock", position, "a test").await.expect_problem(409, "projection_state");
}
