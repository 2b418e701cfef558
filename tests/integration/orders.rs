//! Orders over Stockbook and a payment service: held, paid and confirmed, or undone.

pub(crate) mod choreography;
pub(crate) mod faults;
pub(crate) mod waiting;

use std::sync::Arc;
use std::time::Duration;

use integration_tests::{
    Answer, Api, Stockbook, World, assert_has, eventually, line_at, moment, read_messages,
};
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

trials! {
    an_order_is_held_paid_and_confirmed_and_every_step_names_its_event,
    an_order_that_is_declined_short_or_unknown_ends_and_holds_nothing,
    an_order_that_is_not_paid_in_time_is_undone_and_voided_even_if_it_is_paid_later,
    a_cancelled_order_is_undone_and_voided_once,
    what_the_payment_service_sends_twice_late_or_wrong_changes_nothing_and_stops_nothing,
    an_order_in_a_batch_with_a_key_or_of_a_dry_run_is_placed_as_other_commands_are,
    orders_are_found_by_owner_and_status,
    an_order_whose_void_nobody_answers_calls_an_operator_who_resumes_it,
}

/// How long anything sent to the payment service, or replied by it, may take here.
const KAFKA_ANSWER_MAX: Duration = Duration::from_secs(20);

/// An order of so much of A at MAIN.
fn order(quantity: i64, deadline_seconds: u32, payment: Value) -> Value {
    json!({
        "owner": "customer-1", "lines": [line_at("MAIN", "A", quantity)], "payment": payment,
        "deadline_seconds": deadline_seconds,
    })
}

async fn place(command: &Api, body: Value) -> Answer {
    command.post("/v1/orders", body).await.expect_status(202)
}

#[track_caller]
fn id(answer: &Answer) -> String {
    answer.json()["order"]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// The order as the log has it, once it is as wanted.
async fn until(command: &Api, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let stream = format!("order/{id}");
    eventually(what, async || command.state(&stream).await, |order| wanted(order)).await
}

async fn until_status(command: &Api, id: &str, status: &str) -> Value {
    until(command, id, &format!("the order is {status}"), |order| order["status"] == status).await
}

/// The status of each step that has begun.
fn steps(order: &Value) -> Value {
    let steps = order["steps"].as_array().expect("a list of steps");
    let step =
        |step: &Value| (step["name"].as_str().expect("a name").to_owned(), step["status"].clone());
    Value::Object(steps.iter().map(step).collect())
}

/// reserved and allocated of A at MAIN.
async fn promised(command: &Api) -> (i64, i64) {
    let figures = command.figures("A").await;
    (figures.reserved, figures.allocated)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    let headers = message.headers()?.iter();
    headers.filter(|header| header.key == name).find_map(|header| header.value).map(text)
}

/// What is on a topic of this Stockbook.
async fn on_topic(stockbook: &Stockbook, topic: &str) -> Vec<OwnedMessage> {
    let mut all = Vec::new();
    for partition in 0..stockbook.lanes {
        all.extend(read_messages(stockbook.brokers(), topic, partition).await);
    }
    all
}

/// The requests about an order, as (kind, value), once there are so many kinds.
async fn requests(stockbook: &Stockbook, id: &str, kinds: &[&str]) -> Vec<Value> {
    let topic = stockbook.payment_requests();
    let read = async || {
        let all = on_topic(stockbook, &topic).await;
        let of_order = all.iter().filter(|record| record.key().map(text).as_deref() == Some(id));
        let values: Vec<Value> = of_order
            .map(|record| {
                let value: Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
                assert_eq!(header(record, "ce_id").as_deref(), value["request"].as_str());
                value
            })
            .collect();
        values
    };
    let has =
        |seen: &Vec<Value>| kinds.iter().all(|kind| seen.iter().any(|one| one["kind"] == **kind));
    eventually(&format!("{kinds:?} are asked"), read, has).await
}

/// A payment service that says what a test wants.
struct Payments {
    producer: FutureProducer,
    topic: String,
}

impl Payments {
    fn of(stockbook: &Stockbook) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", stockbook.brokers());
        let producer = config.create().expect("a producer can be made");
        Self { producer, topic: stockbook.payment_replies() }
    }

    async fn reply(&self, id: &str, kind: &str, outcome: &str) {
        let value = json!({
            "order": id, "request": format!("{id}:{kind}"), "outcome": outcome,
            "payment_id": "p-1", "reason": "as the test wants",
        });
        self.send(Some(&format!("{id}:{outcome}")), value.to_string().as_bytes()).await;
    }

    async fn send(&self, ce_id: Option<&str>, value: &[u8]) {
        let headers =
            ce_id.map(|id| OwnedHeaders::new().insert(Header { key: "ce_id", value: Some(id) }));
        let mut record = FutureRecord::<str, [u8]>::to(&self.topic).payload(value).partition(0);
        record.headers = headers;
        self.producer.send(record, KAFKA_ANSWER_MAX).await.expect("the record is sent");
    }
}

async fn an_order_is_held_paid_and_confirmed_and_every_step_names_its_event(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let payments = stockbook.payment_service(&[]);
    let mut body = order(6, 300, json!({"method": "m-1", "amount": 12}));
    body["reference"] = json!({"type": "web_order", "id": "w-1"});
    let correlated = [("correlation-id", "basket-7")];
    let placed = command.send_with("POST", "/v1/orders", &correlated, &body).await;
    let placed = placed.expect_status(202);
    assert_eq!(placed.types(), ["OrderPlaced"]);
    let made = placed.json()["order"].clone();
    assert_has(&made, json!({"status": "placed", "reservation": null, "owner": "customer-1"}));
    assert_eq!(made["steps"][0]["event"], placed.json()["events"][0]["id"]);
    let deadline = moment(&made["deadline"]).unix_micros();
    assert_eq!(deadline - moment(&placed.json()["recorded_at"]).unix_micros(), 300_000_000);

    let confirmed = until_status(&command, &id(&placed), "confirmed").await;
    assert_eq!(
        steps(&confirmed),
        json!({"reserve": "done", "authorise": "done", "confirm": "done"})
    );
    assert_eq!(promised(&command).await, (0, 6));
    let asked = requests(&stockbook, &id(&placed), &["authorise"]).await;
    let expected = json!({
        "order": id(&placed), "owner": "customer-1", "payment": {"method": "m-1", "amount": 12},
        "lines": [{"line": 1, "sku": "A", "location": "MAIN", "requested": 6, "quantity": 6}],
    });
    assert_has(&asked[0], expected);

    // The query side knows the event of every step, and the log has exactly these.
    let token = stockbook.heads().await;
    let seen = stockbook.read_at(&format!("/v1/orders/{}", id(&placed)), &token).await.json();
    assert_has(&seen, json!({"status": "confirmed", "reservation": id(&placed)}));
    let events = command.stream(&format!("order/{}", id(&placed))).await;
    let by_id = |id: &Value| events.iter().find(|event| json!(event.id()) == *id);
    let of_steps: Vec<&str> = seen["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| by_id(&step["event"]).expect("an event").event_type.as_str())
        .collect();
    assert_eq!(of_steps, ["OrderReserved", "PaymentAuthorised", "OrderConfirmed"]);
    assert_eq!(seen["steps"][1]["detail"]["payment_id"], format!("payment-{}", id(&placed)));

    // One correlation, over all lanes; the hold lasts longer than the order.
    let all: Vec<_> = stockbook.log().await;
    let of_order = all.iter().filter(|event| event.correlation_id.as_str() == "basket-7");
    assert_eq!(of_order.count(), events.len() + 4, "two of the reservation, two of its stock");
    let held = all.iter().find(|event| event.event_type == "ReservationHeld").expect("a hold");
    let held: Value = serde_json::from_str(held.data.get()).unwrap();
    assert!(moment(&held["after"]["expires_at"]).unix_micros() >= deadline + 60_000_000, "{held}");
    let reservation = stockbook.query().json(&format!("/v1/reservations/{}", id(&placed))).await;
    assert_has(&reservation, json!({"status": "confirmed", "reference": {"id": "w-1"}}));
    let again = command.post(&format!("/v1/orders/{}/cancel", id(&placed)), json!({})).await;
    assert_eq!(again.expect_problem(409, "order_state")["order_status"], "confirmed");
    drop(payments);
    stockbook.verify().await;
}

async fn an_order_that_is_declined_short_or_unknown_ends_and_holds_nothing(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let _payments = stockbook.payment_service(&[("DUPLICATE_RATE", "1")]);
    let declined = place(&command, order(6, 300, json!({"simulate": "decline"}))).await;
    let ended = until_status(&command, &id(&declined), "declined").await;
    let expected = json!({"reserve": "done", "authorise": "refused", "release": "done"});
    assert_eq!(steps(&ended), expected);
    assert_eq!(ended["steps"][1]["detail"]["reason"], "no_funds");
    assert_eq!(promised(&command).await, (0, 0));

    let short = place(&command, order(11, 300, json!({}))).await;
    let ended = until_status(&command, &id(&short), "failed").await;
    assert_eq!(steps(&ended), json!({"reserve": "refused"}));
    let detail = json!({
        "type": "/problems/insufficient_stock",
        "lines": [{"sku": "A", "location": "MAIN", "requested": 11, "available": 10}],
    });
    assert_has(&ended["steps"][0]["detail"], detail);

    let mut body = order(1, 300, json!({}));
    body["lines"][0]["sku"] = json!("C");
    let unknown = place(&command, body).await;
    assert_eq!(unknown.types(), ["OrderPlaced", "OrderFailed"]);
    assert_has(&unknown.json()["order"], json!({"status": "failed"}));
    let detail = json!({"type": "/problems/unknown_sku", "sku": "C"});
    assert_has(&unknown.json()["order"]["steps"][0]["detail"], detail);

    let mut body = order(11, 300, json!({}));
    body["policy"] = json!("partial");
    let partial = place(&command, body).await;
    let ended = until_status(&command, &id(&partial), "confirmed").await;
    assert_has(&ended["lines"][0], json!({"requested": 11, "quantity": 10}));
    assert_eq!(promised(&command).await, (0, 10));
    stockbook.verify().await;
}

async fn an_order_that_is_not_paid_in_time_is_undone_and_voided_even_if_it_is_paid_later(
    world: Arc<World>,
) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let payments = Payments::of(&stockbook);
    let placed = place(&command, order(6, 2, json!({}))).await;
    let order = id(&placed);
    requests(&stockbook, &order, &["authorise"]).await;
    assert_eq!(promised(&command).await, (6, 0));
    let ended = until_status(&command, &order, "timed_out").await;
    assert_eq!(promised(&command).await, (0, 0));
    let at = |step: usize| moment(&ended["steps"][step]["at"]).unix_micros();
    let late = at(2) - moment(&ended["deadline"]).unix_micros();
    assert!((0..1_000_000).contains(&late), "{late} microseconds late: {ended}");
    let expected = json!({
        "reserve": "done", "authorise": "pending", "release": "done", "void": "pending",
    });
    assert_eq!(steps(&ended), expected);
    let asked = requests(&stockbook, &order, &["authorise", "void"]).await;
    assert_has(asked.last().unwrap(), json!({"request": format!("{order}:void")}));

    payments.reply(&order, "authorise", "authorised").await;
    let paid = |order: &Value| steps(order)["authorise"] == "done";
    let paid = until(&command, &order, "the payment is known", paid).await;
    assert_has(&paid, json!({"status": "timed_out"}));
    assert_eq!(
        (steps(&paid)["void"].clone(), promised(&command).await),
        (json!("pending"), (0, 0))
    );
    // It is asked again, under the same id, until it is answered.
    let voids = async || {
        let asked = requests(&stockbook, &order, &["void"]).await;
        asked.iter().filter(|one| one["kind"] == "void").count()
    };
    eventually("the void is asked for again", voids, |voids| *voids > 1).await;
    payments.reply(&order, "void", "voided").await;
    let voided = |order: &Value| steps(order)["void"] == "done";
    until(&command, &order, "the void is answered", voided).await;
    assert_eq!(command.state(&format!("order/{order}")).await["status"], "timed_out");
    stockbook.verify().await;
}

async fn a_cancelled_order_is_undone_and_voided_once(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let placed = place(&command, order(6, 300, json!({}))).await;
    let order = id(&placed);
    until_status(&command, &order, "awaiting_payment").await;
    let path = format!("/v1/orders/{order}/cancel");
    command.refused(&format!("/v1/orders/{order}/resume"), json!({}), 409, "order_state").await;
    let cancelled = command.done(&path, json!({"reason": "changed_mind"})).await;
    let types = ["ReservationReleased", "StockReleased", "OrderCancelled", "PaymentRequested"];
    assert_eq!(cancelled.types(), types);
    assert_has(&cancelled.json()["order"], json!({"status": "cancelled"}));
    assert_has(&cancelled.json()["figures"][0], json!({"available": 10, "reserved": 0}));
    assert!(command.done(&path, json!({})).await.types().is_empty());
    // A payment service that starts now finds the authorisation and the void, in this order.
    let _payments = stockbook.payment_service(&[("DUPLICATE_RATE", "1")]);
    let voided = |order: &Value| steps(order)["void"] == "done";
    let voided = until(&command, &order, "the void is answered", voided).await;
    assert_eq!((voided["status"].as_str(), promised(&command).await), (Some("cancelled"), (0, 0)));
    for unknown in ["17", &format!("{}-{}", 1_023, &order.split_once('-').unwrap().1)] {
        let path = format!("/v1/orders/{unknown}/cancel");
        assert_eq!(command.refused(&path, json!({}), 404, "unknown_order").await["id"], *unknown);
        let seen = stockbook.query().get(&format!("/v1/orders/{unknown}")).await;
        assert_eq!(seen.expect_problem(404, "unknown_order")["id"], *unknown);
    }
    stockbook.verify().await;
}

async fn what_the_payment_service_sends_twice_late_or_wrong_changes_nothing_and_stops_nothing(
    world: Arc<World>,
) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let payments = Payments::of(&stockbook);
    let first = id(&place(&command, order(3, 300, json!({}))).await);
    let second = id(&place(&command, order(3, 300, json!({}))).await);
    for order in [&first, &second] {
        until_status(&command, order, "awaiting_payment").await;
    }
    let nobody = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002";
    payments.send(Some("x-1"), b"{").await;
    payments.send(None, br#"{"order":"o","request":"r","outcome":"authorised"}"#).await;
    payments.send(Some("x-2"), br#"{"order":"o","request":"r","outcome":"perhaps"}"#).await;
    payments.send(Some("x-3"), br#"{"order":"o","request":"r","outcome":"authorised"}"#).await;
    payments.reply(nobody, "authorise", "authorised").await;
    payments.reply(&first, "void", "voided").await;
    for _ in 0..3 {
        payments.reply(&first, "authorise", "authorised").await;
        payments.reply(&first, "authorise", "declined").await;
    }
    payments.reply(&second, "authorise", "declined").await;
    payments.reply(&second, "authorise", "authorised").await;
    until_status(&command, &second, "declined").await;
    until_status(&command, &first, "confirmed").await;
    // The last reply is decided when the next one is.
    let third = id(&place(&command, order(1, 300, json!({}))).await);
    until_status(&command, &third, "awaiting_payment").await;
    payments.reply(&third, "authorise", "declined").await;
    until_status(&command, &third, "declined").await;
    assert_eq!(promised(&command).await, (0, 3));
    let events = |order: &str| format!("order/{order}");
    assert_eq!(command.stream(&events(&first)).await.len(), 5, "nothing more than once");
    assert_eq!(command.stream(&events(&second)).await.len(), 5, "nothing more than once");

    let topic = format!("{}.rejected", stockbook.payment_replies());
    let rejected = async || on_topic(&stockbook, &topic).await;
    let rejected = eventually("three are set aside", rejected, |all| all.len() >= 3).await;
    let reasons: Vec<String> = rejected
        .iter()
        .map(|record| header(record, "rejected_because").expect("a reason"))
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    for part in ["ce_id", "perhaps", "does not fit"] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:?}");
    }
    stockbook.verify().await;
}

async fn an_order_in_a_batch_with_a_key_or_of_a_dry_run_is_placed_as_other_commands_are(
    world: Arc<World>,
) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let body = order(1, 300, json!({"method": "m-1"}));
    let dry = command.post("/v1/orders?validate_only=true", body.clone()).await.expect_status(200);
    assert_has(&dry.json()["order"], json!({"status": "placed"}));
    assert_eq!(stockbook.count("OrderPlaced").await, 0);
    let first = command.keyed("/v1/orders", "basket-7", &body).await.expect_status(202);
    let again = command.keyed("/v1/orders", "basket-7", &body).await.expect_status(202);
    assert_eq!(first.body, again.body);
    let mut inner = body.clone();
    inner["type"] = json!("place_order");
    let batch = json!({"mode": "atomic", "commands": [inner.clone(), inner]});
    let batch = command.done("/v1/batches", batch).await.json();
    assert_eq!(batch["results"][1]["status"], 202, "{batch}");
    assert_eq!(stockbook.count("OrderPlaced").await, 3);
    let mut bad = body.clone();
    bad["policy"] = json!("later");
    bad["payment"] = json!("4111");
    let refused = command.refused("/v1/orders", bad, 422, "validation_failed").await;
    let pointers: Vec<&Value> =
        refused["errors"].as_array().unwrap().iter().map(|one| &one["pointer"]).collect();
    assert_eq!(pointers, ["/payment", "/policy"]);
    let undone = json!({"event": first.json()["events"][0]["id"]});
    command.refused("/v1/reversals", undone, 409, "not_reversible").await;
    stockbook.verify().await;
}

async fn orders_are_found_by_owner_and_status(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let mut placed = Vec::new();
    for owner in ["ann", "ben", "ann"] {
        let mut body = order(1, 300, json!({}));
        body["owner"] = json!(owner);
        placed.push(id(&place(&command, body).await));
    }
    for order in &placed {
        until_status(&command, order, "awaiting_payment").await;
    }
    command.done(&format!("/v1/orders/{}/cancel", placed[0]), json!({})).await;
    stockbook.read_at("/v1/orders", &stockbook.heads().await).await;
    let query = stockbook.query();
    let ids = async |filter: &str| -> Vec<String> {
        let rows = query.rows(&format!("/v1/orders?{filter}limit=1")).await;
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let [first, second, third] = placed.as_slice() else { unreachable!() };
    assert_eq!(ids("").await, [third, second, first].map(String::clone));
    assert_eq!(ids("owner=ann&").await, [third, first].map(String::clone));
    assert_eq!(ids("status=cancelled&").await, [first].map(String::clone));
    assert_eq!(ids("owner=ann&status=awaiting_payment&").await, [third].map(String::clone));
    let refused = query.get("/v1/orders?status=held").await;
    refused.expect_problem(422, "invalid_parameter");
}

async fn an_order_whose_void_nobody_answers_calls_an_operator_who_resumes_it(world: Arc<World>) {
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.add_command_service(&[("ORDER_OPERATOR_AFTER_SECONDS", "3")]).await;
    let alerts = format!("{}.alerts", stockbook.topic);
    stockbook.add_query_service(&[("ALERTS_TOPIC", &*alerts)]).await;
    stockbook.stock(&[("A", 10)]).await;
    let command = stockbook.command();
    let placed = place(&command, order(6, 300, json!({}))).await;
    let order = id(&placed);
    until_status(&command, &order, "awaiting_payment").await;
    command.done(&format!("/v1/orders/{order}/cancel"), json!({})).await;
    let stuck = |order: &Value| steps(order)["void"] == "needs_operator";
    until(&command, &order, "an operator is needed", stuck).await;
    let seen = async || on_topic(&stockbook, &alerts).await;
    let has_topic = async || {
        let metadata = stockbook.kafka_admin().inner().fetch_metadata(None, KAFKA_ANSWER_MAX);
        metadata.expect("an answer").topics().iter().any(|topic| topic.name() == alerts)
    };
    eventually("the topic of alerts is there", has_topic, |there| *there).await;
    let seen = eventually("an alert", seen, |alerts| !alerts.is_empty()).await;
    let [alert] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(header(alert, "ce_type").as_deref(), Some("OrderNeedsOperator"));
    let value: Value = serde_json::from_slice(alert.payload().unwrap()).unwrap();
    assert_has(&value, json!({"order": order, "step": "void"}));

    let path = format!("/v1/orders/{order}/resume");
    let resumed = command.done(&path, json!({"reason": "service_is_back"})).await;
    assert_eq!(resumed.types(), ["OrderResumed", "PaymentRequested"]);
    command.refused(&path, json!({}), 409, "order_state").await;
    Payments::of(&stockbook).reply(&order, "void", "voided").await;
    let voided = |order: &Value| steps(order)["void"] == "done";
    until(&command, &order, "the void is answered", voided).await;
    stockbook.verify().await;
}
