//! What a service answered, read whole.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;
use shared_events::lane::PositionToken;
use shared_events::time::Timestamp;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request, for messages.
    pub asked: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

/// The figures of an item at a location, as they are in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub on_hand: i64,
    pub reserved: i64,
    pub allocated: i64,
    pub available: i64,
}

/// The pointers of all faults that a problem reports, in order.
#[track_caller]
pub fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}")).iter();
    let mut pointers: Vec<&str> = errors.filter_map(|error| error["pointer"].as_str()).collect();
    pointers.sort_unstable();
    pointers
}

/// Fails unless the value has these members, and theirs; it may have others.
#[track_caller]
pub fn assert_has(value: &Value, members: Value) {
    let mut expected = value.clone();
    overlay(&mut expected, members);
    assert_eq!(*value, expected);
}

fn overlay(value: &mut Value, members: Value) {
    match (value, members) {
        (Value::Object(value), Value::Object(members)) => {
            for (name, member) in members {
                overlay(value.entry(name).or_insert(Value::Null), member);
            }
        }
        (Value::Array(value), Value::Array(members)) if value.len() == members.len() => {
            value.iter_mut().zip(members).for_each(|(value, member)| overlay(value, member));
        }
        (value, members) => *value = members,
    }
}

/// The moment that a member of an answer names.
#[track_caller]
pub fn moment(member: &Value) -> Timestamp {
    member.as_str().expect("a moment").parse().expect("a moment")
}

impl Figures {
    /// The figures of this many that are there, held and promised.
    pub fn new(on_hand: i64, reserved: i64, allocated: i64) -> Self {
        Self { on_hand, reserved, allocated, available: on_hand - reserved - allocated }
    }

    /// Reads them from a JSON object that has them among its members.
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

impl Answer {
    /// Fails unless the status is this one.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.body);
        self
    }

    /// Fails unless it is a problem document with this code.
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

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.body))
    }

    /// The id of the reservation that was answered.
    #[track_caller]
    pub fn reservation_id(&self) -> String {
        let id = &self.json()["reservation"]["id"];
        id.as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// The id of an answered event, counted from 0.
    #[track_caller]
    pub fn event_id(&self, nth: usize) -> String {
        let id = &self.json()["events"][nth]["id"];
        id.as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// Whether it is the stored answer to a repeated key.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotency-replayed") == Some("true")
    }

    /// The types of the events that were answered, in their order.
    pub fn types(&self) -> Vec<String> {
        let events = self.json()["events"].clone();
        let types = events.as_array().into_iter().flatten().map(|event| &event["type"]);
        types.map(|kind| kind.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The answered figures of an item, at the only location that is answered for it.
    #[track_caller]
    pub fn figures(&self, sku: &str) -> Figures {
        let json = self.json();
        let mut all = json["figures"].as_array().into_iter().flatten();
        let one = all.find(|one| one["sku"] == sku);
        Figures::of(one.unwrap_or_else(|| panic!("no figures of {sku}: {json}")))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The position the answer reflects.
    #[track_caller]
    pub fn position(&self) -> PositionToken {
        let token = self.header("stock-position").unwrap_or_else(|| panic!("{self:?}"));
        token.parse().expect("a position token")
    }
}
