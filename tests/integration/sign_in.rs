//! Who asks, and whether they may.

pub(crate) mod caller;
pub(crate) mod routes;
pub(crate) mod tls;
pub(crate) mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use integration_tests::{
    Answer, Api, DEADLINE, Stockbook, World, eventually, line_at, lines_at_main, reservation,
    start_again,
};
use reqwest::Method;
use serde_json::{Value, json};
use stack::services::Service;

trials! {
    what_is_done_is_done_in_the_name_of_the_credential,
    the_keys_of_two_credentials_never_meet,
    a_batch_needs_the_scope_of_each_of_its_commands,
    a_key_is_revoked_everywhere_within_a_second,
    keys_do_not_count_after_nobody_has_said_for_long_which_are_valid,
    a_credential_sends_no_more_requests_than_it_may,
    refusals_are_listed_and_no_secret_is_logged,
    beyond_loopback_a_service_starts_only_if_that_was_said,
}

/// All scopes.
pub(crate) const ALL: &str = "stock:read,stock:write,reservations:write,orders:write,transfers:write,\
    catalogue:write,reversals:write,log:read,personal:read,subjects:forget,act_as,operate";

/// A Stockbook whose callers sign in, and a key that may do everything.
pub(crate) async fn signed_in(
    world: &Arc<World>,
    command: &[(&'static str, &str)],
    query: &[(&'static str, &str)],
) -> (Stockbook, String) {
    signed_in_to(Stockbook::prepare(world, 4).await, command, query).await
}

/// The same of a Stockbook without services.
pub(crate) async fn signed_in_to(
    mut stockbook: Stockbook,
    command: &[(&'static str, &str)],
    query: &[(&'static str, &str)],
) -> (Stockbook, String) {
    let admin = stockbook.api_key(&["--name", "admin", "--scope", ALL]).await;
    let scopes = ["--name", "query-service", "--scope", "log:read", "operate"];
    let reader = stockbook.api_key(&scopes).await;
    stockbook.add_command_service(&[&[("AUTH", "on")], command].concat()).await;
    let settings = [&[("AUTH", "on"), ("COMMAND_KEY", reader.as_str())], query].concat();
    stockbook.add_query_service(&settings).await;
    (stockbook, admin)
}

/// Waits until a service knows a key.
pub(crate) async fn known(api: &Api) {
    let asked = async || api.get("/v1/audit").await.status;
    eventually("the service knows the key", asked, |status| *status == 200).await;
}

/// Both services, asked with a key.
pub(crate) async fn asked_with(stockbook: &Stockbook, key: &str) -> (Api, Api) {
    (stockbook.command().signed_in(key), stockbook.query().signed_in(key))
}

/// Registers item A and locations MAIN and EAST.
pub(crate) async fn register(command: &Api) {
    for path in ["/v1/locations/MAIN", "/v1/locations/EAST", "/v1/items/A"] {
        command.put(path, json!({})).await.expect_status(201);
    }
}

#[track_caller]
fn expect_forbidden(answer: Answer, member: &str, value: &str) {
    let problem = answer.expect_problem(403, "forbidden");
    assert_eq!(problem[member], value, "{problem}");
}

async fn what_is_done_is_done_in_the_name_of_the_credential(world: Arc<World>) {
    let (stockbook, admin) = signed_in(&world, &[], &[]).await;
    let (command, _) = asked_with(&stockbook, &admin).await;
    known(&command).await;
    register(&command).await;
    let shop = stockbook.api_key(&["--name", "shop", "--scope", "stock:write"]).await;
    let shop = stockbook.command().signed_in(&shop);
    let receipt = lines_at_main(&[("A", 5)]);
    let received = async || shop.post("/v1/receipts", receipt.clone()).await.status;
    eventually("the shop's key is known", received, |status| *status == 200).await;
    let boss = [("actor", "boss")];
    let refused = shop.send_with("POST", "/v1/receipts", &boss, &receipt).await;
    expect_forbidden(refused, "scope", "act_as");
    let acted = command.send_with("POST", "/v1/receipts", &boss, &receipt).await;
    acted.expect_status(200);
    let events = command.stream("stock/A/MAIN").await;
    let actors: Vec<_> =
        events.iter().map(|event| event.actor.as_ref().unwrap().as_str()).collect();
    assert_eq!(actors, ["shop", "boss"]);
    let valid = shop.post("/v1/receipts?validate_only=true", receipt).await;
    valid.expect_status(200);
    let validated = shop.post("/v1/reservations?validate_only=true", json!({})).await;
    expect_forbidden(validated, "scope", "reservations:write");
}

async fn the_keys_of_two_credentials_never_meet(world: Arc<World>) {
    let (stockbook, admin) = signed_in(&world, &[], &[]).await;
    let (command, _) = asked_with(&stockbook, &admin).await;
    known(&command).await;
    register(&command).await;
    let mut shops = Vec::new();
    for name in ["one", "two"] {
        let key = stockbook.api_key(&["--name", name, "--scope", "stock:write,log:read"]).await;
        shops.push(stockbook.command().signed_in(&key));
    }
    for shop in &shops {
        let asked = async || shop.get("/v1/streams/item/A/events").await.status;
        eventually("the key is known", asked, |status| *status == 200).await;
        let receipt = lines_at_main(&[("A", 5)]);
        let first = shop.keyed("/v1/receipts", "same", &receipt).await.expect_status(200);
        let again = shop.keyed("/v1/receipts", "same", &receipt).await.expect_status(200);
        assert_eq!(first.body, again.body);
    }
    let other = lines_at_main(&[("A", 6)]);
    shops[0]
        .keyed("/v1/receipts", "same", &other)
        .await
        .expect_problem(422, "idempotency_key_reused");
    assert_eq!(command.figures("A").await.on_hand, 10);
    assert_eq!(command.stream("stock/A/MAIN").await.len(), 2);
    stockbook.verify().await;
}

async fn a_batch_needs_the_scope_of_each_of_its_commands(world: Arc<World>) {
    let (stockbook, admin) = signed_in(&world, &[], &[]).await;
    let (command, _) = asked_with(&stockbook, &admin).await;
    known(&command).await;
    register(&command).await;
    let shop = stockbook.api_key(&["--name", "shop", "--scope", "stock:write,log:read"]).await;
    let shop = stockbook.command().signed_in(&shop);
    let asked = async || shop.get("/v1/streams/item/A/events").await.status;
    eventually("the key is known", asked, |status| *status == 200).await;
    let receive =
        |quantity: i64| json!({"type": "receive_stock", "lines": [line_at("MAIN", "A", quantity)]});
    let mut reserve = reservation("o", 60, &[("A", 1)]);
    reserve["type"] = json!("reserve_stock");
    for mode in ["atomic", "independent"] {
        let batch = json!({"mode": mode, "commands": [receive(1), reserve]});
        expect_forbidden(shop.post("/v1/batches", batch).await, "scope", "reservations:write");
    }
    let stream = command.get("/v1/streams/stock/A/MAIN/events").await;
    stream.expect_problem(404, "unknown_stream");
    let batch = json!({"mode": "atomic", "commands": [receive(1), receive(2)]});
    shop.done("/v1/batches", batch).await;
    let batch = json!({"mode": "atomic", "commands": [receive(1), reserve]});
    command.done("/v1/batches", batch).await;
}

/// How long until all services refuse what they accept now.
async fn refused_after(apis: &[Api], since: Instant) -> Duration {
    for api in apis {
        let asked = async || api.get("/v1/audit").await.status;
        eventually("the key is refused", asked, |status| *status == 401).await;
    }
    since.elapsed()
}

async fn a_key_is_revoked_everywhere_within_a_second(world: Arc<World>) {
    let (mut stockbook, admin) = signed_in(&world, &[], &[]).await;
    stockbook.add_command_service(&[("AUTH", "on")]).await;
    let everywhere = |stockbook: &Stockbook, key: &str| {
        let all = stockbook.instances().into_iter().chain(stockbook.readers());
        all.map(|api| api.signed_in(key)).collect::<Vec<_>>()
    };
    let key = stockbook.api_key(&["--name", "clerk", "--scope", "operate,log:read"]).await;
    for api in everywhere(&stockbook, &key) {
        known(&api).await;
    }
    let id = key.split('_').nth(1).unwrap();
    let listed = stockbook.keys(&["list"]).await.unwrap();
    let secret = key.rsplit('_').next().unwrap();
    assert!(
        listed.contains(id) && listed.contains("clerk") && !listed.contains(secret),
        "{listed}"
    );
    let query = stockbook.query().signed_in(&key);
    let stream = tokio::spawn(async move {
        query.get_with("/v1/changes", &[("accept", "text/event-stream")]).await.status
    });
    let since = Instant::now();
    stockbook.keys(&["revoke", id]).await.unwrap();
    let took = refused_after(&everywhere(&stockbook, &key), since).await;
    println!("a revoked key was refused everywhere {} ms after the command", took.as_millis());
    // The command itself and the questions take a part of it on a busy machine.
    assert!(took < Duration::from_secs(3), "{took:?}");
    let ended = tokio::time::timeout(DEADLINE, stream).await;
    assert_eq!(ended.expect("the open stream ends").unwrap(), 200);
    assert!(stockbook.keys(&["revoke", "none"]).await.is_err());
    let expires = chrono::Utc::now() + chrono::TimeDelta::seconds(4);
    let options = ["--name", "guest", "--scope", "operate", "--expires"];
    let text = expires.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let short = stockbook.api_key(&[&options[..], &[&text]].concat()).await;
    let apis = everywhere(&stockbook, &short);
    for api in &apis {
        known(api).await;
    }
    refused_after(&apis, Instant::now()).await;
    assert!(
        chrono::Utc::now() >= expires - chrono::TimeDelta::seconds(1),
        "it was refused too early"
    );
    for api in everywhere(&stockbook, &admin) {
        known(&api).await;
    }
}

async fn keys_do_not_count_after_nobody_has_said_for_long_which_are_valid(world: Arc<World>) {
    let (mut stockbook, admin) = signed_in(&world, &[], &[("AUTH_STALE_MAX", "2")]).await;
    let (_, query) = asked_with(&stockbook, &admin).await;
    known(&query).await;
    stockbook.commands[0].kill().await.unwrap();
    let asked = async || query.get("/v1/stock").await.status;
    eventually("the keys are stale", asked, |status| *status == 503).await;
    let stale = query.get("/v1/stock").await;
    assert!(stale.header("retry-after").is_some());
    stale.expect_problem(503, "unavailable");
    stockbook.query().get("/readyz").await.expect_status(200);
    start_again(&mut stockbook.commands[0]).await;
    eventually("the keys are known again", asked, |status| *status == 200).await;
}

async fn a_credential_sends_no_more_requests_than_it_may(world: Arc<World>) {
    let (stockbook, admin) = signed_in(&world, &[], &[]).await;
    let (command, query) = asked_with(&stockbook, &admin).await;
    known(&command).await;
    let options = ["--name", "slow", "--scope", "operate", "--rate", "3"];
    let slow = stockbook.api_key(&options).await;
    for (api, other) in [(stockbook.command(), &command), (stockbook.query(), &query)] {
        let slow = api.signed_in(&slow);
        let asked = async || slow.get("/v1/audit").await.status;
        eventually("it is too fast", asked, |status| *status == 429).await;
        let refused = slow.get("/v1/audit").await;
        assert_eq!(refused.header("retry-after"), Some("1"));
        refused.expect_problem(429, "rate_limited");
        other.get("/v1/audit").await.expect_status(200);
        eventually("it may ask again", asked, |status| *status == 200).await;
    }
}

/// All that services wrote.
pub(crate) fn logs(services: &mut [Service]) -> String {
    let read = |service: &mut Service| std::fs::read_to_string(service.process().log()).unwrap();
    services.iter_mut().map(read).collect()
}

async fn refusals_are_listed_and_no_secret_is_logged(world: Arc<World>) {
    let trace = [("RUST_LOG", "trace")];
    let (mut stockbook, admin) = signed_in(&world, &trace, &trace).await;
    let (command, query) = asked_with(&stockbook, &admin).await;
    known(&command).await;
    known(&query).await;
    register(&command).await;
    let near = stockbook.api_key(&["--name", "near", "--scope", ALL, "--location", "EAST"]).await;
    let near_key = near.clone();
    let near = stockbook.command().signed_in(&near);
    known_but_limited_to_some(&near).await;
    let refused = near.post("/v1/receipts", lines_at_main(&[("A", 5)])).await;
    expect_forbidden(refused, "location", "MAIN");
    let mistyped = format!("sbk_{}", "secret".repeat(9));
    stockbook
        .command()
        .signed_in(&mistyped)
        .get("/v1/lanes")
        .await
        .expect_problem(401, "unauthenticated");
    let list = command.json("/v1/audit").await;
    let items = list["items"].as_array().unwrap();
    let (last, before) = (&items[0], &items[1]);
    assert_eq!((&last["code"], &last["path"]), (&json!("unauthenticated"), &json!("/v1/lanes")));
    assert_eq!(last["credential"], Value::Null);
    assert_eq!((&before["code"], &before["location"]), (&json!("forbidden"), &json!("MAIN")));
    assert_eq!((&before["name"], &before["method"]), (&json!("near"), &json!("POST")));
    let metrics = command.get("/metrics").await.expect_status(200).body;
    assert!(metrics.contains(r#"stockbook_sign_in_refused_total{code="unauthenticated"}"#));
    let audit = list.to_string();
    let logged = logs(&mut stockbook.commands) + &logs(&mut stockbook.queries);
    assert!(logged.contains("TRACE"), "the services log everything");
    for key in [&admin, &near_key, &mistyped] {
        let secret = &key[17..];
        for (place, text) in [("a log", &logged), ("metrics", &metrics), ("the audit", &audit)] {
            assert!(!text.contains(secret), "a secret is in {place}");
        }
    }
    let stored: Vec<String> = sqlx::query_scalar("select api_keys::text from api_keys")
        .fetch_all(&mut stockbook.superuser().await)
        .await
        .unwrap();
    assert!(stored.iter().all(|row| !row.contains(&admin[17..])) && stored.len() == 3);
}

/// Waits until a service knows a key that is limited to some locations.
pub(crate) async fn known_but_limited_to_some(api: &Api) {
    let asked = async || api.get("/v1/audit").await.status;
    eventually("the service knows the key", asked, |status| *status == 403).await;
}

async fn beyond_loopback_a_service_starts_only_if_that_was_said(world: Arc<World>) {
    let stockbook = Stockbook::prepare(&world, 1).await;
    let started = async |settings: &[(&str, &str)]| {
        let mut command = tokio::process::Command::new(world.command_service());
        command.arg("serve").env("LISTEN", "0.0.0.0:0").env("NO_COLOR", "1");
        command.env("WRITE_DATABASE_URL", stockbook.urls.write.as_str());
        command.env("KAFKA_BROKERS", stockbook.brokers()).envs(settings.iter().copied());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut service = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = tokio::io::BufReader::new(service.stdout.take().unwrap());
        let mut line = String::new();
        tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line).await.unwrap();
        if line.starts_with("listening on") {
            service.kill().await.unwrap();
            return Ok(());
        }
        let ended = service.wait_with_output().await.unwrap();
        assert!(!ended.status.success());
        Err(String::from_utf8(ended.stderr).unwrap())
    };
    let (on, off, open) = (("AUTH", "on"), ("AUTH", "off"), ("TLS", "off"));
    for (settings, missing) in
        [(&[][..], "AUTH=on"), (&[open], "AUTH=on"), (&[on], "TLS=off"), (&[off], "TLS=off")]
    {
        let error = started(settings).await.unwrap_err();
        assert!(error.contains(missing), "{settings:?}: {error}");
    }
    for settings in [[on, open], [off, open]] {
        started(&settings).await.unwrap();
    }
    let certificates = stockbook.authority("tls");
    let (certificate, key) = (certificates.certificate(), certificates.key());
    let certificate = ("TLS_CERT", certificate.to_str().unwrap());
    let key = ("TLS_KEY", key.to_str().unwrap());
    started(&[on, certificate, key]).await.unwrap();
    let contradiction = started(&[on, certificate, key, open]).await.unwrap_err();
    assert!(contradiction.contains("contradict"), "{contradiction}");
    let half = started(&[on, certificate]).await.unwrap_err();
    assert!(half.contains("--tls-key"), "{half}");
    let refused = stockbook.keys(&["create", "--name", "x", "--scope", "stock:steal"]).await;
    assert!(refused.unwrap_err().contains("must be one of"));
}

/// Sends a request with a body, if the method has one.
async fn send(api: &Api, method: &Method, path: &str, body: &Value) -> Answer {
    if *method == Method::GET {
        api.get(path).await
    } else {
        api.send(method.as_str(), path, body).await
    }
}
