//! A catalogue of two problems, and what every catalogue has.

use std::time::Duration;

use axum::Json;
use axum::body::to_bytes;
use axum::http::HeaderMap;
use axum::http::header::RETRY_AFTER;
use serde_json::{Value, json};

use self::tea::{Code, Problem};
use super::*;

#[allow(dead_code, unreachable_pub, reason = "a service has more uses for its catalogue")]
pub(crate) mod tea {
    crate::problem_catalogue! {
        TeaSpilled "tea_spilled" CONFLICT "The tea is spilled" "Make `pots` of new tea."
        Brewing "brewing" SERVICE_UNAVAILABLE "The tea is brewing" "Ask again."
        Unavailable "unavailable" SERVICE_UNAVAILABLE "There is no tea now" "Ask again."
    }
}

async fn answer(problem: impl IntoResponse) -> (StatusCode, HeaderMap, String) {
    let (head, body) = problem.into_response().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_document_has_its_members_in_reading_order() {
    let problem = Problem::new(Code::TeaSpilled, "all of it")
        .with("pots", 2)
        .with("cups", json!([{"owner": "A"}]));
    let (status, headers, body) = answer(problem).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
    assert!(!headers.contains_key(RETRY_AFTER));
    assert_eq!(
        body,
        r#"{"type":"/problems/tea_spilled","title":"The tea is spilled","status":409,"detail":"all of it","pots":2,"cups":[{"owner":"A"}]}"#
    );
}

#[tokio::test]
async fn a_503_says_in_whole_seconds_when_to_try_again() {
    let (_, headers, _) = answer(Problem::new(Code::Brewing, "wait")).await;
    assert_eq!(headers[RETRY_AFTER], "1");
    for (pause, seconds) in [(0, "1"), (1_000, "1"), (1_500, "2")] {
        let problem = Problem::new(Code::Brewing, "wait");
        let (_, headers, _) = answer(problem.retry_after(Duration::from_millis(pause))).await;
        assert_eq!(headers[RETRY_AFTER], seconds);
    }
}

#[tokio::test]
async fn an_internal_failure_and_a_panic_show_an_id_and_no_cause() {
    let secret = "the secret cause";
    let panic = of_panic::<Code>(Box::new(secret));
    for problem in [Problem::internal(&secret).into_response(), panic] {
        let (status, _, body) = answer(problem).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        let document: Value = serde_json::from_str(&body).unwrap();
        assert!(document["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
        assert!(!body.contains("secret"), "{body}");
    }
}

#[tokio::test]
async fn a_bare_error_keeps_its_headers_and_gets_a_document() {
    for (status, code) in [
        (StatusCode::NOT_FOUND, "not_found"),
        (StatusCode::BAD_REQUEST, "not_found"),
        (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        (StatusCode::REQUEST_TIMEOUT, "internal"),
    ] {
        let bare = (status, [("allow", "GET,HEAD")], "a text");
        let (_, headers, body) = answer(of_bare_error::<Code>(bare.into_response())).await;
        assert_eq!(headers["allow"], "GET,HEAD");
        let document: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(document["type"], format!("/problems/{code}"));
    }
    for other in [StatusCode::OK.into_response(), (StatusCode::CONFLICT, Json(1)).into_response()] {
        let (_, headers, _) = answer(of_bare_error::<Code>(other)).await;
        assert_ne!(
            headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()),
            Some(&b"application/problem+json"[..])
        );
    }
}

#[tokio::test]
async fn every_problem_has_a_page() {
    for code in Code::ALL {
        let kind = code.kind();
        let (status, _, page) = answer(page::<Code>(Path(kind.code.to_owned())).await).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains(kind.title), "{page}");
    }
    let (_, _, text) = answer(page::<Code>(Path("tea_spilled".to_owned())).await).await;
    assert!(text.contains("Make <code>pots</code> of new tea."), "{text}");
    let (status, _, _) = answer(page::<Code>(Path("teapot".to_owned())).await).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn one_fault_is_in_the_detail_and_several_are_counted() {
    let faults =
        [("", "is empty"), ("/tea", "is cold")].map(|(at, message)| Fault::new(at, message));
    for (faults, detail) in [
        (faults[..1].to_vec(), "the body is empty"),
        (faults[1..].to_vec(), "/tea is cold"),
        (faults.to_vec(), "2 faults; `errors` has each with its place"),
    ] {
        let (_, _, body) = answer(Problem::validation_failed(faults.clone())).await;
        let document: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(document["detail"], detail);
        assert_eq!(document["errors"], json!(faults));
    }
}
