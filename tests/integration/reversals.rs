//! What was booked is taken back by exact opposites, once, and only where nothing has moved on.

use std::sync::Arc;

use integration_tests::api::{self, Answer, Api, Figures};
use integration_tests::{Stockbook, World, lines_at_main};
use serde_json::{Value, json};

trials! {
    an_event_is_reversed_once_and_so_is_the_reversal,
    goods_that_moved_on_are_not_reversed_before_the_move_is,
    goods_that_are_promised_are_reversed_only_with_an_accepted_shortage,
    both_halves_of_a_move_are_reversed_together,
    a_correlation_of_several_commands_is_reversed_as_a_whole,
    a_reversal_names_exactly_one_target,
}

fn reversal_id(answer: &Answer) -> String {
    let id = &answer.json()["reversal_id"];
    id.as_str().unwrap_or_else(|| panic!("no reversal_id: {}", answer.body)).to_owned()
}

async fn reverse(api: &Api, target: Value) -> Answer {
    api.post("/v1/reversals", target).await
}

async fn issue(api: &Api, lines: &[(&str, i64)]) -> Answer {
    api.done("/v1/issues", lines_at_main(lines)).await
}

async fn on_hand(api: &Api, sku: &str) -> i64 {
    api.figures(sku).await.on_hand
}

async fn an_event_is_reversed_once_and_so_is_the_reversal(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0), ("B", 0)]).await;
    let received = stockbook.receive(&[("A", 10), ("B", 5)]).await;
    let of_a = received.event_id(0);
    let before = stockbook.heads().await;

    let dry = reverse(&command, json!({"event": of_a, "dry_run": true})).await.expect_status(200);
    reversal_id(&dry);
    assert_eq!(dry.types(), ["StockReversed"]);
    assert_eq!(dry.figures("A"), Figures::new(0, 0, 0));
    assert!(dry.json()["events"][0]["id"].is_null(), "{dry:?}");
    assert!(!dry.headers.contains_key("stock-position"), "{dry:?}");
    let unasked = json!({"event": of_a});
    let valid = command.done("/v1/reversals?validate_only=true", unasked).await;
    assert_eq!(valid.types(), ["StockReversed"]);
    assert_eq!(stockbook.heads().await, before, "a dry run was recorded");

    let done = reverse(&command, json!({"event": of_a})).await.expect_status(200);
    assert_eq!((done.types().join(" ").as_str(), done.figures("A").on_hand), ("StockReversed", 0));
    assert_eq!(on_hand(&command, "B").await, 5, "another event of the command was taken back");
    let history = command.stream("stock/A/MAIN").await;
    let data: Value = serde_json::from_str(history[1].data.get()).unwrap();
    assert_eq!((&data["reverses"], &data["delta"]), (&json!(of_a), &json!(-10)), "{data}");
    assert_eq!(data["reversal"], reversal_id(&done));
    assert_eq!(history[1].occurred_at, history[1].recorded_at);
    let by = done.event_id(0);
    let again = reverse(&command, json!({"event": of_a})).await;
    assert_eq!(again.expect_problem(409, "already_reversed")["dependents"], json!([by]));

    let first = reversal_id(&done);
    let undone = reverse(&command, json!({"reversal": first})).await.expect_status(200);
    assert_ne!(reversal_id(&undone), first);
    assert_eq!(undone.figures("A"), Figures::new(10, 0, 0));
    let again = reverse(&command, json!({"reversal": first})).await;
    let again = again.expect_problem(409, "already_reversed");
    assert_eq!(again["dependents"], json!([undone.event_id(0)]));
    let twice = reverse(&command, json!({"event": by})).await;
    twice.expect_problem(409, "already_reversed");

    let seen = stockbook.read_at("/v1/stock/A/MAIN", &undone.position()).await.json();
    assert_eq!(Figures::of(&seen), Figures::new(10, 0, 0));
    let reversal = "01a1fcbf-b216-74cf-ad13-831cc591985b";
    for (kind, id) in [("event", "0-99999"), ("correlation_id", "nobody's"), ("reversal", reversal)]
    {
        let unknown = reverse(&command, json!({kind: id})).await;
        assert_eq!(unknown.expect_problem(404, "unknown_event")["id"], id);
    }
    // No log has so many lanes.
    let nowhere = reverse(&command, json!({"event": "40000-1"})).await;
    nowhere.expect_problem(422, "validation_failed");
    stockbook.verify().await;
}

async fn goods_that_moved_on_are_not_reversed_before_the_move_is(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0), ("B", 0)]).await;
    let received = stockbook.receive(&[("A", 10), ("B", 10)]).await;
    let sold = issue(&command, &[("A", 7)]).await;
    let held = command.reserve("cart", 600, &[("B", 4)]).await;
    let before = stockbook.heads().await;
    let refused = reverse(&command, json!({"event": received.event_id(0)})).await;
    let refused = refused.expect_problem(409, "not_reversible");
    assert_eq!(refused["dependents"], json!([sold.event_id(0)]), "{refused}");
    let refused = reverse(&command, json!({"event": received.event_id(1)})).await;
    let refused = refused.expect_problem(409, "insufficient_stock");
    assert_eq!(refused["dependents"], json!([held.event_id(1)]), "{refused}");
    let correlation = received.json()["correlation_id"].clone();
    let whole = reverse(&command, json!({"correlation_id": correlation})).await;
    let whole = whole.expect_problem(409, "not_reversible");
    assert_eq!(whole["dependents"].as_array().map(Vec::len), Some(2), "{whole}");
    // Reservations and names have their own ways back.
    for target in [
        json!({"event": held.event_id(0)}),
        json!({"event": held.event_id(1)}),
        json!({"correlation_id": held.json()["correlation_id"]}),
    ] {
        reverse(&command, target).await.expect_problem(409, "not_reversible");
    }
    let item = command.stream("item/A").await[0].id().to_string();
    reverse(&command, json!({"event": item})).await.expect_problem(409, "not_reversible");
    assert_eq!(stockbook.heads().await, before, "a refusal was recorded");

    reverse(&command, json!({"event": sold.event_id(0)})).await.expect_status(200);
    command.take(&held.reservation_id(), "release", json!({})).await;
    let whole = reverse(&command, json!({"correlation_id": correlation})).await.expect_status(200);
    assert_eq!(whole.types(), ["StockReversed", "StockReversed"]);
    assert_eq!((on_hand(&command, "A").await, on_hand(&command, "B").await), (0, 0));
    stockbook.verify().await;
}

async fn goods_that_are_promised_are_reversed_only_with_an_accepted_shortage(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    stockbook.register(&["A"]).await;
    stockbook.receive(&[("A", 8)]).await;
    let (first, second) = ("first", "second");
    let [kept, fulfilled] = [(first, 4), (second, 2)]
        .map(|(owner, quantity)| (owner, [("A", quantity)]))
        .map(|(owner, line)| {
            let command = command.clone();
            async move {
                let held = command.reserve(owner, 600, &line).await;
                command.step(&held.reservation_id(), "confirm", json!({})).await.expect_status(200)
            }
        });
    let (kept, fulfilled) = (kept.await, fulfilled.await);
    command.step(&fulfilled.reservation_id(), "fulfil", json!({})).await.expect_status(200);
    let held = command.reserve("third", 600, &[("A", 1)]).await;
    let line = json!({"sku": "A", "location": "MAIN", "delta": -4});
    let lost = json!({"lines": [line], "reason": "lost", "accept_shortage": true});
    command.post("/v1/adjustments", lost).await.expect_status(200);
    let received = stockbook.receive(&[("A", 5)]).await;
    assert_eq!(command.figures("A").await, Figures::new(7, 1, 4));

    // Nothing happened after the receipt; earlier promises hold what it brought in.
    let refused = reverse(&command, json!({"event": received.event_id(0)})).await;
    let refused = refused.expect_problem(409, "insufficient_stock");
    let mut promises = [kept.event_id(1), held.event_id(1)];
    promises.sort_by_key(|id| id.split_once('-').map(|(_, at)| at.parse::<i64>().unwrap()));
    assert_eq!(refused["dependents"], json!(promises), "{refused}");
    let short = json!([{"sku": "A", "location": "MAIN", "requested": 5, "available": 2}]);
    assert_eq!(refused["lines"], short, "{refused}");

    let accepted = json!({"event": received.event_id(0), "accept_shortage": true});
    reverse(&command, accepted).await.expect_status(200);
    assert_eq!(command.figures("A").await, Figures::new(2, 1, 4));
    // What is gone cannot be accepted away.
    let received = stockbook.receive(&[("A", 5)]).await;
    let line = json!({"sku": "A", "location": "MAIN", "delta": -3});
    let lost = json!({"lines": [line], "reason": "lost", "accept_shortage": true});
    let lost = command.post("/v1/adjustments", lost).await.expect_status(200);
    for accept_shortage in [false, true] {
        let body = json!({"event": received.event_id(0), "accept_shortage": accept_shortage});
        let refused = reverse(&command, body).await.expect_problem(409, "not_reversible");
        assert_eq!(refused["dependents"], json!([lost.event_id(0)]), "{refused}");
    }
    stockbook.verify().await;
}

async fn both_halves_of_a_move_are_reversed_together(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0), ("B", 0)]).await;
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    stockbook.receive(&[("A", 10), ("B", 10)]).await;
    let line = |sku: &str| json!({"sku": sku, "from": "MAIN", "to": "WEST", "quantity": 4});
    let lines = json!({"lines": [line("A"), line("B"), line("A")]});
    let moved = command.done("/v1/moves", lines).await;
    // Out, in, out, in, out, in: the second half of the third line.
    let last = moved.event_id(5);
    let back = reverse(&command, json!({"event": last})).await.expect_status(200);
    assert_eq!(back.types(), ["StockReversed", "StockReversed"]);
    let there =
        |state: Value| (state["on_hand"].as_i64().unwrap(), state["available"].as_i64().unwrap());
    assert_eq!(there(command.state("stock/A/MAIN").await), (6, 6));
    assert_eq!(there(command.state("stock/A/WEST").await), (4, 4));
    assert_eq!(there(command.state("stock/B/WEST").await), (4, 4));
    let other = reverse(&command, json!({"event": moved.event_id(4)})).await;
    other.expect_problem(409, "already_reversed");
    let rest = json!({"correlation_id": moved.json()["correlation_id"]});
    let rest = reverse(&command, rest).await.expect_status(200);
    assert_eq!(rest.types().len(), 4, "{rest:?}");
    for (sku, on_hand) in [("A", 10), ("B", 10)] {
        assert_eq!(command.figures(sku).await, Figures::new(on_hand, 0, 0));
        assert_eq!(there(command.state(&format!("stock/{sku}/WEST")).await), (0, 0));
        let seen = stockbook.read_at(&format!("/v1/stock/{sku}"), &rest.position()).await.json();
        assert_eq!(seen["on_hand"], on_hand, "{seen}");
    }
    stockbook.verify().await;
}

async fn a_correlation_of_several_commands_is_reversed_as_a_whole(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10), ("B", 10), ("C", 10)]).await;
    let day = [("correlation-id", "bad-day"), ("idempotency-key", "reversal-1")];
    let send = async |path: &str, body: Value| {
        command.send_with("POST", path, &day[..1], &body).await.expect_status(200)
    };
    send("/v1/issues", lines_at_main(&[("A", 3), ("B", 2), ("A", 1)])).await;
    let adjusted = json!({"sku": "C", "location": "MAIN", "delta": -4});
    send("/v1/adjustments", json!({"lines": [adjusted], "reason": "lost"})).await;
    send("/v1/receipts", lines_at_main(&[("C", 2), ("A", 2)])).await;
    let count = json!({"quantity": 30, "expected_quantity": null});
    let counted = command.send_with("PUT", "/v1/stock/B/MAIN", &day[..1], &count).await;
    counted.expect_status(200);
    let target = json!({"correlation_id": "bad-day", "reason": "wrong_day"});
    let done = command.send_with("POST", "/v1/reversals", &day[1..], &target).await;
    let done = done.expect_status(200);
    assert_eq!(done.types().len(), 7, "{done:?}");
    for sku in ["A", "B", "C"] {
        assert_eq!(on_hand(&command, sku).await, 10, "{sku}");
    }
    let again = command.send_with("POST", "/v1/reversals", &day[1..], &target).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!((again.status, &again.body), (200, &done.body), "the reversal's id, too");
    reverse(&command, target).await.expect_problem(409, "already_reversed");
    stockbook.verify().await;
}

async fn a_reversal_names_exactly_one_target(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    for (target, pointers) in [
        (json!({}), &[""][..]),
        (json!({"event": "0-1", "correlation_id": "c"}), &[""]),
        (json!({"event": "1"}), &["/event"]),
        (json!({"reversal": "x"}), &["/reversal"]),
        (json!({"event": "0-1", "dry_run": "yes"}), &["/dry_run"]),
        (json!({"event": "0-1", "occurred_at": "2010-12-01T00:00:00Z"}), &["/occurred_at"]),
        (
            json!({"window": {"by": "noon", "from": "x"}}),
            &["/window/by", "/window/from", "/window/to"],
        ),
    ] {
        let problem = reverse(&command, target.clone()).await;
        let problem = problem.expect_problem(422, "validation_failed");
        let seen = api::pointers(&problem);
        // A superfluous or missing member can be reported in several ways.
        if pointers == [""] {
            assert!(!seen.is_empty(), "{target}: {problem}");
        } else {
            assert_eq!(seen, pointers, "{target}: {problem}");
        }
    }
}
