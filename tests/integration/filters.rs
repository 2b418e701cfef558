//! Whatever a command accepts can be found: by every filter that takes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use integration_tests::{Answer, Api, Stockbook, World, moment, reservation, seeded};
use rand::RngExt;
use rand::prelude::IndexedRandom;
use rand::rngs::StdRng;
use reqwest::Url;
use serde_json::{Value, json};

trials! {
    what_a_command_accepts_is_found_by_every_filter_that_takes_it,
}

/// Commands of each kind.
const COMMANDS: usize = 40;

/// Signs that mean something to a URL, to SQL, to JSON, or to the form `type/id`.
const SIGNS: [char; 30] = [
    '/',
    '/',
    '%',
    '+',
    '&',
    '=',
    '#',
    '?',
    ' ',
    '"',
    '\'',
    '\\',
    ':',
    ';',
    ',',
    '.',
    '~',
    '-',
    '_',
    '*',
    '$',
    '{',
    '|',
    '<',
    'a',
    'Z',
    '0',
    'ü',
    '語',
    '\u{1F9F0}',
];

const NAME_SIGNS: [char; 12] = ['.', '.', '.', '_', '~', ':', '+', '-', 'a', 'z', 'A', '9'];

const CODE_SIGNS: [char; 4] = ['a', 'z', '0', '_'];

fn text(random: &mut StdRng, signs: &[char], longest: usize) -> String {
    let length = *[1, 2, 3, longest].choose(random).unwrap();
    (0..length).map(|_| *signs.choose(random).unwrap()).collect()
}

/// What a header can carry, without spaces at its ends.
fn header(random: &mut StdRng) -> String {
    let signs: Vec<char> = SIGNS.into_iter().filter(char::is_ascii_graphic).collect();
    text(random, &signs, 255)
}

/// Few have a slash in the type, which commands refuse.
fn document(random: &mut StdRng) -> Value {
    let without_slash: Vec<char> = SIGNS.into_iter().filter(|sign| *sign != '/').collect();
    let signs = if random.random_bool(0.1) { &SIGNS[..] } else { &without_slash };
    json!({"type": text(random, signs, 255), "id": text(random, &SIGNS, 255)})
}

/// A path of a query-service with parameters, encoded as any client would.
fn path(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://localhost").unwrap().join(path).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    format!("{}?{}", url.path(), url.query().unwrap())
}

/// Fails unless a list has the row, with each of these filters alone and with all of them together.
async fn assert_found(query: &Api, list: &str, member: &str, id: &Value, filters: &[(&str, &str)]) {
    for given in filters.chunks(1).chain([filters]) {
        let found = query.rows(&path(list, &[given, &[("limit", "200")]].concat())).await;
        assert!(found.iter().any(|row| row[member] == *id), "{list} {given:?}: no {id}");
    }
}

fn type_and_id(document: &Value) -> String {
    let part = |name: &str| document[name].as_str().unwrap();
    format!("{}/{}", part("type"), part("id"))
}

/// A movement of a new item, with everything that movements are filtered by.
async fn receive(stockbook: &Stockbook, random: &mut StdRng) -> bool {
    let (command, query) = (stockbook.command(), stockbook.query());
    let [sku, code] = [0; 2].map(|_| text(random, &NAME_SIGNS, 64));
    command.put(&format!("/v1/items/{sku}"), json!({"reorder_point": 1_000})).await;
    command.put(&format!("/v1/locations/{code}"), json!({})).await;
    let (reason, reference) = (text(random, &CODE_SIGNS, 64), document(random));
    let (actor, correlation) = (header(random), header(random));
    let body = json!({
        "lines": [{"sku": sku, "location": code, "quantity": 1}],
        "reason": reason, "reference": reference,
    });
    let headers = [("actor", &*actor), ("correlation-id", &*correlation)];
    let received = command.send_with("POST", "/v1/receipts", &headers, &body).await;
    if received.status != 200 {
        return false;
    }
    stockbook.read_at("/v1/projections", &received.position()).await;
    let answer = received.json();
    let recorded_at = moment(&answer["recorded_at"]);
    let after = recorded_at.to_utc() + chrono::TimeDelta::microseconds(1);
    let filters = [
        ("sku", &*sku),
        ("location", &code),
        ("type", "StockReceived"),
        ("reason", &reason),
        ("reference", &type_and_id(&reference)),
        ("actor", &actor),
        ("correlation_id", &correlation),
        ("from", &recorded_at.to_string()),
        ("to", &shared_events::time::Timestamp::new(after).to_string()),
    ];
    assert_found(&query, "/v1/movements", "event", &answer["events"][0]["id"], &filters).await;
    for length in BTreeSet::from([1, 2.min(sku.len()), sku.len()]) {
        let filters = [("sku_prefix", &sku[..length]), ("location", &code)];
        assert_found(&query, "/v1/stock", "sku", &json!(sku), &filters).await;
    }
    let filters = [("sku", &*sku), ("state", "raised")];
    assert_found(&query, "/v1/alerts", "location", &json!(code), &filters).await;
    let one = query.get(&format!("/v1/stock/{sku}/{code}")).await.expect_status(200);
    assert_eq!(one.json()["location"], code);
    true
}

/// A reservation in any status, with everything that reservations are filtered by.
async fn reserve(stockbook: &Stockbook, random: &mut StdRng) -> bool {
    let (command, query) = (stockbook.command(), stockbook.query());
    let owner = text(random, &SIGNS, 255);
    let reference = document(random);
    let mut body = reservation(&owner, 600, &[("A", 1)]);
    body["reference"] = reference.clone();
    let held = command.post("/v1/reservations", body).await;
    if held.status != 201 {
        return false;
    }
    let (id, mut last): (String, Answer) = (held.reservation_id(), held);
    let steps: [&[&str]; 5] =
        [&[], &["release"], &["confirm"], &["confirm", "cancel"], &["confirm", "fulfil"]];
    for step in *steps.choose(random).unwrap() {
        last = command.take(&id, step, json!({})).await;
    }
    stockbook.read_at("/v1/projections", &stockbook.heads().await).await;
    let status = last.json()["reservation"]["status"].clone();
    let filters = [
        ("owner", &*owner),
        ("reference", &type_and_id(&reference)),
        ("status", status.as_str().unwrap()),
    ];
    assert_found(&query, "/v1/reservations", "id", &json!(id), &filters).await;
    true
}

async fn what_a_command_accepts_is_found_by_every_filter_that_takes_it(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    stockbook.stock(&[("A", 1_000)]).await;
    let (seed, mut random) = seeded();
    println!("seed {seed}");
    let (mut received, mut reserved) = (0, 0);
    while received < COMMANDS {
        received += usize::from(receive(&stockbook, &mut random).await);
    }
    while reserved < COMMANDS {
        reserved += usize::from(reserve(&stockbook, &mut random).await);
    }
}
