//! The same bytes as a body mean the same to both services.

use std::io::Write;
use std::sync::Arc;

use integration_tests::api::Api;
use integration_tests::world::World;
use integration_tests::{Stockbook, lines_at_main};
use reqwest::Method;
use serde_json::json;

trials! {
    both_services_take_and_refuse_the_same_bodies,
    a_coded_body_is_refused_whatever_its_bytes_are,
    an_optional_body_may_be_left_out_in_every_way,
}

type Headers = &'static [(&'static str, &'static str)];

const JSON: (&str, &str) = ("content-type", "application/json");

/// What each service says to a body: that it is not one, or that it is one with faults.
const TABLE: &[(Headers, &[u8], u16, &str)] = &[
    (&[JSON], b"{}", 422, "validation_failed"),
    (&[JSON], b" \r\n\t{} \n", 422, "validation_failed"),
    (&[JSON], b"[]", 422, "validation_failed"),
    (&[JSON], b"null", 422, "validation_failed"),
    (&[JSON], b"{\"x\":1.5e3}", 422, "validation_failed"),
    (&[("content-type", "APPLICATION/json ; Charset=UTF-8")], b"{}", 422, "validation_failed"),
    (&[JSON, ("content-encoding", "identity")], b"{}", 422, "validation_failed"),
    (&[JSON, ("transfer-encoding", "chunked")], b"{}", 422, "validation_failed"),
    (&[JSON], b"", 400, "malformed_body"),
    (&[], b"", 400, "malformed_body"),
    (&[JSON], b" ", 400, "malformed_body"),
    (&[JSON], b"{", 400, "malformed_body"),
    (&[JSON], b"{} {}", 400, "malformed_body"),
    (&[JSON], b"{}x", 400, "malformed_body"),
    (&[JSON], b"{\"x\":1,}", 400, "malformed_body"),
    (&[JSON], b"{\"x\":NaN}", 400, "malformed_body"),
    (&[JSON], b"{'x':1}", 400, "malformed_body"),
    (&[JSON], b"\xef\xbb\xbf{}", 400, "malformed_body"),
    (&[JSON], b"{\"x\":\"\xff\"}", 400, "malformed_body"),
    (&[JSON], b"{\"x\":\"\\ud800\"}", 400, "malformed_body"),
    (&[JSON], b"\xff\xfe{\0}\0", 400, "malformed_body"),
    (&[JSON], br#"{"x":1,"x":1}"#, 400, "malformed_body"),
    (&[JSON], br#"{"x":1,"\u0078":2}"#, 400, "malformed_body"),
    (&[JSON], br#"{"pairs":[{"sku":"A","sku":"B"}]}"#, 400, "malformed_body"),
    (
        &[JSON],
        br#"{"lines":[{"sku":"A","location":"MAIN","quantity":1,"quantity":2}]}"#,
        400,
        "malformed_body",
    ),
    (&[JSON, ("content-range", "bytes 0-1/2")], b"{}", 400, "malformed_body"),
    (&[], b"{}", 415, "unsupported_media_type"),
    (&[JSON, JSON], b"{}", 415, "unsupported_media_type"),
    (&[("content-type", "text/plain")], b"{}", 415, "unsupported_media_type"),
    (
        &[("content-type", "application/x-www-form-urlencoded")],
        b"{}",
        415,
        "unsupported_media_type",
    ),
    (&[("content-type", "application/json; charset=utf-16")], b"{}", 415, "unsupported_media_type"),
];

/// The services, each with a path that takes a body.
fn places(stockbook: &Stockbook) -> [(Api, &'static str); 2] {
    [(stockbook.command(), "/v1/receipts"), (stockbook.query(), "/v1/availability")]
}

async fn both_services_take_and_refuse_the_same_bodies(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    for (api, path) in places(&stockbook) {
        let send = async |headers: &[(&str, &str)], body: Vec<u8>| {
            api.try_send(Method::POST, path, headers, Some(body)).await.unwrap()
        };
        for (headers, body, status, code) in TABLE {
            let answer = send(headers, body.to_vec()).await;
            let said = (answer.status, answer.json()["type"].clone());
            let expected = (*status, json!(format!("/problems/{code}")));
            assert_eq!(said, expected, "{path}: {headers:?} {}", body.escape_ascii());
        }
        let deep = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes();
        send(&[JSON], deep(100)).await.expect_problem(422, "validation_failed");
        send(&[JSON], deep(200)).await.expect_problem(400, "malformed_body");
        send(&[JSON], vec![b'['; 1 << 20]).await.expect_problem(400, "malformed_body");
        let large = send(&[JSON], vec![b' '; (1 << 20) + 1]).await;
        assert_eq!(large.expect_problem(413, "body_too_large")["limit"], 1 << 20);
        let chunked = [JSON, ("transfer-encoding", "chunked")];
        send(&chunked, vec![b' '; 3 << 20]).await.expect_problem(413, "body_too_large");
    }
}

async fn a_coded_body_is_refused_whatever_its_bytes_are(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let before = stockbook.heads().await;
    let plain = lines_at_main(&[("A", 1)]).to_string().into_bytes();
    let coded = gzip(&plain);
    for (api, path) in places(&stockbook) {
        for coding in ["gzip", "br", "zstd", "deflate", "identity, gzip", "x-unknown"] {
            for (name, value) in [
                ("content-encoding", coding.to_owned()),
                ("transfer-encoding", format!("{coding}, chunked")),
            ] {
                for body in [&plain, &coded] {
                    let headers = [JSON, (name, &value)];
                    let answer = api
                        .try_send(Method::POST, path, &headers, Some(body.clone()))
                        .await
                        .unwrap();
                    assert_eq!(answer.header("accept-encoding"), Some("identity"), "{answer:?}");
                    answer.expect_problem(415, "unsupported_media_type");
                }
            }
        }
    }
    assert_eq!(stockbook.heads().await, before, "something was recorded");
    let headers = [JSON, ("content-encoding", "identity")];
    let answer = command.try_send(Method::POST, "/v1/receipts", &headers, Some(plain)).await;
    answer.unwrap().expect_status(200);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    coder.write_all(bytes).expect("memory takes it");
    coder.finish().expect("memory takes it")
}

async fn an_optional_body_may_be_left_out_in_every_way(world: Arc<World>) {
    let (_stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let ways: [(Headers, Option<&[u8]>); 5] = [
        (&[], None),
        (&[JSON], None),
        (&[("content-length", "0")], Some(b"")),
        (&[JSON, ("transfer-encoding", "chunked")], Some(b"")),
        (&[JSON], Some(b"{}")),
    ];
    for (headers, body) in ways {
        let held = command.reserve("web", 600, &[("A", 1)]).await.reservation_id();
        let path = format!("/v1/reservations/{held}/confirm");
        let body = body.map(<[u8]>::to_vec);
        let answer = command.try_send(Method::POST, &path, headers, body).await.unwrap();
        answer.expect_status(200);
    }
}
