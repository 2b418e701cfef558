//! Back in time: what the views say of any moment is what the log's events come to.

pub(crate) mod lists;
mod trade;

use std::sync::Arc;

use chrono::TimeDelta;
use futures::{StreamExt, stream};
use integration_tests::oracle::{Item, LAST, Oracle};
use integration_tests::{Answer, Api, Size, Stockbook, World, lines_at_main, seeded};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use shared_events::lane::{Lane, Position};
use shared_events::time::Timestamp;

use self::trade::CALLERS;

trials! {
    every_figure_at_every_moment_is_a_fold_of_the_log,
    a_late_entry_changes_what_was_true_and_not_what_was_known,
    an_item_has_the_name_that_it_had_then,
    an_unanswerable_question_about_the_past_is_refused,
    a_read_with_a_token_is_never_stale_at_either_of_two_instances,
}

/// Steps of one history.
const STEPS: usize = 14;

async fn every_figure_at_every_moment_is_a_fold_of_the_log(world: Arc<World>) {
    let (seed, mut chance) = seeded();
    let count = Size::wanted().scaled(40, 25);
    let stockbook = Stockbook::start(&world).await;
    let skus: Vec<String> = (0..count).map(|number| format!("T{number}")).collect();
    trade::live(&stockbook, &skus, STEPS, seed).await;
    let items = items(&stockbook).await;
    assert_eq!(items.len(), count);
    let questions: Vec<Question> =
        items.iter().flat_map(|item| questions(item, &mut chance)).collect();
    let first = ask_all(&stockbook.query(), &questions).await;
    println!("{count} histories, {} questions about the past, seed {seed}", questions.len());
    // What was known then stays as it was, whatever comes later.
    trade::live(&stockbook, &skus, STEPS / 2, seed + 1).await;
    stockbook.read_at("/v1/locations", &stockbook.heads().await).await;
    let stable: Vec<usize> =
        (0..questions.len()).filter(|index| questions[*index].is_stable).collect();
    let again: Vec<Question> = stable.iter().map(|index| questions[*index].clone()).collect();
    let second = ask_all(&stockbook.query(), &again).await;
    for (index, after) in stable.iter().zip(&second) {
        let before = &first[*index];
        assert_eq!(after.body, before.body, "{}", before.asked);
        for header in ["etag", "stock-position"] {
            assert_eq!(after.header(header), before.header(header), "{}", before.asked);
        }
    }
}

/// A question about the past, with what the log's events come to.
#[derive(Clone)]
struct Question {
    path: String,
    expected: Option<Value>,
    /// The position in the sku's lane that a time resolves to at least.
    known_at_least: Option<(Lane, Position)>,
    /// Whether nothing that comes later changes the answer.
    is_stable: bool,
}

async fn items(stockbook: &Stockbook) -> Vec<Item> {
    let log = stockbook.log().await;
    stockbook.read_at("/v1/locations", &stockbook.heads().await).await;
    Oracle::over(&log).items.into_values().collect()
}

/// Every moment at which something happened to the sku, and the moment before it.
fn questions(item: &Item, chance: &mut StdRng) -> Vec<Question> {
    let (sku, lane) = (&item.sku, item.lane);
    let mut questions = Vec::new();
    let mut ask = |query: String, expected, known_at_least, is_stable| {
        let path = format!("/v1/stock/{sku}?{query}&wait_ms=30000");
        questions.push(Question { path, expected, known_at_least, is_stable });
    };
    for change in &item.changes {
        for position in [Position(change.position.0 - 1), change.position] {
            let expected = item.stock(position, None);
            ask(format!("at_position={lane}:{position}"), expected, None, true);
        }
        for known in [just_before(change.recorded_at), change.recorded_at] {
            let position = item.known_at(known);
            let expected = item.stock(position, None);
            ask(format!("known_at={known}"), expected, Some((lane, position)), true);
            let moment = item.changes[chance.random_range(0..item.changes.len())].occurred_at;
            let expected = item.stock(position, Some(moment));
            let query = format!("known_at={known}&as_of={moment}");
            ask(query, expected, Some((lane, position)), true);
        }
        for moment in [just_before(change.occurred_at), change.occurred_at] {
            let expected = item.stock(LAST, Some(moment));
            ask(format!("as_of={moment}"), expected, None, false);
        }
    }
    questions
}

fn just_before(moment: Timestamp) -> Timestamp {
    Timestamp::new(moment.to_utc() - TimeDelta::microseconds(1))
}

/// Asks all, and compares each answer with what it should be.
async fn ask_all(query: &Api, questions: &[Question]) -> Vec<Answer> {
    let asks =
        questions.iter().map(|question| async move { (question, query.get(&question.path).await) });
    let asked: Vec<(&Question, Answer)> = stream::iter(asks).buffered(CALLERS).collect().await;
    let check = |(question, answer): (&Question, Answer)| {
        match &question.expected {
            None => drop(answer.clone().expect_problem(404, "unknown_sku")),
            Some(expected) => compare(question, answer.clone().expect_status(200), expected),
        }
        answer
    };
    asked.into_iter().map(check).collect()
}

#[track_caller]
fn compare(question: &Question, answer: Answer, expected: &Value) {
    let mut json = answer.json();
    let known = json.as_object_mut().expect("an object").remove("known_position");
    if let Some((lane, least)) = question.known_at_least {
        let known = known.expect("a time is resolved to a position");
        assert_eq!(answer.header("stock-position"), known.as_str());
        let known = answer.position().get(lane).expect("the sku's lane");
        assert!(known >= least, "{}: {known} is before {least}", answer.asked);
    }
    assert_eq!(&json, expected, "{}", answer.asked);
}

async fn a_late_entry_changes_what_was_true_and_not_what_was_known(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let (command, query) = (stockbook.command(), stockbook.query());
    stockbook.register(&["A"]).await;
    let first = stockbook.receive(&[("A", 10)]).await.json();
    let known_at = first["recorded_at"].as_str().expect("a time").to_owned();
    let true_at = "2026-01-02T00:00:00Z";
    let mut late = lines_at_main(&[("A", 3)]);
    late["occurred_at"] = json!("2026-01-01T00:00:00Z");
    let figure = async |path: String| query.get(&path).await.expect_status(200);
    let pair = "/v1/stock/A/MAIN";
    let known = figure(format!("{pair}?known_at={known_at}")).await;
    assert_eq!(known.json()["on_hand"], 10);
    let before = figure(format!("{pair}?as_of={true_at}")).await;
    assert_eq!((&before.json()["on_hand"], &before.json()["version"]), (&json!(0), &json!(0)));
    assert_eq!(before.json()["updated_at"], Value::Null);

    let issued = command.done("/v1/issues", late).await;
    stockbook.read_at(pair, &issued.position()).await;
    let after = figure(format!("{pair}?as_of={true_at}")).await;
    assert_eq!((&after.json()["on_hand"], &after.json()["available"]), (&json!(-3), &json!(-3)));
    assert_eq!(after.json()["version"], 1);
    assert_ne!(after.header("etag"), before.header("etag"));
    let again = figure(format!("{pair}?known_at={known_at}")).await;
    assert_eq!((&again.body, again.header("etag")), (&known.body, known.header("etag")));
    let both = figure(format!("{pair}?known_at={known_at}&as_of={true_at}")).await;
    assert_eq!(both.json()["on_hand"], 0);
    let list = figure(format!("/v1/stock?known_at={known_at}")).await.json();
    assert_eq!((&list["items"][0]["on_hand"], &list["next_cursor"]), (&json!(10), &Value::Null));
    let list = figure(format!("/v1/stock?as_of={true_at}&location=MAIN")).await.json();
    assert_eq!(list["items"][0]["on_hand"], -3);
    for (window, expected) in [
        (format!("by=occurred_at&to={true_at}"), vec!["StockIssued"]),
        (format!("by=occurred_at&from={true_at}"), vec!["StockReceived"]),
        (format!("by=recorded_at&to={true_at}"), vec![]),
        (format!("from={true_at}"), vec!["StockIssued", "StockReceived"]),
    ] {
        let found = query.rows(&format!("/v1/movements?sku=A&{window}")).await;
        let found: Vec<_> = found.iter().map(|movement| movement["type"].clone()).collect();
        assert_eq!(found, expected, "{window}");
    }
}

async fn an_item_has_the_name_that_it_had_then(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let (command, query) = (stockbook.command(), stockbook.query());
    command.put("/v1/locations/MAIN", json!({})).await.expect_status(201);
    let name = async |name: &str, since: &str| {
        let body = json!({"name": name, "occurred_at": format!("{since}T00:00:00Z")});
        let named = command.put("/v1/items/A", body).await;
        let recorded_at = named.json()["recorded_at"].as_str().expect("a time").to_owned();
        (named.position(), recorded_at)
    };
    name("Lamp", "2026-01-10").await;
    let (_, before) = name("Old lamp", "2026-03-01").await;
    let (token, _) = name("Desk lamp", "2026-02-01").await;
    stockbook.read_at("/v1/items", &token).await;
    for (past, expected) in [
        ("as_of=2026-01-01T00:00:00Z".to_owned(), "Lamp"),
        ("as_of=2026-01-31T23:59:59.999999Z".to_owned(), "Lamp"),
        ("as_of=2026-02-01T00:00:00Z".to_owned(), "Desk lamp"),
        ("as_of=2026-03-02T00:00:00Z".to_owned(), "Desk lamp"),
        (format!("as_of=2026-02-15T00:00:00Z&known_at={before}"), "Lamp"),
        (format!("as_of=2026-03-02T00:00:00Z&known_at={before}"), "Old lamp"),
        (format!("known_at={before}"), "Old lamp"),
        (format!("at_position={token}"), "Desk lamp"),
    ] {
        let stock = query.json(&format!("/v1/stock/A?{past}")).await;
        assert_eq!(stock["name"], expected, "{past}: {stock}");
    }
    assert_eq!(query.json("/v1/stock/A").await["name"], "Desk lamp");
}

async fn an_unanswerable_question_about_the_past_is_refused(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let query = stockbook.query();
    stockbook.register(&["A"]).await;
    let position = stockbook.receive(&[("A", 10)]).await.position();
    let (lane, _) = position.iter().next().expect("one lane");
    let other = (lane.0 + 1) % stockbook.lanes;
    for (path, status, code) in [
        (format!("/v1/stock/A/MAIN?at_position={other}:1"), 422, "invalid_position"),
        ("/v1/stock/A?at_position=99:1".to_owned(), 422, "invalid_position"),
        (format!("/v1/stock?at_position={position}"), 422, "invalid_position"),
        (format!("/v1/stock/A?at_position={lane}:9999&wait_ms=0"), 503, "not_yet_applied"),
        ("/v1/stock/A?known_at=2999-01-01T00:00:00Z".to_owned(), 422, "invalid_parameter"),
        ("/v1/stock/A?as_of=yesterday".to_owned(), 422, "invalid_parameter"),
        (
            format!("/v1/stock/A?at_position={position}&known_at=2026-01-01T00:00:00Z"),
            422,
            "invalid_parameter",
        ),
        ("/v1/stock/A?known_at=1970-01-01T00:00:00Z".to_owned(), 404, "unknown_sku"),
        (format!("/v1/stock/A/NONE?at_position={position}"), 404, "unknown_location"),
        ("/v1/explain/A/MAIN?as_of=2026-01-01T00:00:00Z".to_owned(), 422, "invalid_parameter"),
        (
            format!("/v1/diff?sku=A&from_position={position}&to_position={lane}:0"),
            422,
            "invalid_position",
        ),
        ("/v1/diff?sku=A".to_owned(), 422, "invalid_parameter"),
        ("/v1/movements?by=occurred_at".to_owned(), 422, "invalid_parameter"),
        ("/v1/movements?sku=A&by=yesterday".to_owned(), 422, "invalid_parameter"),
    ] {
        query.get(&path).await.expect_problem(status, code);
    }
}

/// Reads with the token of a command, of any shape.
const SHAPES: usize = 3;

async fn a_read_with_a_token_is_never_stale_at_either_of_two_instances(world: Arc<World>) {
    let (seed, mut chance) = seeded();
    let commands = Size::wanted().scaled(500, 20);
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_query_service(&[]).await;
    let skus: Vec<String> = (0..CALLERS).map(|number| format!("S{number}")).collect();
    stockbook.register(&skus).await;
    let instances = stockbook.readers();
    let command = stockbook.command();
    let callers = skus.iter().map(|sku| {
        let choices: Vec<usize> = (0..commands.div_ceil(CALLERS))
            .map(|_| chance.random_range(0..instances.len() * SHAPES))
            .collect();
        let (command, instances) = (&command, &instances);
        async move {
            for (done, choice) in (1..).zip(choices) {
                let received = command.done("/v1/receipts", lines_at_main(&[(sku, 1)])).await;
                let token = received.position().to_string();
                let query = &instances[choice / SHAPES];
                let seen = read(query, choice % SHAPES, sku, &token).await;
                assert_eq!(seen["on_hand"], done, "{sku} at {token}, seed {seed}");
            }
        }
    });
    stream::iter(callers).for_each_concurrent(CALLERS, |caller| caller).await;
    println!("{commands} commands, each read at once at one of two instances, seed {seed}");
}

async fn read(query: &Api, shape: usize, sku: &str, token: &str) -> Value {
    let mark = format!("min_position={token}&wait_ms=30000");
    match shape {
        0 => query.json(&format!("/v1/stock/{sku}/MAIN?{mark}")).await,
        1 => query.json(&format!("/v1/stock/{sku}?{mark}")).await,
        _ => {
            let body = json!({"pairs": [{"sku": sku, "location": "MAIN"}]});
            let path = format!("/v1/availability?{mark}");
            query.done(&path, body).await.json()["items"][0].clone()
        }
    }
}
