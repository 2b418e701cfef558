//! Reading the log whole: in one order, folded, verified, and rid of old refusals.

use std::collections::BTreeSet;
use std::sync::Arc;

use integration_tests::{Stockbook, World, eventually, lines_at_main};
use serde_json::json;
use shared_events::recorded::{EventId, RecordedEvent};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

trials! {
    the_lanes_in_one_list_miss_and_repeat_nothing_while_events_are_written,
    the_events_of_a_correlation_are_listed_page_by_page_and_each_is_read_by_its_id,
    a_stream_is_read_as_it_is_and_as_it_was,
    verify_finds_what_was_changed_behind_the_services_back,
    a_log_is_verified_while_it_is_written,
    old_refusals_are_purged_and_recent_ones_kept,
}

async fn the_lanes_in_one_list_miss_and_repeat_nothing_while_events_are_written(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    stockbook.register(&["A", "B", "C", "D", "E"]).await;
    let writing: Vec<_> = (["A", "B", "C", "D", "E"].into_iter())
        .zip(stockbook.instances().into_iter().cycle())
        .map(|(sku, api)| {
            tokio::spawn(async move {
                for _ in 0..60 {
                    api.done("/v1/receipts", lines_at_main(&[(sku, 1), ("A", 1)])).await;
                }
            })
        })
        .collect();
    let mut seen: Vec<RecordedEvent> = Vec::new();
    let mut after = String::new();
    loop {
        let written = writing.iter().all(tokio::task::JoinHandle::is_finished);
        let page = stockbook.command().get(&format!("/v1/events?limit=37{after}")).await;
        let page = page.expect_status(200);
        let lines = page.body.lines().count();
        seen.extend(page.body.lines().map(|line| serde_json::from_str(line).expect("an event")));
        let next = page.header("next-position").expect("a position");
        after = format!("&after={next}");
        if written && lines == 0 {
            break;
        }
    }
    for writer in writing {
        writer.await.expect("a writer comes through");
    }
    let order: Vec<_> = seen.iter().map(|one| (one.recorded_at, one.lane, one.position)).collect();
    assert!(order.is_sorted(), "not in order");
    let ids: BTreeSet<EventId> = seen.iter().map(RecordedEvent::id).collect();
    assert_eq!(ids.len(), seen.len(), "an event came twice");
    assert_eq!(seen.len() as i64, stockbook.recorded().await);
    // There is no such lane, or it is not as long: a reader that asks so follows another log.
    let (lane, head) = stockbook.heads().await.iter().next().expect("a lane");
    for wrong in ["9:1".to_owned(), format!("{lane}:{}", head.0 + 1)] {
        for filter in ["", "&correlation_id=x"] {
            let answer =
                stockbook.command().get(&format!("/v1/events?after={wrong}{filter}")).await;
            let problem = answer.expect_problem(422, "validation_failed");
            assert_eq!(problem["errors"][0]["pointer"], "/after", "{problem}");
        }
    }
}

async fn the_events_of_a_correlation_are_listed_page_by_page_and_each_is_read_by_its_id(
    world: Arc<World>,
) {
    let stockbook = Stockbook::start(&world).await;
    stockbook.register(&["A", "B", "C"]).await;
    let command = stockbook.command();
    for correlation in ["delivery 7", "0017", "17"] {
        for sku in ["A", "B", "C"] {
            let headers = [("correlation-id", correlation)];
            let body = lines_at_main(&[(sku, 1), (sku, 2)]);
            command.send_with("POST", "/v1/receipts", &headers, &body).await.expect_status(200);
        }
    }
    let of_it = |event: &RecordedEvent| event.correlation_id.as_str() == "delivery 7";
    let mut expected: Vec<_> = stockbook.log().await.into_iter().filter(of_it).collect();
    expected.sort_by_key(|event| (event.recorded_at, event.lane, event.position));
    assert_eq!(expected.len(), 6);
    let expected: Vec<(EventId, String)> = (expected.iter())
        .map(|event| (event.id(), serde_json::to_string(event).expect("JSON")))
        .collect();
    let mut listed: Vec<String> = Vec::new();
    let mut after = String::new();
    for page in 0..4 {
        let path = format!("/v1/events?correlation_id=delivery%207&limit=2{after}");
        let answer = command.get(&path).await.expect_status(200);
        assert_eq!(answer.body.lines().count(), if page < 3 { 2 } else { 0 });
        listed.extend(answer.body.lines().map(str::to_owned));
        after = format!("&after={}", answer.header("next-position").expect("a position"));
    }
    assert!(listed.iter().eq(expected.iter().map(|(_, line)| line)), "{listed:#?}");
    for (id, line) in &expected {
        let answer = command.get(&format!("/v1/events/{id}")).await.expect_status(200);
        assert_eq!(answer.body, *line);
    }
    for number in ["0017", "17", "017"] {
        let listed = command.get(&format!("/v1/events?correlation_id={number}")).await;
        let listed = listed.expect_status(200).body.lines().count();
        assert_eq!(listed, if number == "017" { 0 } else { 6 }, "{number}");
    }
    for unknown in ["0-99999", "9-1", "1024-1", "40000-1", "0-0", "A"] {
        command.get(&format!("/v1/events/{unknown}")).await.expect_problem(404, "not_found");
    }
    command.get("/v1/events?correlation_id=").await.expect_problem(422, "validation_failed");
}

async fn a_stream_is_read_as_it_is_and_as_it_was(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    let empty = command.get("/v1/events").await.expect_status(200);
    assert_eq!((empty.body.as_str(), empty.header("next-position")), ("", Some("0:0")));
    stockbook.register(&["A"]).await;
    for quantity in [5, 7] {
        stockbook.receive(&[("A", quantity)]).await;
    }
    let state = async |query: &str| {
        let path = format!("/v1/streams/stock/A/MAIN/state{query}");
        command.json(&path).await
    };
    let now = state("").await;
    let figures = |on_hand| {
        json!({
            "on_hand": on_hand, "reserved": 0, "allocated": 0, "available": on_hand, "incoming": 0,
            "waiting": 0,
        })
    };
    assert_eq!((&now["version"], &now["state"]), (&json!(2), &figures(12)), "{now}");
    assert_eq!(state("?version=2").await, now);
    assert_eq!(state("?version=1").await["state"], figures(5));
    let before = state("?version=0").await;
    assert_eq!((&before["version"], &before["state"]), (&json!(0), &figures(0)), "{before}");
    let first = &command.stream("stock/A/MAIN").await[0];
    let then = state(&format!("?at={}", first.recorded_at)).await;
    assert_eq!(then, state("?version=1").await);
    assert_eq!(then["position"], first.id().to_string().replace('-', ":"));
    let item = command.json("/v1/streams/item/A/state").await;
    assert_eq!((&item["state"]["sku"], &item["state"]["retired"]), (&json!("A"), &json!(false)));
    let location = command.json("/v1/streams/location/MAIN/state").await;
    assert_eq!(location["state"]["code"], "MAIN", "{location}");
    for (query, pointer) in [
        ("version=3", "/version"),
        ("version=1&at=2026-01-01T00:00:00Z", "/at"),
        ("at=9999-01-01T00:00:00Z", "/at"),
    ] {
        let path = format!("/v1/streams/stock/A/MAIN/state?{query}");
        let problem = command.get(&path).await.expect_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    command.get("/v1/streams/item/NONE/state").await.expect_problem(404, "unknown_stream");
}

/// Changes the log as nobody may: as its owner, with the triggers off.
pub(crate) async fn tamper(stockbook: &Stockbook, statement: &str) {
    let mut owner = PgConnection::connect(stockbook.urls.write_owner.as_str()).await.unwrap();
    let statement = format!(
        "alter table events disable trigger user; {statement}; \
         alter table events enable trigger user"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut owner).await.expect("the owner may");
}

async fn verify_finds_what_was_changed_behind_the_services_back(world: Arc<World>) {
    let (stockbook, _) =
        Stockbook::stocked(&world, &[("A", 0), ("B", 0), ("C", 0), ("D", 0)]).await;
    let key = [("idempotency-key", "k1")];
    let lines = lines_at_main(&[("A", 5), ("B", 5), ("C", 5), ("D", 5)]);
    let command = stockbook.command();
    command.send_with("POST", "/v1/receipts", &key, &lines).await.expect_status(200);
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    let count = json!({"quantity": 4, "expected_quantity": 5, "reason": "cycle_count"});
    command.put("/v1/stock/C/MAIN", count).await.expect_status(200);
    let moves = json!({"lines": [{"sku": "C", "from": "MAIN", "to": "WEST", "quantity": 3}]});
    command.done("/v1/moves", moves).await;
    command.put("/v1/items/E", json!({})).await.expect_status(201);
    command.done("/v1/items/E/retire", json!({})).await;
    let retired = command.json("/v1/streams/item/E/state").await;
    assert_eq!(retired["state"]["retired"], json!(true), "{retired}");
    stockbook.verify().await;
    let of_b = "stream = 'stock/B/MAIN'";
    let of_key = "idempotency_key = 'k1'";
    for (change, back, expected) in [
        (
            format!("update events set actor = 'mallory' where {of_b}"),
            format!("update events set actor = null where {of_b}"),
            "stream stock/B/MAIN, chain: expected",
        ),
        (
            format!("update events set version = 7 where {of_b}"),
            format!("update events set version = 1 where {of_b}"),
            "stream stock/B/MAIN, version: expected 1, found 7",
        ),
        (
            format!("update events set command_positions[2] = 999 where {of_key}"),
            format!(
                "update events set command_positions[2] = named.position from events as named \
                 where named.{of_b} and events.{of_key}"
            ),
            "event 2 of its command: expected an event of correlation id",
        ),
        (
            format!(
                "insert into commands select caller, idempotency_key, request_hash, '{{}}', now() \
                 from events where {of_key}"
            ),
            "delete from commands".to_owned(),
            "idempotency key k1 of public: expected one outcome, found 2 outcomes",
        ),
        (
            "update events set position = 99 where stream = 'item/A'".to_owned(),
            String::new(),
            "position: expected",
        ),
    ] {
        tamper(&stockbook, &change).await;
        let said = stockbook.difference().await.unwrap_or_else(|| panic!("not found: {change}"));
        assert!(said.contains("difference: lane ") && said.contains(expected), "{said}");
        tamper(&stockbook, &back).await;
        if !back.is_empty() {
            assert_eq!(stockbook.difference().await, None, "after {back}");
        }
    }
}

async fn a_log_is_verified_while_it_is_written(world: Arc<World>) {
    let (stockbook, _) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let api = stockbook.command();
    let writing = tokio::spawn(async move {
        loop {
            api.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
        }
    });
    for events in [100, 1_100] {
        stockbook.grown_to(events).await;
        stockbook.verify().await;
    }
    assert!(!writing.is_finished(), "nothing was written any more");
    writing.abort();
}

async fn old_refusals_are_purged_and_recent_ones_kept(world: Arc<World>) {
    let (mut stockbook, _) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let key = [("idempotency-key", "young")];
    let lines = lines_at_main(&[("A", 1)]);
    let command = stockbook.command();
    command.send_with("POST", "/v1/issues", &key, &lines).await.expect_status(409);
    let database = stockbook.write_database().await;
    for (from, to, days) in [(1, 2_500, 3), (2_501, 2_600, 1)] {
        sqlx::query(
            "insert into commands (caller, key, request_hash, outcome, recorded_at) \
             select 'public', 'old' || nth, decode(repeat('00', 32), 'hex'), '{}', \
                 now() - make_interval(days => $3) \
             from generate_series($1, $2) as nth",
        )
        .bind(from)
        .bind(to)
        .bind(days)
        .execute(&database)
        .await
        .expect("the service's role may store outcomes");
    }
    stockbook.add_command_service(&[("OUTCOME_RETENTION_DAYS", "2")]).await;
    let left = async || -> (i64, i64) {
        let left = "select count(*), count(*) filter (where key = 'young') from commands";
        sqlx::query_as(left).fetch_one(&database).await.unwrap()
    };
    eventually("old outcomes go", left, |left| *left == (101, 1)).await;
}
