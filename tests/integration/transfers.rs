//! Goods on their way between locations, from the dispatch to what came in, is lost or went back.

pub(crate) mod conserved;

use std::sync::Arc;
use std::time::Duration;

use integration_tests::{
    Answer, Api, Stockbook, World, assert_has, eventually, lines_at_main, moment, read_messages,
};
use rdkafka::message::{Headers, Message};
use serde_json::{Value, json};

trials! {
    goods_go_to_another_location_in_parts_and_some_are_lost,
    what_is_on_its_way_goes_back_to_where_it_left,
    a_transfer_is_overdue_within_a_second_once_and_with_an_alert,
    a_dispatch_is_undone_by_the_transfers_own_commands_only,
    a_transfer_of_a_batch_or_with_a_key_happens_once_and_of_a_dry_run_never,
    transfers_are_found_by_each_filter,
}

/// A Stockbook with stock at MAIN, and locations WEST and EAST.
async fn stocked(world: &Arc<World>, stock: &[(&str, i64)]) -> (Stockbook, Api) {
    let (stockbook, command) = Stockbook::stocked(world, stock).await;
    for location in ["WEST", "EAST"] {
        command.put(&format!("/v1/locations/{location}"), json!({})).await.expect_status(201);
    }
    (stockbook, command)
}

fn line(sku: &str, from: &str, to: &str, quantity: i64) -> Value {
    json!({"sku": sku, "from": from, "to": to, "quantity": quantity})
}

async fn dispatch(command: &Api, body: Value) -> Answer {
    command.post("/v1/transfers", body).await.expect_status(201)
}

#[track_caller]
fn id(answer: &Answer) -> String {
    answer.json()["transfer"]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn step(command: &Api, id: &str, step: &str, body: Value) -> Answer {
    command.post(&format!("/v1/transfers/{id}/{step}"), body).await
}

async fn take(command: &Api, id: &str, name: &str, body: Value) -> Answer {
    step(command, id, name, body).await.expect_status(200)
}

fn parts(parts: &[(u32, i64)]) -> Value {
    let part = |(line, quantity): &(u32, i64)| json!({"line": line, "quantity": quantity});
    json!({"lines": parts.iter().map(part).collect::<Vec<Value>>()})
}

/// on_hand and incoming of an answered figure.
#[track_caller]
fn figure(answer: &Answer, sku: &str, location: &str) -> (i64, i64) {
    let json = answer.json();
    let mut figures = json["figures"].as_array().into_iter().flatten();
    let one = figures.find(|one| one["sku"] == sku && one["location"] == location);
    amounts(one.unwrap_or_else(|| panic!("{json}")))
}

#[track_caller]
fn amounts(figure: &Value) -> (i64, i64) {
    let amount = |name: &str| figure[name].as_i64().unwrap_or_else(|| panic!("{figure}"));
    (amount("on_hand"), amount("incoming"))
}

/// The answer's transfer is in this state, and the query side returns the same one.
async fn assert_status(stockbook: &Stockbook, answer: &Answer, status: &str) {
    let transfer = answer.json()["transfer"].clone();
    assert_eq!(transfer["status"], status, "{}", answer.body);
    let path = format!("/v1/transfers/{}", id(answer));
    let seen = stockbook.read_at(&path, &answer.position()).await;
    assert_has(&seen.json(), transfer);
}

async fn goods_go_to_another_location_in_parts_and_some_are_lost(world: Arc<World>) {
    let (stockbook, command) = stocked(&world, &[("A", 10), ("B", 4)]).await;
    let body = json!({
        "lines": [line("A", "MAIN", "WEST", 6), line("B", "MAIN", "EAST", 4)],
        "expected_at": "2200-01-01T00:00:00Z", "reason": "restock",
        "reference": {"type": "delivery_note", "id": "d-1"},
    });
    let sent = dispatch(&command, body).await;
    let transfer = id(&sent);
    let two = "StockDispatched StockExpected";
    assert_eq!(sent.types().join(" "), format!("TransferDispatched {two} {two}"));
    assert_eq!(sent.json()["events"][0]["stream"], format!("transfer/{transfer}"));
    assert_eq!((figure(&sent, "A", "MAIN"), figure(&sent, "A", "WEST")), ((4, 0), (0, 6)));
    assert_eq!((figure(&sent, "B", "MAIN"), figure(&sent, "B", "EAST")), ((0, 0), (0, 4)));
    let open = json!({"received": 0, "lost": 0, "returned": 0});
    let expected = json!({
        "expected_at": "2200-01-01T00:00:00.000000Z", "overdue": false,
        "reference": {"type": "delivery_note", "id": "d-1"}, "lines": [open, open],
    });
    assert_has(&sent.json()["transfer"], expected);
    assert_status(&stockbook, &sent, "in_transit").await;
    let state = command.state("stock/A/WEST").await;
    assert_eq!((&state["incoming"], &state["available"]), (&json!(6), &json!(0)));

    // What is on its way is not there.
    let onwards = json!({"lines": [line("A", "WEST", "EAST", 1)]});
    command.refused("/v1/transfers", onwards, 409, "insufficient_stock").await;
    command.refused("/v1/items/B/retire", json!({}), 409, "item_in_use").await;

    let some = take(&command, &transfer, "receive", parts(&[(1, 3), (1, 1)])).await;
    assert_eq!(some.types(), ["TransferReceived", "StockArrived"]);
    assert_eq!(figure(&some, "A", "WEST"), (4, 2));
    assert_status(&stockbook, &some, "partially_received").await;
    let before = stockbook.heads().await;
    let more = step(&command, &transfer, "receive", parts(&[(2, 1), (1, 3)])).await;
    let more = more.expect_problem(409, "over_receive");
    assert_has(&more, json!({"line": 1, "asked": 3, "possible": 2}));
    assert_eq!(stockbook.heads().await, before, "a refusal was recorded");

    let closed = take(&command, &transfer, "close", json!({"reason": "damaged"})).await;
    assert_eq!(closed.types(), ["TransferClosed", "StockLost", "StockLost"]);
    assert_eq!((figure(&closed, "A", "WEST"), figure(&closed, "B", "EAST")), ((4, 0), (0, 0)));
    assert_status(&stockbook, &closed, "closed").await;
    let lines = json!([{"received": 4, "lost": 2}, {"received": 0, "lost": 4}]);
    assert_has(&closed.json()["transfer"]["lines"], lines);
    for (name, body) in [
        ("receive", parts(&[(1, 1)])),
        ("return", json!({})),
        ("close", json!({"reason": "damaged"})),
    ] {
        let done = step(&command, &transfer, name, body).await;
        assert_eq!(done.expect_problem(409, "transfer_state")["transfer_status"], "closed");
    }
    // Nothing of B is left anywhere, so it can be retired.
    command.done("/v1/items/B/retire", json!({})).await;
    assert_queries_agree(&stockbook, &sent, &closed).await;
    stockbook.verify().await;
}

/// Every answer of the query side about A knows what was and is on its way.
async fn assert_queries_agree(stockbook: &Stockbook, sent: &Answer, closed: &Answer) {
    let token = closed.position();
    let lane = token.iter().find(|(lane, _)| sent.position().get(*lane).is_some());
    assert!(lane.is_some(), "{token}");
    let item = stockbook.read_at("/v1/stock/A", &token).await.json();
    assert_eq!(amounts(&item), (8, 0), "two of ten are lost: {item}");
    let then = format!("/v1/stock/A?at_position={}", sent.position());
    let then = stockbook.read_at(&then, &token).await.json();
    assert_eq!(amounts(&then), (4, 6), "{then}");
    let places = then["locations"].as_array().unwrap().iter().map(amounts);
    assert_eq!(places.collect::<Vec<_>>(), [(4, 0), (0, 6)], "{then}");
    let known =
        format!("/v1/stock?sku_prefix=A&known_at={}", sent.json()["recorded_at"].as_str().unwrap());
    let known = stockbook.read_at(&known, &token).await.json();
    let places = known["items"].as_array().unwrap().iter().map(amounts);
    assert_eq!(places.collect::<Vec<_>>(), [(4, 0), (0, 6)], "{known}");
    let asked = json!({"pairs": [{"sku": "A", "location": "WEST"}, {"sku": "A"}]});
    let asked = stockbook.query().done("/v1/availability", asked).await.json();
    assert_eq!([0, 1].map(|nth| amounts(&asked["items"][nth])), [(4, 0), (8, 0)]);

    let movements = stockbook.query().rows("/v1/movements?sku=A&location=WEST&limit=200").await;
    let steps: Vec<Value> = movements
        .iter()
        .rev()
        .map(|one| {
            json!([
                one["type"],
                one["before"]["incoming"],
                one["delta"]["incoming"],
                one["after"]["incoming"],
                one["delta"]["on_hand"],
            ])
        })
        .collect();
    let expected = [
        json!(["StockExpected", 0, 6, 6, 0]),
        json!(["StockArrived", 6, -4, 2, 4]),
        json!(["StockLost", 2, -2, 0, 0]),
    ];
    assert_eq!(steps, expected);
    assert_eq!(movements[0]["reason"], "damaged");

    let lane = stockbook.query().json("/v1/explain/A/WEST").await;
    assert_eq!(lane["summary"]["incoming_by"]["lines"], 0, "{lane}");
    assert_eq!(lane["movements"][0]["transfer"], closed.json()["transfer"]["id"]);
    let known = sent.json()["recorded_at"].as_str().unwrap().to_owned();
    let then = stockbook.query().json(&format!("/v1/explain/A/WEST?known_at={known}")).await;
    let by = json!({"lines": 1, "quantity": 6, "items": [{"line": 1, "quantity": 6}]});
    assert_has(&then["summary"]["incoming_by"], by);
    let position = |answer: &Answer| -> String {
        let all = answer.position();
        let of_item = item["position"].as_str().unwrap().split(':').next().unwrap().to_owned();
        let (lane, at) = all.iter().find(|(lane, _)| lane.to_string() == of_item).unwrap();
        format!("{lane}:{at}")
    };
    let diff =
        format!("/v1/diff?sku=A&from_position={}&to_position={}", position(sent), position(closed));
    let diff = stockbook.query().json(&diff).await;
    assert_has(&diff["difference"], json!({"on_hand": 4, "incoming": -6}));
    let checked = stockbook.query().json("/v1/integrity").await;
    assert_eq!((&checked["ok"], &checked["first_difference"]), (&json!(true), &Value::Null));
}

async fn what_is_on_its_way_goes_back_to_where_it_left(world: Arc<World>) {
    let (stockbook, command) = stocked(&world, &[("A", 10)]).await;
    let sent = dispatch(&command, json!({"lines": [line("A", "MAIN", "WEST", 6)]})).await;
    let transfer = id(&sent);
    assert_eq!(sent.json()["transfer"]["expected_at"], Value::Null);
    let part = take(&command, &transfer, "return", parts(&[(1, 2)])).await;
    assert_eq!(part.types(), ["TransferReturned", "StockRecalled", "StockBroughtBack"]);
    assert_eq!((figure(&part, "A", "MAIN"), figure(&part, "A", "WEST")), ((6, 0), (0, 4)));
    assert_status(&stockbook, &part, "in_transit").await;
    let more = step(&command, &transfer, "return", parts(&[(1, 5)])).await;
    assert_has(&more.expect_problem(409, "over_return"), json!({"asked": 5, "possible": 4}));
    take(&command, &transfer, "receive", parts(&[(1, 1)])).await;
    let rest = take(&command, &transfer, "return", json!({"reason": "refused"})).await;
    assert_eq!((figure(&rest, "A", "MAIN"), figure(&rest, "A", "WEST")), ((9, 0), (1, 0)));
    assert_status(&stockbook, &rest, "returned").await;
    let line = json!({"received": 1, "lost": 0, "returned": 5});
    assert_has(&rest.json()["transfer"]["lines"][0], line);
    command
        .refused(&format!("/v1/transfers/{transfer}/return"), json!({}), 409, "transfer_state")
        .await;
    let unknown = format!("{}0", &transfer[..transfer.len() - 1]);
    let unknown =
        if unknown == transfer { format!("{}1", &transfer[..transfer.len() - 1]) } else { unknown };
    for unknown in [unknown.as_str(), "17"] {
        let path = format!("/v1/transfers/{unknown}/return");
        assert_eq!(command.refused(&path, json!({}), 404, "unknown_transfer").await["id"], unknown);
        let seen = stockbook.query().get(&format!("/v1/transfers/{unknown}")).await;
        assert_eq!(seen.expect_problem(404, "unknown_transfer")["id"], unknown);
    }
    let today = moment(&rest.json()["recorded_at"]).to_utc().date_naive();
    let flow = format!("/v1/flow/A?from={today}&to={}", today.succ_opt().unwrap());
    let flow = stockbook.read_at(&flow, &stockbook.heads().await).await.json();
    assert_has(&flow["days"][0], json!({"in": 10, "transferred": 0, "closing": 10}));
    stockbook.verify().await;
}

/// The alerts about transfers on the topic: key, type, id and value.
async fn alerts(stockbook: &Stockbook, topic: &str) -> Vec<(String, String, Value)> {
    let mut alerts = Vec::new();
    for partition in 0..stockbook.lanes {
        for message in read_messages(stockbook.brokers(), topic, partition).await {
            let headers = message.headers().expect("headers");
            let kind = headers.iter().find(|header| header.key == "ce_type").expect("a type");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let value = serde_json::from_slice(message.payload().unwrap_or_default());
            alerts.push((
                text(message.key().unwrap_or_default()),
                text(kind.value.unwrap_or_default()),
                value.expect("an alert is JSON"),
            ));
        }
    }
    alerts
}

async fn a_transfer_is_overdue_within_a_second_once_and_with_an_alert(world: Arc<World>) {
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.add_command_service(&[]).await;
    let topic = format!("{}.alerts", stockbook.topic.trim_end_matches(".events"));
    stockbook.add_query_service(&[("ALERTS_TOPIC", &*topic)]).await;
    stockbook.stock(&[("A", 10)]).await;
    let command = stockbook.command();
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    let sent = async |after_ms: u64| {
        // By the log's own clock.
        let now = moment(&stockbook.receive(&[("A", 1)]).await.json()["recorded_at"]);
        let lines = json!([line("A", "MAIN", "WEST", 1)]);
        let expected_at = now + Duration::from_millis(after_ms);
        dispatch(&command, json!({"lines": lines, "expected_at": expected_at})).await
    };
    let late = sent(700).await;
    let in_time = sent(700).await;
    take(&command, &id(&in_time), "receive", parts(&[(1, 1)])).await;
    let later = sent(3_600_000).await;
    let past =
        json!({"lines": [line("A", "MAIN", "WEST", 1)], "expected_at": late.json()["recorded_at"]});
    let refused = command.refused("/v1/transfers", past, 422, "validation_failed").await;
    assert_eq!(refused["errors"][0]["pointer"], "/expected_at", "{refused}");

    let stream = format!("transfer/{}", id(&late));
    let history = async || command.stream(&stream).await;
    let history = eventually("the sweeper marks the transfer", history, |all| all.len() > 1).await;
    let [_, overdue] = history.as_slice() else { panic!("{history:?}") };
    let expected_at = moment(&late.json()["transfer"]["expected_at"]);
    assert_eq!(
        (overdue.event_type.as_str(), overdue.occurred_at),
        ("TransferOverdue", expected_at)
    );
    let behind = overdue.recorded_at.unix_micros() - expected_at.unix_micros();
    assert!((0..1_000_000).contains(&behind), "{behind} microseconds late");
    let part = take(&command, &id(&late), "receive", parts(&[(1, 1)])).await;
    assert_has(&part.json()["transfer"], json!({"status": "received", "overdue": true}));
    assert_eq!(command.stream(&stream).await.len(), 3, "marked once");

    let token = stockbook.heads().await;
    let list = stockbook.read_at("/v1/transfers?overdue=true", &token).await.json();
    let ids: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!(id(&late))]);
    let others = stockbook.query().rows("/v1/transfers?overdue=false&limit=1").await;
    let others: Vec<&Value> = others.iter().map(|one| &one["id"]).collect();
    assert_eq!(others, [&json!(id(&later)), &json!(id(&in_time))], "newest first");

    let published = async || alerts(&stockbook, &topic).await;
    let published = eventually("an alert", published, |alerts| !alerts.is_empty()).await;
    let [(key, kind, value)] = published.as_slice() else { panic!("{published:?}") };
    assert_eq!((key, kind.as_str()), (&id(&late), "TransferOverdue"));
    let expected = json!({
        "id": overdue.id(), "transfer": id(&late), "expected_at": expected_at, "reference": null,
        "position": format!("{}:{}", overdue.lane, overdue.position),
    });
    assert_eq!(*value, expected);
    stockbook.verify().await;
}

async fn a_dispatch_is_undone_by_the_transfers_own_commands_only(world: Arc<World>) {
    let (stockbook, command) = stocked(&world, &[("A", 10)]).await;
    let body = json!({"lines": [line("A", "MAIN", "WEST", 6)]});
    let correlated = [("correlation-id", "mistake")];
    let sent = command.send_with("POST", "/v1/transfers", &correlated, &body).await;
    let sent = sent.expect_status(201);
    let before = stockbook.heads().await;
    let refused = async |target: Value| {
        let problem = command.refused("/v1/reversals", target, 409, "not_reversible").await;
        problem["dependents"].clone()
    };
    // Fresh: nothing is in the way, and the way back is /return.
    for nth in 0..3 {
        assert_eq!(refused(json!({"event": sent.event_id(nth)})).await, json!([]));
    }
    let all = json!([sent.event_id(0), sent.event_id(1), sent.event_id(2)]);
    let mut found = refused(json!({"correlation_id": "mistake"})).await;
    found.as_array_mut().unwrap().sort_by_key(Value::to_string);
    let mut expected = all.clone();
    expected.as_array_mut().unwrap().sort_by_key(Value::to_string);
    assert_eq!(found, expected);
    assert_eq!(stockbook.heads().await, before, "a refusal was recorded");

    // Received in part: that is what stands in the way, also of the receipt that the goods came from.
    let some = take(&command, &id(&sent), "receive", parts(&[(1, 2)])).await;
    for nth in 0..3 {
        assert_eq!(refused(json!({"event": sent.event_id(nth)})).await, json!([some.event_id(0)]));
    }
    let received = command.stream("stock/A/MAIN").await[0].id();
    assert_eq!(refused(json!({"event": received})).await, json!([sent.event_id(1)]));
    // What is on its way goes back, what came in moves back; then the receipt can be reversed.
    take(&command, &id(&sent), "return", json!({})).await;
    command.done("/v1/moves", json!({"lines": [line("A", "WEST", "MAIN", 2)]})).await;
    let window = json!({"window": {
        "by": "recorded_at", "from": "2020-01-01T00:00:00Z", "to": "2200-01-01T00:00:00Z",
        "location": "WEST",
    }, "dry_run": true});
    let window = command.post("/v1/reversals", window).await;
    assert!(window.body.contains("not_reversible"), "a window refuses transfers: {window:?}");
    let reversed = command.done("/v1/reversals", json!({"event": received})).await;
    assert_eq!(figure(&reversed, "A", "MAIN"), (0, 0));
    stockbook.verify().await;
}

async fn a_transfer_of_a_batch_or_with_a_key_happens_once_and_of_a_dry_run_never(
    world: Arc<World>,
) {
    let (stockbook, command) = stocked(&world, &[("A", 10), ("B", 3)]).await;
    let body = json!({"lines": [line("A", "MAIN", "WEST", 4), line("B", "MAIN", "EAST", 1)]});
    let before = stockbook.heads().await;
    let valid = command.post("/v1/transfers?validate_only=true", body.clone()).await;
    let valid = valid.expect_status(200);
    assert_eq!(
        (valid.json()["transfer"]["status"].as_str(), figure(&valid, "A", "WEST")),
        (Some("in_transit"), (0, 4),)
    );
    assert_eq!(stockbook.heads().await, before);
    let first = command.keyed("/v1/transfers", "t-1", &body).await.expect_status(201);
    let again = command.keyed("/v1/transfers", "t-1", &body).await.expect_status(201);
    assert_eq!((first.body.as_str(), again.is_replayed()), (again.body.as_str(), true));

    let mut more = json!({"type": "dispatch_transfer", "lines": [line("A", "MAIN", "WEST", 6)]});
    let part = json!({"type": "receive_transfer", "id": id(&first), "lines": [{"line": 1, "quantity": 4}]});
    let close = json!({"type": "close_transfer", "id": id(&first), "reason": "lost"});
    let back = json!({"type": "return_transfer", "id": id(&first)});
    let atomic = |commands: &[&Value]| json!({"mode": "atomic", "commands": commands});
    let done = command.done("/v1/batches", atomic(&[&more, &part, &back])).await.json();
    let statuses: Vec<&Value> =
        done["results"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [201, 200, 200]);
    assert_eq!(done["results"][2]["body"]["transfer"]["status"], "returned");
    more["lines"][0]["quantity"] = json!(1);
    let refused = command.post("/v1/batches", atomic(&[&more, &close])).await;
    let refused = refused.expect_problem(409, "batch_refused");
    let codes: Vec<&Value> =
        refused["results"].as_array().unwrap().iter().map(|one| &one["body"]["type"]).collect();
    assert_eq!(codes, ["/problems/insufficient_stock", "/problems/transfer_state"]);

    let lines = json!([{"sku": "A", "location": "WEST", "quantity": 1}]);
    command.done("/v1/issues", json!({"lines": lines})).await;
    let lines = lines_at_main(&[("A", 1)]);
    command.refused("/v1/issues", lines, 409, "insufficient_stock").await;
    stockbook.verify().await;
}

async fn transfers_are_found_by_each_filter(world: Arc<World>) {
    let (stockbook, command) = stocked(&world, &[("A", 20), ("B", 20)]).await;
    let mut made = Vec::new();
    for (nth, lines) in [
        json!([line("A", "MAIN", "WEST", 2)]),
        json!([line("A", "MAIN", "EAST", 2), line("B", "MAIN", "WEST", 1)]),
        json!([line("B", "MAIN", "EAST", 2)]),
    ]
    .into_iter()
    .enumerate()
    {
        let reference = json!({"type": "note", "id": format!("n-{nth}")});
        made.push(id(&dispatch(&command, json!({"lines": lines, "reference": reference})).await));
    }
    take(&command, &made[0], "receive", parts(&[(1, 2)])).await;
    let sent = dispatch(&command, json!({"lines": [line("A", "WEST", "EAST", 1)]})).await;
    made.push(id(&sent));
    take(&command, &made[2], "close", json!({"reason": "lost"})).await;
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/transfers", &token).await;
    for (filter, expected) in [
        ("", vec![3, 2, 1, 0]),
        ("&status=in_transit", vec![3, 1]),
        ("&status=received", vec![0]),
        ("&status=closed", vec![2]),
        ("&status=returned", vec![]),
        ("&from=MAIN", vec![2, 1, 0]),
        ("&from=WEST", vec![3]),
        ("&to=WEST", vec![1, 0]),
        ("&to=EAST", vec![3, 2, 1]),
        ("&from=MAIN&to=EAST", vec![2, 1]),
        ("&from=EAST", vec![]),
        ("&to=EAST&status=in_transit", vec![3, 1]),
        ("&reference=note/n-1", vec![1]),
        ("&overdue=true", vec![]),
        ("&overdue=false&from=WEST&to=EAST", vec![3]),
    ] {
        let rows = stockbook.query().rows(&format!("/v1/transfers?limit=1{filter}")).await;
        let found: Vec<usize> = rows
            .iter()
            .map(|row| made.iter().position(|id| row["id"] == *id).expect("one that was made"))
            .collect();
        assert_eq!(found, expected, "{filter}");
    }
    for bad in ["status=held", "overdue=1", "from=a/b", "reference=n-1", "owner=o"] {
        let answer = stockbook.query().get(&format!("/v1/transfers?{bad}")).await;
        answer.expect_problem(422, "invalid_parameter");
    }
}
