//! Talking to a service as any client would.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use shared_events::lane::PositionToken;
use shared_events::recorded::RecordedEvent;

use crate::stockbook::lines_at_main;

/// One service.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    base: String,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request, for messages.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: String,
}

/// The figures of an item at a location, as JSON tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Physically there.
    pub on_hand: i64,
    /// Held until a moment.
    pub reserved: i64,
    /// Firmly promised.
    pub allocated: i64,
    /// The rest.
    pub available: i64,
}

impl Figures {
    /// The figures of this many that are there, held and promised.
    pub fn new(on_hand: i64, reserved: i64, allocated: i64) -> Self {
        Self { on_hand, reserved, allocated, available: on_hand - reserved - allocated }
    }

    /// Reads them from a JSON object that has them among its members.
    ///
    /// # Panics
    /// It lacks one.
    #[track_caller]
    pub fn of(json: &Value) -> Self {
        let figure = |name: &str| json[name].as_i64().unwrap_or_else(|| panic!("{name}: {json}"));
        Self {
            on_hand: figure("on_hand"),
            reserved: figure("reserved"),
            allocated: figure("allocated"),
            available: figure("available"),
        }
    }
}

impl Api {
    /// A service at a base address such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        Self { http: Client::new(), base: base.trim_end_matches('/').to_owned() }
    }

    /// Asks for a page.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.try_send(Method::GET, path, &[], None).await.expect("the service answers")
    }

    /// The value of one series of `/metrics`; 0 while there is none.
    pub async fn metric(&self, series: &str) -> u64 {
        let metrics = self.get("/metrics").await.expect_status(200).body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Sends a JSON body.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_with(method, path, &[], body).await
    }

    /// Sends a JSON body with headers.
    ///
    /// # Panics
    /// There is no answer.
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
    ///
    /// # Errors
    /// There is no answer.
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

    /// Posts a JSON body.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &body).await
    }

    /// Holds stock at MAIN.
    ///
    /// # Panics
    /// It is refused.
    pub async fn reserve(&self, owner: &str, ttl_seconds: u32, lines: &[(&str, i64)]) -> Answer {
        let mut body = lines_at_main(lines);
        body["owner"] = json!(owner);
        body["ttl_seconds"] = json!(ttl_seconds);
        self.post("/v1/reservations", body).await.expect_status(201)
    }

    /// Takes a reservation a step on: extend, confirm, release, cancel, fulfil, return.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn step(&self, reservation: &str, step: &str, body: Value) -> Answer {
        self.post(&format!("/v1/reservations/{reservation}/{step}"), body).await
    }

    /// The state of a stream by the log itself.
    ///
    /// # Panics
    /// The command-service does not know it.
    pub async fn state(&self, stream: &str) -> Value {
        let path = format!("/v1/streams/{stream}/state");
        self.get(&path).await.expect_status(200).json()["state"].clone()
    }

    /// The figures of an item at MAIN by the log itself.
    ///
    /// # Panics
    /// The command-service does not know it.
    pub async fn figures(&self, sku: &str) -> Figures {
        Figures::of(&self.state(&format!("stock/{sku}/MAIN")).await)
    }

    /// A lane of the log, whole.
    ///
    /// # Panics
    /// The service does not list it.
    pub async fn lane(&self, lane: u16) -> Vec<RecordedEvent> {
        self.events(&format!("/v1/lanes/{lane}"), |event| event.position.0).await
    }

    /// A stream of the log, whole.
    ///
    /// # Panics
    /// The service does not know it.
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

impl Answer {
    /// Fails unless the status is this one.
    ///
    /// # Panics
    /// It is not.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.body);
        self
    }

    /// Fails unless it is a problem document with this code.
    ///
    /// # Panics
    /// It is not.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        let answer = self.expect_status(status);
        assert_eq!(answer.header(CONTENT_TYPE.as_str()), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["type"], format!("/problems/{code}"), "{}: {problem}", answer.asked);
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        assert!(!answer.headers.contains_key("stock-position"), "{}", answer.asked);
        problem
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.body))
    }

    /// The id of the reservation that was answered.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn reservation_id(&self) -> String {
        let id = &self.json()["reservation"]["id"];
        id.as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// The types of the events that were answered, in their order.
    pub fn types(&self) -> Vec<String> {
        let events = self.json()["events"].clone();
        let types = events.as_array().into_iter().flatten().map(|event| &event["type"]);
        types.map(|kind| kind.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The answered figures of an item, at the only location that is answered for it.
    ///
    /// # Panics
    /// There are none.
    #[track_caller]
    pub fn figures(&self, sku: &str) -> Figures {
        let json = self.json();
        let mut all = json["figures"].as_array().into_iter().flatten();
        let one = all.find(|one| one["sku"] == sku);
        Figures::of(one.unwrap_or_else(|| panic!("no figures of {sku}: {json}")))
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The position the answer reflects.
    ///
    /// # Panics
    /// It does not say.
    #[track_caller]
    pub fn position(&self) -> PositionToken {
        let token = self.header("stock-position").unwrap_or_else(|| panic!("{self:?}"));
        token.parse().expect("a position token")
    }
}
