//! Talking to a service as any client would.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method};
use serde_json::Value;
use shared_events::lane::PositionToken;
use shared_events::recorded::RecordedEvent;

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

    /// A lane of the log, whole.
    ///
    /// # Panics
    /// The service does not list it.
    pub async fn lane(&self, lane: u16) -> Vec<RecordedEvent> {
        let mut events: Vec<RecordedEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.position.0);
            let path = format!("/v1/lanes/{lane}/events?after={after}&limit=10000");
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
