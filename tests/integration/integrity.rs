//! A difference between the log and the views is found and named, on request and all the time.

use std::sync::Arc;
use std::time::Instant;

use integration_tests::{Size, Stockbook, World, eventually, lines_at_main, reservation};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use stack::replay::plan::Stock;

use super::replay::{play, trade_of};

trials! {
    a_days_trade_is_correct_and_every_event_was_checked,
    a_changed_row_of_any_view_is_named,
    a_byte_changed_in_an_event_is_found_by_both_checks,
}

async fn execute(database: &mut PgConnection, statement: &str) {
    let done = sqlx::query(AssertSqlSafe(statement)).execute(database).await;
    let changed = done.unwrap_or_else(|error| panic!("{statement}: {error}")).rows_affected();
    assert!(changed > 0, "{statement} changes nothing");
}

/// What a check says once everything recorded is applied.
async fn check(stockbook: &Stockbook, path: &str) -> Value {
    let token = stockbook.heads().await;
    stockbook.read_at(path, &token).await.json()
}

#[track_caller]
pub(crate) fn assert_ok(report: &Value) {
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["first_difference"], Value::Null, "{report}");
}

/// Two items with a history of everything: counted, moved, held, promised, fulfilled, let go, on their way.
async fn trade(stockbook: &Stockbook) {
    stockbook.register(&["A", "B", "C"]).await;
    let command = stockbook.command();
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    let described = json!({"name": "Jam", "reorder_point": 5, "metadata": {"shelf": "7"}});
    command.put("/v1/items/A", described).await.expect_status(200);
    stockbook.receive(&[("A", 50), ("B", 20)]).await;
    let moves = json!({"lines": [{"sku": "A", "from": "MAIN", "to": "WEST", "quantity": 8}]});
    command.done("/v1/moves", moves).await;
    let mut sale = lines_at_main(&[("A", 2), ("B", 1)]);
    sale["reference"] = json!({"type": "invoice", "id": "i-1"});
    command.done("/v1/issues", sale).await;
    for step in ["none", "confirm", "release"] {
        let id = command.reserve("cart", 600, &[("A", 3), ("B", 2)]).await.reservation_id();
        if step != "none" {
            command.take(&id, step, json!({})).await;
        }
        if step == "confirm" {
            let part = json!({"lines": [{"line": 1, "quantity": 1}]});
            command.take(&id, "fulfil", part).await;
        }
    }
    command.done("/v1/items/C/retire", json!({})).await;
    let line = |sku: &str| json!({"sku": sku, "from": "MAIN", "to": "WEST", "quantity": 4});
    let sent = json!({"lines": [line("A"), line("B")], "expected_at": "2200-01-01T00:00:00Z"});
    let sent = command.post("/v1/transfers", sent).await.expect_status(201).json();
    let part = json!({"lines": [{"line": 1, "quantity": 1}]});
    let id = sent["transfer"]["id"].as_str().unwrap();
    command.done(&format!("/v1/transfers/{id}/receive"), part).await;
    let mut waiting = reservation("queue", 600, &[("A", 100)]);
    waiting["policy"] = json!("wait");
    waiting["wait_seconds"] = json!(86_400);
    command.post("/v1/reservations", waiting).await.expect_status(201);
}

async fn a_days_trade_is_correct_and_every_event_was_checked(world: Arc<World>) {
    let size = Size::wanted();
    let stockbook = Stockbook::start(&world).await;
    play(&stockbook, &trade_of(Stock::Full), 8).await;
    let heads = stockbook.heads().await;
    stockbook.read_at("/v1/items", &heads).await;
    let started = Instant::now();
    let report = check(&stockbook, "/v1/integrity").await;
    let took = started.elapsed();
    assert_ok(&report);
    let recorded = stockbook.recorded().await;
    assert_eq!(report["checked"], recorded, "{report}");
    assert_eq!(report["position"], heads.to_string(), "{report}");
    assert_eq!(report["skipped"], json!([]), "{report}");
    let per_second = recorded as f64 / took.as_secs_f64();
    println!("size {size:?}: {recorded} events checked in {took:.2?}, {per_second:.0} a second");

    let started = Instant::now();
    let of_one = check(&stockbook, "/v1/integrity/85123A").await;
    println!("size {size:?}: one item in {:.2?}", started.elapsed());
    assert_ok(&of_one);
    let command = stockbook.command();
    let history = command.stream("stock/85123A/MAIN").await;
    let events = history.len() + command.stream("item/85123A").await.len();
    assert_eq!(of_one["checked"], events, "{of_one}");
    stockbook.query().get("/v1/integrity/NONE").await.expect_problem(404, "unknown_sku");
    let unknown = stockbook.query().get("/v1/integrity?sku=A").await;
    unknown.expect_problem(422, "invalid_parameter");
}

/// What is done to a view behind the services' back: the table, the rows, the column, what it becomes
/// and what it was; then the difference that a check finds: its kind, and how the stream begins.
const DAMAGES: [&str; 33] = [
    "stock_levels|sku = 'A' and location = 'MAIN'|reserved|reserved + 1|reserved - 1|level|stock/A/MAIN",
    "stock_levels|sku = 'A' and location = 'MAIN'|version|version + 1|version - 1|level|stock/A/MAIN",
    "stock_levels|sku = 'A' and location = 'MAIN'|reorder_point|6|5|level|stock/A/MAIN",
    "stock_levels|sku = 'A' and location = 'MAIN'|lane|(lane + 1) % 4|(lane + 3) % 4|level|stock/A/MAIN",
    "stock_totals|sku = 'A'|on_hand|on_hand + 1|on_hand - 1|total|",
    "movements|sku = 'A' and type = 'StockMovedIn'|on_hand_delta|9|8|movement|stock/A/",
    "movements|sku = 'A' and type = 'StockExpected'|incoming_delta|5|4|movement|stock/A/WEST",
    "stock_levels|sku = 'A' and location = 'WEST'|incoming|incoming + 1|incoming - 1|level|stock/A/WEST",
    "stock_totals|sku = 'A'|incoming|incoming + 1|incoming - 1|total|",
    "movements|sku = 'A' and reference_type = 'invoice'|reference_id|'i-2'|'i-1'|movement|stock/A/",
    "movements|sku = 'A' and location = 'WEST'|position|position + 1000000|position - 1000000|movement|stock/A/",
    "items|sku = 'A'|name|'Ham'|'Jam'|item|item/A",
    "items|sku = 'C'|retired|false|true|item|item/C",
    "locations|code = 'WEST'|name|'EAST'|'WEST'|location|location/WEST",
    "reservations|version = 3|status|'held'|'confirmed'|reservation|reservation/",
    "reservations|version in (3, 7)|version|7|3|reservation|reservation/",
    "transfers|version = 2|status|'closed'|'partially_received'|transfer|transfer/",
    "transfers|version = 2|expected_at|null|'2200-01-01T00:00:00Z'|transfer|transfer/",
    "transfer_places|leaves|location|'EAST'|'MAIN'|transfer|transfer/",
    "waitlist|sku = 'A'|turn|0|4|waitlist|stock/A/MAIN",
    "waitlist|sku = 'A'|since|since + 1|since - 1|waitlist|stock/A/MAIN",
    "waitlist|sku = 'A'|since_at|since_at + '1 s'::interval|since_at - '1 s'::interval|waitlist|stock/A/MAIN",
    "waitlist|sku = 'A'|wait_until|wait_until + '1 s'::interval|wait_until - '1 s'::interval|waitlist|stock/A/MAIN",
    "waitlist|sku = 'A'|waiting|waiting + 1|waiting - 1|waitlist|stock/A/MAIN",
    "waitlist|sku = 'A'|owner|'another'|'queue'|waitlist|stock/A/MAIN",
    "waitlist|sku = 'A'|location|'WEST'|'MAIN'|waitlist|stock/A/MAIN",
    "names|stream = 'item/A' and name <> 'A'|name|'Ham'|'Jam'|name|item/A",
    "names|stream = 'location/WEST'|name|'EAST'|'WEST'|name|location/WEST",
    "daily_flow_v1.days|sku = 'A'|incoming|incoming + 1|incoming - 1|flow|",
    "daily_flow_v1.days|sku = 'A'|transferred|transferred - 1|transferred + 1|flow|",
    "daily_flow_v1.days|sku = 'A'|day|day - 1|day + 1|flow|",
    "low_stock_v1.levels|sku = 'A' and location = 'WEST'|available|available + 1|available - 1|low_stock|stock/A/WEST",
    "low_stock_v1.levels|sku = 'A' and location = 'MAIN'|raised|not raised|not raised|low_stock|stock/A/MAIN",
];

async fn a_changed_row_of_any_view_is_named(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    trade(&stockbook).await;
    assert_ok(&check(&stockbook, "/v1/integrity").await);
    let mut views = stockbook.read_superuser().await;
    sqlx::raw_sql("set search_path to stock_v1").execute(&mut views).await.unwrap();
    for damage in DAMAGES {
        let parts: Vec<&str> = damage.split('|').collect();
        let [table, rows, column, value, former, what, stream] = parts[..] else {
            panic!("{damage}")
        };
        let set = |value: &str| format!("update {table} set {column} = {value} where {rows}");
        execute(&mut views, &set(value)).await;
        let report = check(&stockbook, "/v1/integrity").await;
        let found = &report["first_difference"];
        assert_eq!((&report["ok"], &found["what"]), (&json!(false), &json!(what)), "{report}");
        assert!(found["stream"].as_str().unwrap_or_default().starts_with(stream), "{report}");
        assert_event_exists(&stockbook, found).await;
        if found["sku"] == "A" {
            let of_a = check(&stockbook, "/v1/integrity/A").await;
            assert_eq!(of_a["first_difference"]["what"], what, "{of_a}");
        }
        // A reservation or transfer that is not what it was has another quantity of the items it is of.
        let of_b = check(&stockbook, "/v1/integrity/B").await;
        match column {
            "status" => assert_eq!(of_b["first_difference"]["what"], "promise", "{of_b}"),
            _ => assert_ok(&of_b),
        }
        execute(&mut views, &set(former)).await;
    }
    assert_ok(&check(&stockbook, "/v1/integrity").await);
}

/// The event that a difference names is one of the stream that it names.
async fn assert_event_exists(stockbook: &Stockbook, difference: &Value) {
    let event = difference["event"].as_str().expect("an event");
    let (lane, position) = event.split_once('-').expect("an event's id");
    let lane = stockbook.command().lane(lane.parse().expect("a lane")).await;
    let position: usize = position.parse().expect("a position");
    let found = &lane[position - 1];
    assert_eq!(found.position.0, position as i64);
    match difference["stream"].as_str() {
        Some(stream) => assert_eq!(found.stream.to_string(), stream, "{difference}"),
        None => assert!(found.stream.to_string().starts_with("stock/A/"), "{difference}"),
    }
}

async fn a_byte_changed_in_an_event_is_found_by_both_checks(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    trade(&stockbook).await;
    let before = check(&stockbook, "/v1/integrity/A").await;
    assert_ok(&before);
    eventually("events are checked all the time", async || checked(&stockbook).await, |n| *n > 0.0)
        .await;
    assert_eq!(stockbook.query().metric::<f64>("stockbook_integrity_differences_total").await, 0.0);
    let mut log = stockbook.superuser().await;
    // The triggers do not fire for a replica.
    sqlx::raw_sql("set session_replication_role = replica").execute(&mut log).await.unwrap();
    let change = |from, to| {
        format!(
            "update events set data = replace(data::text, '\"quantity\":{from}', '\"quantity\":{to}')::json \
             where stream = 'stock/A/MAIN' and version = 1"
        )
    };
    execute(&mut log, &change(50, 51)).await;
    for path in ["/v1/integrity", "/v1/integrity/A"] {
        let report = check(&stockbook, path).await;
        let found = &report["first_difference"];
        assert_eq!((&report["ok"], &found["what"]), (&json!(false), &json!("chain")), "{report}");
        assert_eq!((&found["sku"], &found["stream"]), (&json!("A"), &json!("stock/A/MAIN")));
        let first = &stockbook.command().stream("stock/A/MAIN").await[0];
        assert_eq!(found["event"], first.id().to_string(), "{report}");
        assert_eq!(found["found"], json!(first.chain), "{report}");
    }
    assert_ok(&check(&stockbook, "/v1/integrity/B").await);
    let differences = "stockbook_integrity_differences_total";
    let counted = async || stockbook.query().metric::<f64>(differences).await;
    eventually("the difference is counted", counted, |count| *count > 0.0).await;
    execute(&mut log, &change(51, 50)).await;
    assert_ok(&check(&stockbook, "/v1/integrity").await);
    assert_eq!(check(&stockbook, "/v1/integrity/A").await, before);
    let seen = checked(&stockbook).await;
    eventually("rounds go on", async || checked(&stockbook).await, |now| *now > seen).await;
    assert!(stockbook.query().metric::<f64>("stockbook_integrity_last_round_seconds").await > 0.0);
}

async fn checked(stockbook: &Stockbook) -> f64 {
    stockbook.query().metric("stockbook_integrity_checked_total").await
}
