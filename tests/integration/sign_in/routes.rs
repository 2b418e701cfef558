//! Every route of both services, as OpenAPI lists them, asked by those who may not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use integration_tests::issuer::AUDIENCE;
use integration_tests::{Api, Issuer, Stockbook, World, eventually, line_at, reservation};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ALL, expect_forbidden, known, refused_after, register, send, signed_in};

trials! {
    every_route_refuses_those_without_a_valid_credential_or_its_scope,
    no_route_changes_or_shows_anything_of_other_locations,
}

/// A route, and the scopes of which one is needed.
struct Route {
    method: Method,
    path: String,
    scopes: Vec<String>,
}

async fn routes(api: &Api) -> Vec<Route> {
    let openapi = api.json("/openapi.json").await;
    let mut routes = Vec::new();
    for (path, operations) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            let scopes = security.iter().map(|one| one["bearer"][0].as_str().unwrap().to_owned());
            let method = method.to_uppercase().parse().unwrap();
            routes.push(Route { method, path: path.clone(), scopes: scopes.collect() });
        }
    }
    routes
}

/// A path that leads to the route.
fn filled(path: &str, id: &str) -> String {
    let path = path.replace("{sku}", "A").replace("{location}", "MAIN").replace("{code}", "MAIN");
    path.replace("{lane}", "0")
        .replace("{stream}", "stock/A/MAIN")
        .replace("{id}", id)
        .replace("{subject}", "c-81")
        .replace("{name}", "stock")
}

async fn every_route_refuses_those_without_a_valid_credential_or_its_scope(world: Arc<World>) {
    let issuer = Issuer::start().await;
    let trusted = [("AUTH_ISSUER", issuer.url.as_str()), ("AUTH_AUDIENCE", AUDIENCE)];
    let (stockbook, admin) = signed_in(&world, &trusted, &trusted).await;
    let scopes: BTreeSet<&str> = ALL.split(',').collect();
    let revoked = stockbook.api_key(&["--name", "gone", "--scope", ALL]).await;
    stockbook.keys(&["revoke", revoked.split('_').nth(1).unwrap()]).await.unwrap();
    let forged = format!("{}{}", &admin[..17], &revoked[17..]);
    let claims = issuer.claims("anybody", &ALL.replace(',', " "));
    let with = |member: &str, value: Value| {
        let mut claims = claims.clone();
        claims[member] = value;
        claims
    };
    let expired = issuer.token(&with("exp", json!(chrono::Utc::now().timestamp() - 60)));
    let elsewhere = issuer.token(&with("aud", json!("another")));
    let (unsigned, public) = (issuer.unsigned(&claims), issuer.of_public_key(&claims));
    let invalid = [&revoked, &forged, &expired, &elsewhere, &unsigned, &public];
    let token = |scopes: &[&str]| issuer.token(&issuer.claims("somebody", &scopes.join(" ")));
    let mut count = 0;
    let everywhere = [stockbook.command(), stockbook.query()];
    refused_after(&everywhere.clone().map(|api| api.signed_in(&revoked)), Instant::now()).await;
    for api in everywhere {
        let admin = api.signed_in(&admin);
        known(&admin).await;
        for Route { method, path, scopes: needed } in routes(&admin).await {
            count += 1;
            let path = filled(&path, "x");
            let shown = format!("{method} {path}");
            let nobody = send(&api, &method, &path, &json!({})).await;
            assert_eq!(nobody.header("www-authenticate"), Some("Bearer"), "{shown}");
            nobody.expect_problem(401, "unauthenticated");
            for credential in invalid {
                let refused = send(&api.signed_in(credential), &method, &path, &json!({})).await;
                assert_eq!(refused.status, 401, "{shown} with {credential}: {refused:?}");
                refused.expect_problem(401, "unauthenticated");
            }
            let others: Vec<&str> = scopes
                .iter()
                .copied()
                .filter(|one| needed.iter().all(|need| need != one))
                .collect();
            let refused = send(&api.signed_in(&token(&others)), &method, &path, &json!({})).await;
            let problem = refused.expect_problem(403, "forbidden");
            assert!(
                needed.iter().any(|one| problem["scope"] == one.as_str()),
                "{shown}: {problem}"
            );
            for need in &needed {
                let only = api.signed_in(&token(&[need.as_str()]));
                let answered = send(&only, &method, &path, &json!({})).await;
                assert!(!matches!(answered.status, 401 | 403), "{shown} with {need}: {answered:?}");
            }
        }
        for open in ["/livez", "/readyz", "/problems/forbidden"] {
            api.get(open).await.expect_status(200);
        }
        for closed in ["/metrics", "/openapi.json", "/docs/", "/nowhere", "/v1/nowhere"] {
            api.get(closed).await.expect_problem(401, "unauthenticated");
        }
        let only = api.signed_in(&token(&["stock:read"]));
        expect_forbidden(only.get("/metrics").await, "scope", "operate");
        only.get("/v1/nowhere").await.expect_problem(404, "not_found");
    }
    println!("{count} routes");
    assert!(count > 50, "{count}");
}

/// What a credential for EAST is answered.
enum Answered {
    /// It concerns all locations.
    Everywhere,
    /// It names MAIN, or something that is at MAIN.
    AtMain(Value),
    /// Nothing of MAIN is in it.
    OnlyOwn(Value),
    /// It has no location.
    Whole,
}

/// The things at MAIN that a route can name.
struct Ids {
    reservation: String,
    transfer: String,
    order: String,
    event: String,
}

/// What is to be answered, and where to ask. A new route has to be added here.
fn answered(method: &Method, path: &str, ids: &Ids) -> (String, Answered) {
    let id = match path.split('/').nth(2) {
        Some("reservations") => &ids.reservation,
        Some("transfers") => &ids.transfer,
        Some("orders") => &ids.order,
        Some("events") => &ids.event,
        _ => "x",
    };
    let asked = filled(path, id);
    let found = match method.as_str() {
        "GET" => of_question(path, ids),
        _ => of_command(method, path, ids).map(|answered| (String::new(), answered)),
    };
    let (query, answered) = found.unwrap_or_else(|| {
        panic!("{method} {path} is a new route: say here what a limited credential gets")
    });
    (asked + &query, answered)
}

fn of_command(method: &Method, path: &str, ids: &Ids) -> Option<Answered> {
    use Answered::{AtMain, Everywhere, Whole};
    let lines = || json!({"lines": [line_at("EAST", "A", 1), line_at("MAIN", "A", 1)]});
    let lines_with = |members: Value| {
        let mut body = lines();
        body.as_object_mut().unwrap().append(&mut members.as_object().unwrap().clone());
        body
    };
    let part = json!({"lines": [{"line": 1, "quantity": 1}]});
    let moved = json!({"lines": [{"sku": "A", "from": "EAST", "to": "MAIN", "quantity": 1}]});
    Some(match (method.as_str(), path) {
        ("PUT", "/v1/items/{sku}") | ("POST", "/v1/items/{sku}/reinstate") => Whole,
        ("POST", "/v1/items/{sku}/retire")
        | ("DELETE", "/v1/subjects/{subject}")
        | ("POST", "/v1/redactions")
        | ("POST", "/v1/projections/{name}/skip" | "/v1/projections/{name}/rebuild") => Everywhere,
        ("PUT", "/v1/locations/{code}") => AtMain(json!({})),
        ("POST", "/v1/receipts" | "/v1/issues") => AtMain(lines()),
        ("POST", "/v1/moves" | "/v1/transfers") => AtMain(moved),
        ("POST", "/v1/adjustments") => AtMain(json!({
            "lines": [{"sku": "A", "location": "MAIN", "delta": 1}], "reason": "found",
        })),
        ("PUT", "/v1/stock/{sku}/{location}") => {
            AtMain(json!({"quantity": 1, "expected_quantity": null}))
        }
        ("POST", "/v1/reservations") => {
            AtMain(lines_with(json!({"owner": "o", "ttl_seconds": 60})))
        }
        ("PATCH", "/v1/reservations/{id}") => AtMain(json!({"priority": 1})),
        ("POST", "/v1/reservations/{id}/extend") => AtMain(json!({"ttl_seconds": 60})),
        ("POST", "/v1/reservations/{id}/return" | "/v1/transfers/{id}/receive") => AtMain(part),
        (
            "POST",
            "/v1/reservations/{id}/confirm"
            | "/v1/reservations/{id}/release"
            | "/v1/reservations/{id}/cancel"
            | "/v1/reservations/{id}/fulfil"
            | "/v1/transfers/{id}/return"
            | "/v1/orders/{id}/cancel"
            | "/v1/orders/{id}/resume",
        ) => AtMain(json!({})),
        ("POST", "/v1/transfers/{id}/close") => AtMain(json!({"reason": "lost"})),
        ("POST", "/v1/orders") => {
            AtMain(lines_with(json!({"owner": "o", "payment": {}, "deadline_seconds": 60})))
        }
        ("POST", "/v1/reversals") => AtMain(json!({"event": ids.event})),
        ("POST", "/v1/batches") => {
            let receive = lines_with(json!({"type": "receive_stock"}));
            AtMain(json!({"mode": "independent", "commands": [receive]}))
        }
        ("POST", "/v1/availability") => {
            AtMain(json!({"pairs": [{"sku": "A", "location": "MAIN"}]}))
        }
        _ => return None,
    })
}

/// With the query to ask with.
fn of_question(path: &str, ids: &Ids) -> Option<(String, Answered)> {
    use Answered::{AtMain, Everywhere, OnlyOwn, Whole};
    let answered = match path {
        "/v1/lanes"
        | "/v1/lanes/{lane}/events"
        | "/v1/events"
        | "/v1/relay"
        | "/v1/reversals/{id}"
        | "/v1/keys"
        | "/v1/audit"
        | "/v1/overview"
        | "/v1/projections"
        | "/v1/integrity"
        | "/v1/events/{id}/personal"
        | "/v1/subjects/{subject}"
        | "/v1/subjects/{subject}/events"
        | "/v1/integrity/{sku}" => Everywhere,
        "/v1/flow/{sku}" => {
            return Some(("?from=2026-01-01&to=2026-01-02".to_owned(), Everywhere));
        }
        "/v1/events/{id}"
        | "/v1/streams/{stream}/events"
        | "/v1/streams/{stream}/state"
        | "/v1/stock/{sku}/{location}"
        | "/v1/explain/{sku}/{location}"
        | "/v1/reservations/{id}"
        | "/v1/transfers/{id}"
        | "/v1/orders/{id}" => AtMain(json!({})),
        "/v1/items" | "/v1/items/{sku}" => Whole,
        "/v1/stock" | "/v1/stock/{sku}" | "/v1/movements" | "/v1/locations"
        | "/v1/reservations" | "/v1/waitlist" => OnlyOwn(json!("EAST")),
        "/v1/changes" => OnlyOwn(json!("stock/A/EAST")),
        "/v1/transfers" | "/v1/orders" | "/v1/alerts" => OnlyOwn(Value::Null),
        "/v1/diff" => {
            let (lane, to) = ids.event.split_once('-').unwrap();
            let query = format!("?sku=A&from_position={lane}:0&to_position={lane}:{to}");
            return Some((query, OnlyOwn(Value::Null)));
        }
        _ => return None,
    };
    Some((String::new(), answered))
}

/// Something of everything at MAIN, in quantities that no other figure has, and a little at EAST.
async fn fill(command: &Api) -> (Ids, String) {
    register(command).await;
    let at = |location: &str, quantity: i64| json!({"lines": [line_at(location, "A", quantity)]});
    let received = command.done("/v1/receipts", at("MAIN", 77_771)).await.json();
    command.done("/v1/receipts", at("EAST", 9)).await;
    command.put("/v1/items/B", json!({})).await.expect_status(201);
    let reserve = async |location: &str, quantity: i64, policy: &str| {
        // Nothing is there of B, so who wants it waits.
        let sku = if policy == "wait" { "B" } else { "A" };
        let mut body = reservation("o", 600, &[(sku, quantity)]);
        body["lines"][0]["location"] = json!(location);
        body["policy"] = json!(policy);
        if policy == "wait" {
            body["wait_seconds"] = json!(600);
        }
        let made = command.post("/v1/reservations", body).await.expect_status(201).json();
        made["reservation"]["id"].as_str().unwrap().to_owned()
    };
    let reservation = reserve("MAIN", 77, "all").await;
    reserve("EAST", 4, "all").await;
    let moved = json!({"lines": [{"sku": "A", "from": "EAST", "to": "MAIN", "quantity": 1}]});
    let transfer = command.post("/v1/transfers", moved).await.expect_status(201).json();
    let order = json!({
        "owner": "o", "payment": {}, "deadline_seconds": 600,
        "lines": [line_at("MAIN", "A", 778)],
    });
    let order = command.post("/v1/orders", order).await.expect_status(202).json();
    reserve("MAIN", 77_770, "wait").await;
    reserve("EAST", 5, "wait").await;
    let last = command.done("/v1/receipts", at("EAST", 1)).await;
    let position = last.header("stock-position").unwrap().to_owned();
    let ids = Ids {
        reservation,
        transfer: transfer["transfer"]["id"].as_str().unwrap().to_owned(),
        order: order["order"]["id"].as_str().unwrap().to_owned(),
        event: received["events"][0]["id"].as_str().unwrap().to_owned(),
    };
    (ids, position)
}

async fn no_route_changes_or_shows_anything_of_other_locations(world: Arc<World>) {
    let (stockbook, admin) = signed_in(&world, &[], &[]).await;
    let command = stockbook.command().signed_in(&admin);
    known(&command).await;
    let (ids, position) = fill(&command).await;
    let near = stockbook.api_key(&["--name", "near", "--scope", ALL, "--location", "EAST"]).await;
    let heads = async || {
        let lanes = command.json("/v1/lanes").await;
        lanes["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lane| lane["position"].as_i64().unwrap())
            .sum::<i64>()
    };
    settled(&stockbook, &admin, &ids, &position).await;
    let before = heads().await;
    for api in [stockbook.command(), stockbook.query()] {
        let (admin, near) = (api.signed_in(&admin), api.signed_in(&near));
        super::known_but_limited_to_some(&near).await;
        for Route { method, path, .. } in routes(&admin).await {
            let shown = format!("{method} {path}");
            let (asked, expected) = answered(&method, &path, &ids);
            match expected {
                Answered::Everywhere => {
                    let answer = send(&near, &method, &asked, &json!({})).await;
                    expect_forbidden(answer, "location", "*");
                }
                Answered::AtMain(body) => {
                    let answer = send(&near, &method, &asked, &body).await;
                    assert_eq!(answer.status, 403, "{shown}: {answer:?}");
                    expect_forbidden(answer, "location", "MAIN");
                }
                Answered::OnlyOwn(own) => {
                    let all = send(&admin, &method, &asked, &json!({})).await.expect_status(200);
                    let answer = send(&near, &method, &asked, &json!({})).await.expect_status(200);
                    let figures = ["77771", "77770", "77694", "778"];
                    let numbers =
                        figures.map(|figure| [format!(":{figure},"), format!(":{figure}}}")]);
                    for mark in numbers.iter().flatten().map(String::as_str).chain(["MAIN"]) {
                        assert!(!answer.body.contains(mark), "{shown} shows {mark}: {answer:?}");
                    }
                    let own = own.as_str();
                    assert!(own.is_none_or(|own| answer.body.contains(own)), "{shown}: {answer:?}");
                    let is_there = path == "/v1/alerts" || all.body.contains("MAIN");
                    assert!(is_there, "{shown} has something to hide: {all:?}");
                }
                Answered::Whole => {
                    let answer = send(&near, &method, &asked, &json!({})).await;
                    assert!(answer.status < 300, "{shown}: {answer:?}");
                }
            }
        }
    }
    assert_eq!(heads().await, before, "something was recorded");
    let near = stockbook.query().signed_in(&near);
    let pairs = json!({"pairs": [{"sku": "A"}, {"sku": "NONE"}]});
    let available = near.post("/v1/availability", pairs).await.expect_status(200).json();
    let items = &available["items"];
    assert_eq!((&items[0]["on_hand"], &items[1]["error"]), (&json!(9), &json!("unknown_sku")));
    let totals = near.json("/v1/stock/A").await;
    assert_eq!((&totals["on_hand"], &totals["reserved"]), (&json!(9), &json!(4)), "{totals}");
}

/// Waits until the order has taken its step and the views have all of it.
async fn settled(stockbook: &Stockbook, admin: &str, ids: &Ids, position: &str) {
    let query = stockbook.query().signed_in(admin);
    let read = async || {
        let order = query.get(&format!("/v1/orders/{}", ids.order)).await;
        let order =
            if order.status == 200 { order.json()["status"].to_string() } else { order.body };
        let stock = query.get(&format!("/v1/stock/A?min_position={position}")).await.status;
        (order, stock)
    };
    let done = |(order, stock): &(String, u16)| order.contains("awaiting_payment") && *stock == 200;
    eventually("the order waits for its payment", read, done).await;
}
