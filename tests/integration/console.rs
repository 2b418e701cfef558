//! The console: its pages show what the API says, and its forms do what they say, once.

pub(crate) mod visitors;

use std::sync::Arc;

use integration_tests::{Answer, Api, Stockbook, World, eventually, hidden, stop};
use reqwest::Method;
use serde_json::{Value, json};
use stack::services::Service;

trials! {
    every_page_shows_what_there_is,
    an_item_at_a_moment_is_what_the_api_says_of_it,
    a_stream_shows_each_version_with_the_state_before_and_after,
    whatever_is_called_so_is_found,
    a_form_is_taken_once_and_only_from_a_page_of_the_console,
    a_problem_is_shown_at_the_field_that_it_names,
    a_window_is_reversed_after_its_effect_was_shown,
    services_that_are_away_are_a_page_that_says_so,
    changes_are_passed_on_as_they_happen,
}

/// What a browser says of a form on the console's own page.
pub(crate) const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");

/// A shop with two locations, and its console.
async fn shop(world: &Arc<World>) -> (Stockbook, Service, Api) {
    let (stockbook, command) = Stockbook::stocked(world, &[("A", 10), ("B", 5), ("C", 0)]).await;
    command.put("/v1/locations/SHOP", json!({"name": "The <shop>"})).await.expect_status(201);
    let console = stockbook.console(&[]).await;
    let pages = Api::new(&console.url());
    (stockbook, console, pages)
}

/// Sends a form as a browser does.
pub(crate) async fn send(
    pages: &Api,
    path: &str,
    fields: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Answer {
    let url = reqwest::Url::parse_with_params("http://localhost/", fields).expect("fields");
    let body = url.query().unwrap_or_default().as_bytes().to_vec();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let headers = [&form[..], headers].concat();
    pages.try_send(Method::POST, path, &headers, Some(body)).await.expect("the console answers")
}

#[track_caller]
pub(crate) fn assert_shows(page: &Answer, texts: &[&str]) {
    for text in texts {
        assert!(page.body.contains(text), "{}: no {text} in {}", page.asked, page.body);
    }
}

/// A figure as pages write it.
fn figure(value: &Value) -> String {
    format!("<data value=\"{value}\">")
}

async fn every_page_shows_what_there_is(world: Arc<World>) {
    let (mut stockbook, mut console, pages) = shop(&world).await;
    let command = stockbook.command();
    let held = command.reserve("cart-7", 600, &[("A", 2)]).await.json();
    let wait = json!({"owner": "cart-8", "policy": "wait", "wait_seconds": 600, "ttl_seconds": 600,
        "lines": [{"sku": "C", "location": "MAIN", "quantity": 1}]});
    command.post("/v1/reservations", wait).await.expect_status(201);
    let lines = json!([{"sku": "A", "from": "MAIN", "to": "SHOP", "quantity": 3}]);
    let sent =
        command.post("/v1/transfers", json!({"lines": lines})).await.expect_status(201).json();
    let order = json!({"owner": "customer-1", "payment": {}, "deadline_seconds": 600,
        "lines": [{"sku": "B", "location": "MAIN", "quantity": 1}]});
    let order = command.post("/v1/orders", order).await.expect_status(202).json();
    command.put("/v1/items/B", json!({"reorder_point": 9, "name": "Bread & butter"})).await;
    for view in
        ["/v1/items", "/v1/alerts", "/v1/orders", "/v1/flow/A?from=2026-01-01&to=2026-01-02"]
    {
        stockbook.read_at(view, &stockbook.heads().await).await;
    }
    let id = |of: &Value, kind: &str| of[kind]["id"].as_str().expect("an id").to_owned();
    let (held, sent, order) =
        (id(&held, "reservation"), id(&sent, "transfer"), id(&order, "order"));
    for (path, texts) in [
        ("/", &["stocks sold out", "stopped lanes", "StockDispatched"][..]),
        ("/items", &["/items/A", "/items/C", "Bread &#38; butter"]),
        ("/items?location=MAIN", &["/items/A", "The &#60;shop&#62;"]),
        ("/items?state=out", &["/items/C"]),
        ("/items?state=low", &["/items/B"]),
        ("/items/A", &["StockReceived", &held, &sent, "<svg", "data-positions"]),
        ("/items/A/flow", &["Before the first day", &figure(&json!(7))]),
        ("/items/C", &["cart-8"]),
        ("/waitlist", &["cart-8"]),
        ("/transfers", &[&sent, "in transit"]),
        (&format!("/transfers/{sent}"), &["/items/A", "in transit"]),
        ("/orders", &[&order, "customer-1"]),
        (&format!("/orders/{order}"), &["reserve", "customer-1"]),
        ("/reservations", &[&held, "cart-7"]),
        (&format!("/reservations/{held}"), &["cart-7", "/items/A"]),
        ("/alerts", &["/items/B"]),
        ("/pipeline", &["stock v1", "Lane 3", "Up to date"]),
        ("/pipeline/0", &["Lane 0"]),
        ("/problems?sku=A", &["No lane is stopped", "as the log says"]),
        ("/operations", &["Show what would happen", "daily_flow"]),
        ("/record/receive", &["The &#60;shop&#62;", "name=\"quantity\""]),
    ] {
        let page = pages.get(path).await.expect_status(200);
        assert_shows(&page, texts);
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let inline = ["<style", "style=", "onclick", "javascript:", "<script>"];
        assert_eq!(page.header("set-cookie"), None, "nobody signs in here");
        assert!(!inline.iter().any(|text| page.body.contains(text)), "{}: inline code", page.asked);
    }
    for (path, status) in
        [("/items/NONE", 404), ("/nowhere", 404), ("/items/%2E%2E%2Fmetrics", 404)]
    {
        pages.get(path).await.expect_status(status);
    }
    stop(&mut console).await;
    stop(&mut stockbook.queries[0]).await;
}

async fn an_item_at_a_moment_is_what_the_api_says_of_it(world: Arc<World>) {
    let (stockbook, _console, pages) = shop(&world).await;
    let command = stockbook.command();
    for quantity in [1, 2, 3] {
        let lines = json!([{"sku": "A", "location": "MAIN", "quantity": quantity}]);
        command.done("/v1/issues", json!({"lines": lines})).await;
    }
    stockbook.read_at("/v1/stock/A", &stockbook.heads().await).await;
    let moves = stockbook.query().rows("/v1/movements?sku=A").await;
    assert_eq!(moves.len(), 4);
    for step in &moves {
        let recorded_at = step["recorded_at"].as_str().expect("a moment");
        let position = step["position"].as_str().expect("a position");
        let path = format!("/v1/stock/A/MAIN?at_position={position}");
        let then = stockbook.query().json(&path).await;
        for at in [position, recorded_at] {
            let page = pages.get(&format!("/items/A?at={at}")).await.expect_status(200);
            let shown = page.body.split_once("id=\"then\"").expect("the item then").1;
            let shown = shown.split("</table>").next().expect("its figures");
            let figures = figure(&then["on_hand"]);
            assert!(shown.contains(&figures), "{at}: no {figures} in {shown}");
        }
    }
    let early = pages.get("/items/A?at=2000-01-01").await.expect_status(200);
    assert_shows(&early, &["nothing was known of the item then"]);
    let late = json!({"occurred_at": "2026-01-05T05:00:00Z", "reason": "found",
        "lines": [{"sku": "A", "location": "MAIN", "quantity": 7}]});
    let late = command.done("/v1/receipts", late).await.json();
    stockbook.read_at("/v1/stock/A", &stockbook.heads().await).await;
    let shown = pages.get("/items/A?at=2026-01-06").await.expect_status(200);
    let listed = shown.body.split_once("id=\"movements\"").expect("the movements").1;
    let events = |text: &str| text.matches("href=\"/events/").count();
    let event = late["events"][0]["id"].as_str().expect("an event");
    assert!(listed.contains(event) && events(listed) == 1, "only what had happened: {listed}");
    let neither = pages.get("/items/A?at=soon").await.expect_status(200);
    assert_shows(&neither, &["Write a moment such as"]);
}

async fn a_stream_shows_each_version_with_the_state_before_and_after(world: Arc<World>) {
    let (stockbook, _console, pages) = shop(&world).await;
    let lines = json!([{"sku": "A", "location": "MAIN", "quantity": 4}]);
    let issued = stockbook.command().done("/v1/issues", json!({"lines": lines})).await.json();
    let id = issued["events"][0]["id"].as_str().expect("an event");
    let page = pages.get(&format!("/events/{id}")).await.expect_status(200);
    let event = stockbook.command().json(&format!("/v1/events/{id}")).await;
    let chain = event["chain"].as_str().expect("a chain");
    assert_shows(&page, &["StockIssued", "Version 2 of 2", chain, "<td><code>10</code></td>"]);
    assert_shows(&page, &["<td class=\"strong\"><code>6</code></td>"]);
    let first = pages.get("/streams/stock/A/MAIN?version=1").await.expect_status(200);
    assert_shows(&first, &["StockReceived", "Version 1 of 2"]);
}

async fn whatever_is_called_so_is_found(world: Arc<World>) {
    let (stockbook, _console, pages) = shop(&world).await;
    let command = stockbook.command();
    let held = command.reserve("cart-7", 600, &[("A", 2)]).await.json();
    let lines = json!({"lines": [{"sku": "A", "location": "MAIN", "quantity": 1}]});
    command.send_with("POST", "/v1/issues", &[("actor", "the-actor")], &lines).await;
    stockbook.read_at("/v1/reservations", &stockbook.heads().await).await;
    let text = |member: &Value| member.as_str().expect("a text").to_owned();
    let position = text(&held["position"]);
    for (name, shows) in [
        ("A".to_owned(), "/streams/item/A"),
        (text(&held["reservation"]["id"]), "cart-7"),
        (position.replace(':', "-"), "StockReserved"),
        (position, "StockReserved"),
        (text(&held["correlation_id"]), "ReservationHeld"),
        ("stock/A/MAIN".to_owned(), "StockReserved"),
        ("cart-7".to_owned(), "Reservations of this owner"),
        ("the-actor".to_owned(), "Movements by this actor"),
        ("nothing".to_owned(), "Nothing is called so"),
    ] {
        let page = pages.get(&format!("/find?q={name}")).await.expect_status(200);
        assert_shows(&page, &[shows]);
    }
    // What somebody did leads to the form that undoes it.
    let done = pages.get("/movements?actor=the-actor").await.expect_status(200);
    assert_shows(&done, &["StockIssued"]);
    let undo = done.body.split_once("href=\"/operations?").expect("a link").1;
    let undo = undo.split('"').next().expect("its end").replace("&#38;", "&");
    let form = pages.get(&format!("/operations?{undo}")).await.expect_status(200);
    assert_shows(&form, &["name=\"actor\" value=\"the-actor\""]);
}

async fn a_form_is_taken_once_and_only_from_a_page_of_the_console(world: Arc<World>) {
    let (stockbook, _console, pages) = shop(&world).await;
    let form = pages.get("/record/receive?sku=A").await.expect_status(200);
    let key = hidden(&form, "key");
    let fields = [
        ("key", key.as_str()),
        ("sku", "A"),
        ("location", "SHOP"),
        ("quantity", "7"),
        ("reason", ""),
    ];
    let before = stockbook.recorded().await;
    for foreign in
        [&[][..], &[("sec-fetch-site", "cross-site")], &[("origin", "http://evil.example")]]
    {
        send(&pages, "/record/receive", &fields, foreign).await.expect_status(403);
    }
    assert_eq!(stockbook.recorded().await, before, "nothing came from elsewhere");
    for _ in 0..2 {
        let done = send(&pages, "/record/receive", &fields, &[OWN]).await.expect_status(200);
        assert_shows(&done, &["Recorded at position", "SHOP", &figure(&json!(7))]);
    }
    assert_eq!(stockbook.recorded().await, before + 1, "sent twice, done once");
}

async fn a_problem_is_shown_at_the_field_that_it_names(world: Arc<World>) {
    let (stockbook, _console, pages) = shop(&world).await;
    let before = stockbook.recorded().await;
    for (kind, fields, status, field) in [
        ("issue", &[("sku", "A"), ("location", "MAIN"), ("quantity", "99")][..], 409, "quantity"),
        ("receive", &[("sku", "NONE"), ("location", "MAIN"), ("quantity", "1")], 404, "sku"),
        ("receive", &[("sku", "A"), ("location", "MAIN"), ("quantity", "many")], 422, "quantity"),
        ("receive", &[("sku", "A"), ("location", "MAIN"), ("quantity", "-1")], 422, "quantity"),
        ("move", &[("sku", "A"), ("from", "MAIN"), ("to", "NONE"), ("quantity", "1")], 404, "to"),
        (
            "count",
            &[("sku", "A"), ("location", "MAIN"), ("quantity", "9"), ("expected_quantity", "8")],
            409,
            "expected_quantity",
        ),
    ] {
        let path = format!("/record/{kind}");
        let page = send(&pages, &path, fields, &[OWN]).await.expect_status(status);
        assert_shows(&page, &[&format!("id=\"{field}-fault\""), "Nothing was recorded"]);
    }
    assert_eq!(stockbook.recorded().await, before);
}

async fn a_window_is_reversed_after_its_effect_was_shown(world: Arc<World>) {
    let (stockbook, _console, pages) = shop(&world).await;
    let command = stockbook.command();
    for (sku, quantity) in [("A", 100), ("B", 50)] {
        let lines = json!([{"sku": sku, "location": "MAIN", "quantity": quantity}]);
        command.done("/v1/receipts", json!({"lines": lines, "reason": "wrong_import"})).await;
    }
    let moved = json!([{"sku": "B", "from": "MAIN", "to": "SHOP", "quantity": 20}]);
    command.done("/v1/moves", json!({"lines": moved})).await;
    stockbook.read_at("/v1/stock/A", &stockbook.heads().await).await;
    let first = stockbook.query().rows("/v1/movements?reason=wrong_import").await;
    let from = first[1]["recorded_at"].as_str().expect("a moment").to_owned();
    let window = [("from", from.as_str()), ("to", "2999-01-01"), ("reason", "wrong_import")];
    let before = stockbook.recorded().await;
    let shown = send(&pages, "/operations/reverse", &window, &[OWN]).await.expect_status(200);
    for (now, then) in [(110, 10), (35, 5), (20, 0)] {
        assert_shows(&shown, &[&figure(&json!(now)), &figure(&json!(then))]);
    }
    for step in &first {
        let event = step["event"].as_str().expect("an event");
        assert_shows(&shown, &[&format!("/events/{event}")]);
    }
    assert_eq!(stockbook.recorded().await, before, "it was only shown");
    let key = hidden(&shown, "key");
    let confirmed = [&window[..], &[("key", &key), ("confirmed", "yes")]].concat();
    for _ in 0..2 {
        send(&pages, "/operations/reverse", &confirmed, &[OWN]).await.expect_status(200);
    }
    let on_hand = async || {
        let mut found = Vec::new();
        for stock in ["A/MAIN", "B/MAIN", "B/SHOP"] {
            let state = command.state(&format!("stock/{stock}")).await;
            found.push(state["on_hand"].as_i64().expect("a number"));
        }
        found
    };
    eventually("the window is reversed", on_hand, |found| *found == [10, 5, 0]).await;
    let nothing = send(&pages, "/operations/reverse", &window, &[OWN]).await.expect_status(200);
    assert_shows(&nothing, &["There is nothing to reverse"]);
    let wrong = [("from", "2026-01-02"), ("to", "2026-01-01")];
    let refused = send(&pages, "/operations/reverse", &wrong, &[OWN]).await.expect_status(422);
    assert_shows(&refused, &["id=\"to-fault\""]);
}

async fn services_that_are_away_are_a_page_that_says_so(world: Arc<World>) {
    let (mut stockbook, _console, pages) = shop(&world).await;
    stop(&mut stockbook.queries[0]).await;
    for path in ["/", "/items", "/items/A", "/orders"] {
        let page = pages.get(path).await.expect_status(503);
        assert_shows(&page, &["A service does not answer", "query-service"]);
    }
    pages.get("/readyz").await.expect_status(503);
    pages.get("/livez").await.expect_status(200);
    pages.get("/streams/stock/A/MAIN").await.expect_status(200);
}

async fn changes_are_passed_on_as_they_happen(world: Arc<World>) {
    let (mut stockbook, mut console, pages) = shop(&world).await;
    let heads = stockbook.heads().await;
    let url = format!("{}/live?after={heads}", console.url());
    let http = console.access().client().expect("a client").build().expect("a client");
    let mut changes = http.get(url).send().await.expect("the console answers");
    assert_eq!(changes.headers()["content-type"], "text/event-stream");
    stockbook.receive(&[("A", 3)]).await;
    let mut seen = String::new();
    while !seen.contains("StockReceived") {
        let chunk = changes.chunk().await.expect("the stream goes on").expect("it does not end");
        seen.push_str(&String::from_utf8_lossy(&chunk));
    }
    let page = pages.get("/items/A").await.expect_status(200);
    assert_shows(&page, &["data-live-after", &figure(&json!(13))]);
    // A page that follows changes does not keep the console from stopping.
    stop(&mut console).await;
    stop(&mut stockbook.queries[0]).await;
}
