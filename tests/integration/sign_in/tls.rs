//! TLS between callers and services, and between services.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use integration_tests::{Api, Stockbook, World, eventually, lines_at_main};
use reqwest::Method;
use stack::access::Access;
use stack::services::Service;
use tokio::sync::watch;

use super::{asked_with, known, logs, register, signed_in_to};

trials! {
    both_services_speak_tls_and_a_new_certificate_costs_no_request,
    query_service_asks_no_command_service_that_it_does_not_trust_and_says_so,
}

/// A new connection to a service, by who trusts these authorities.
async fn connect(service: &Service, ca: &Path) -> Result<u16, String> {
    let access = Access { ca: Some(ca.to_owned()), key_file: None };
    let api = Api::reached(&service.url(), &access);
    let answer = api.try_send(Method::GET, "/livez", &[], None).await;
    answer.map(|answer| answer.status).map_err(|error| format!("{error:?}"))
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

async fn both_services_speak_tls_and_a_new_certificate_costs_no_request(world: Arc<World>) {
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.certificates = Some(stockbook.authority("tls"));
    let (mut stockbook, admin) = signed_in_to(stockbook, &[], &[]).await;
    let (command, query) = asked_with(&stockbook, &admin).await;
    assert!(stockbook.commands[0].url().starts_with("https://"));
    known(&command).await;
    register(&command).await;
    let received = command.done("/v1/receipts", lines_at_main(&[("A", 5)])).await;
    // query-service learned of the key from command-service, over TLS.
    known(&query).await;
    let position = received.header("stock-position").unwrap();
    let path = format!("/v1/stock/A/MAIN?min_position={position}&wait_ms=30000");
    assert_eq!(query.json(&path).await["on_hand"], 5);
    let plain = Api::new(&stockbook.commands[0].url().replace("https://", "http://"));
    plain.get("/livez").await.expect_status(400);

    let (used, next) = (stockbook.certificates.clone().unwrap(), stockbook.authority("next"));
    let both = used.ca().with_file_name("both.pem");
    let text = fs::read_to_string(used.ca()).unwrap() + &fs::read_to_string(next.ca()).unwrap();
    fs::write(&both, text).unwrap();
    let (stop, stopped) = watch::channel(false);
    let open = tokio::spawn(ask_on(command.clone(), stopped.clone()));
    let url = stockbook.commands[0].url();
    let new = tokio::spawn(connect_to(url, both, stopped));

    // A certificate with the key of another is not taken.
    copy(&next.certificate(), &used.certificate());
    let said = async || logs(&mut stockbook.commands);
    eventually("the log says so", said, |log| log.contains("the old one stays")).await;
    assert_eq!(connect(&stockbook.commands[0], &used.ca()).await, Ok(200));
    copy(&next.key(), &used.key());
    for service in stockbook.commands.iter().chain(&stockbook.queries) {
        let asked = async || connect(service, &next.ca()).await;
        let taken = eventually("the new certificate is taken", asked, |asked| *asked == Ok(200));
        taken.await.unwrap();
        let refused = connect(service, &used.ca()).await.unwrap_err();
        assert!(refused.contains("InvalidCertificate"), "{refused}");
    }
    stop.send(true).unwrap();
    let (open, new) = (open.await.unwrap(), new.await.unwrap());
    println!("{open} requests on an open connection and {new} on new ones all got their answers");
}

/// Asks one request after another on an open connection, until it has to stop; each is answered.
async fn ask_on(api: Api, stopped: watch::Receiver<bool>) -> usize {
    let mut asked = 0;
    while !*stopped.borrow() {
        api.get("/v1/lanes").await.expect_status(200);
        asked += 1;
    }
    asked
}

/// The same with a connection for each request.
async fn connect_to(url: String, ca: PathBuf, stopped: watch::Receiver<bool>) -> usize {
    let access = Access { ca: Some(ca), key_file: None };
    let mut asked = 0;
    while !*stopped.borrow() {
        Api::reached(&url, &access).get("/livez").await.expect_status(200);
        asked += 1;
    }
    asked
}

async fn query_service_asks_no_command_service_that_it_does_not_trust_and_says_so(
    world: Arc<World>,
) {
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.certificates = Some(stockbook.authority("tls"));
    let other = stockbook.authority("other");
    let ca = other.ca().display().to_string();
    let (mut stockbook, admin) = signed_in_to(stockbook, &[], &[("COMMAND_CA", &ca)]).await;
    let said = async || logs(&mut stockbook.queries);
    eventually("the log says why", said, |log| log.contains("invalid peer certificate")).await;
    let (command, query) = asked_with(&stockbook, &admin).await;
    known(&command).await;
    let unknown = query.get("/v1/stock").await;
    unknown.expect_problem(503, "unavailable");
}
