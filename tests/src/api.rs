//! Talking to a service as any client would.

mod answer;

use std::fmt::Debug;
use std::iter::Sum;
use std::str::FromStr;

use reqwest::{Client, Method};
use serde_json::Value;
use shared_events::recorded::RecordedEvent;
use stack::access::Access;
use stack::services::Service;

pub use self::answer::{Answer, Figures, assert_has, moment, pointers};
use crate::bodies::reservation;

/// One service.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    base: String,
    /// What it signs in with.
    credential: Option<String>,
}

impl Api {
    /// A service at a base address such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        Self::reached(base, &Access::default())
    }

    /// A service, over TLS if it has that.
    pub fn of(service: &Service) -> Self {
        Self::reached(&service.url(), &service.access())
    }

    /// A service at a base address, which this is the way to.
    pub fn reached(base: &str, access: &Access) -> Self {
        let http = access.client().and_then(|client| Ok(client.build()?));
        let http = http.expect("a client can be made");
        Self { http, base: base.trim_end_matches('/').to_owned(), credential: None }
    }

    /// The same service, asked with an API key or a token.
    #[must_use]
    pub fn signed_in(&self, credential: &str) -> Self {
        Self { credential: Some(credential.to_owned()), ..self.clone() }
    }

    /// Where it is.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.try_send(Method::GET, path, &[], None).await.expect("the service answers")
    }

    /// Asks for a page with headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.try_send(Method::GET, path, headers, None).await.expect("the service answers")
    }

    /// The value of a metric, over all its series or for one of them; 0 while there is none.
    pub async fn metric<T: FromStr<Err: Debug> + Sum>(&self, name: &str) -> T {
        let metrics = self.get("/metrics").await.expect_status(200).body;
        let series = metrics.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        let values = series.filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<T>().expect("a number")).sum()
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_with(method, path, &[], body).await
    }

    pub async fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let method = method.parse().expect("a method's name");
        let body = Some(body.to_string().into_bytes());
        let mut with_type = vec![("content-type", "application/json")];
        with_type.extend(headers);
        self.try_send(method, path, &with_type, body).await.expect("the service answers")
    }

    /// Sends anything, and may get no answer.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> reqwest::Result<Answer> {
        let asked = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(credential) = &self.credential {
            request = request.bearer_auth(credential);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        Ok(Answer {
            asked,
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, &body).await
    }

    /// Posts under an idempotency key.
    pub async fn keyed(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send_with("POST", path, &[("idempotency-key", key)], body).await
    }

    /// Posts a command that succeeds.
    pub async fn done(&self, path: &str, body: Value) -> Answer {
        self.post(path, body).await.expect_status(200)
    }

    /// Posts a command that is refused, and returns the problem.
    pub async fn refused(&self, path: &str, body: Value, status: u16, code: &str) -> Value {
        self.post(path, body).await.expect_problem(status, code)
    }

    pub async fn json(&self, path: &str) -> Value {
        self.get(path).await.expect_status(200).json()
    }

    /// Every row of a list, page by page. The path has a `?`.
    pub async fn rows(&self, path: &str) -> Vec<Value> {
        let limit = path.split_once("limit=").and_then(|(_, rest)| rest.split('&').next());
        let limit = limit.map_or(usize::MAX, |limit| limit.parse().expect("a number"));
        let (mut rows, mut page) = (Vec::new(), self.json(path).await);
        loop {
            let items = page["items"].as_array().expect("a list");
            assert!(items.len() <= limit, "{path}: {page}");
            rows.extend(items.clone());
            let Some(cursor) = page["next_cursor"].as_str() else { return rows };
            page = self.json(&format!("{path}&cursor={cursor}")).await;
        }
    }

    /// Holds stock at MAIN.
    pub async fn reserve(&self, owner: &str, ttl_seconds: u32, lines: &[(&str, i64)]) -> Answer {
        let body = reservation(owner, ttl_seconds, lines);
        self.post("/v1/reservations", body).await.expect_status(201)
    }

    /// Takes a reservation a step on: extend, confirm, release, cancel, fulfil, return.
    pub async fn step(&self, reservation: &str, step: &str, body: Value) -> Answer {
        self.post(&format!("/v1/reservations/{reservation}/{step}"), body).await
    }

    /// Takes a reservation a step on, which succeeds.
    pub async fn take(&self, reservation: &str, step: &str, body: Value) -> Answer {
        self.step(reservation, step, body).await.expect_status(200)
    }

    /// The state of a stream by the log itself.
    pub async fn state(&self, stream: &str) -> Value {
        let path = format!("/v1/streams/{stream}/state");
        self.json(&path).await["state"].clone()
    }

    /// The figures of an item at MAIN by the log itself.
    pub async fn figures(&self, sku: &str) -> Figures {
        Figures::of(&self.state(&format!("stock/{sku}/MAIN")).await)
    }

    /// A lane of the log, whole.
    pub async fn lane(&self, lane: u16) -> Vec<RecordedEvent> {
        self.events(&format!("/v1/lanes/{lane}"), |event| event.position.0).await
    }

    /// A stream of the log, whole.
    pub async fn stream(&self, stream: &str) -> Vec<RecordedEvent> {
        self.events(&format!("/v1/streams/{stream}"), |event| event.version.0).await
    }

    /// Every event below a path, page by page.
    async fn events(&self, path: &str, place: fn(&RecordedEvent) -> i64) -> Vec<RecordedEvent> {
        let mut events: Vec<RecordedEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, place);
            let path = format!("{path}/events?after={after}&limit=10000");
            let page = self.get(&path).await.expect_status(200);
            let before = events.len();
            events.extend(
                page.body.lines().map(|line| serde_json::from_str(line).expect("an event a line")),
            );
            if events.len() == before {
                return events;
            }
        }
    }
}
