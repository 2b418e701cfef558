//! The commands that have a form: their fields, and the request that a filled form becomes.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Values;
use crate::pages::segment;
use crate::services::Failure;
use crate::shown::Moment;
use crate::texts::Texts;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Receive,
    Issue,
    Move,
    Count,
    RegisterItem,
    RegisterLocation,
}

/// How a field is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Text,
    Number,
    Location,
    Moment,
}

/// The fields about a change of stock as a whole, which no change needs.
const ABOUT: [&str; 3] = ["reason", "note", "occurred_at"];

/// A field of a form. Its name is the last part of the pointers of the API's faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) input: Input,
    pub(super) is_required: bool,
}

impl Field {
    pub(super) fn is_location(&self) -> bool {
        self.input == Input::Location
    }

    pub(super) fn is_number(&self) -> bool {
        self.input == Input::Number
    }

    pub(super) fn is_moment(&self) -> bool {
        self.input == Input::Moment
    }
}

fn required(name: &'static str, label: &'static str, input: Input) -> Field {
    Field { name, label, input, is_required: true }
}

fn optional(name: &'static str, label: &'static str, input: Input) -> Field {
    Field { name, label, input, is_required: false }
}

/// A command, ready to be sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Receive,
        Self::Issue,
        Self::Move,
        Self::Count,
        Self::RegisterItem,
        Self::RegisterLocation,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The last part of its address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Issue => "issue",
            Self::Move => "move",
            Self::Count => "count",
            Self::RegisterItem => "item",
            Self::RegisterLocation => "location",
        }
    }

    pub(super) fn title(self, t: &Texts) -> &'static str {
        match self {
            Self::Receive => t.receive,
            Self::Issue => t.issue,
            Self::Move => t.move_units,
            Self::Count => t.count,
            Self::RegisterItem => t.register_item,
            Self::RegisterLocation => t.register_location,
        }
    }

    pub(super) fn fields(self, t: &Texts) -> Vec<Field> {
        let sku = || required("sku", t.item, Input::Text);
        let location = || required("location", t.location, Input::Location);
        let quantity = || required("quantity", t.quantity, Input::Number);
        let about = [
            optional("reason", t.reason_code, Input::Text),
            optional("note", t.note, Input::Text),
            optional("occurred_at", t.happened_at, Input::Moment),
        ];
        match self {
            Self::Receive | Self::Issue => [&[sku(), location(), quantity()], &about[..]].concat(),
            Self::Move => {
                let (from, to) = (("from", t.from), ("to", t.to));
                let [from, to] =
                    [from, to].map(|(name, label)| required(name, label, Input::Location));
                [&[sku(), from, to, quantity()], &about[..]].concat()
            }
            Self::Count => {
                let counted = required("quantity", t.counted, Input::Number);
                let expected = optional("expected_quantity", t.expected_quantity, Input::Number);
                [&[sku(), location(), counted, expected], &about[..]].concat()
            }
            Self::RegisterItem => vec![
                sku(),
                optional("name", t.name, Input::Text),
                optional("unit", t.unit, Input::Text),
                optional("reorder_point", t.reorder_point, Input::Number),
            ],
            Self::RegisterLocation => vec![
                required("code", t.code, Input::Text),
                optional("name", t.name, Input::Text),
                optional("kind", t.kind, Input::Text),
            ],
        }
    }

    /// The page that shows what the command did.
    pub(super) fn leads_to(self, values: &Values) -> String {
        match self {
            Self::RegisterLocation => format!("/streams/location/{}", text(values, "code")),
            Self::Receive | Self::Issue | Self::Move | Self::Count | Self::RegisterItem => {
                format!("/items/{}", text(values, "sku"))
            }
        }
    }

    pub(super) fn request(self, values: &Values) -> Result<Request, Failure> {
        let lines = |names: &[&str]| {
            let mut body = given(values, &ABOUT);
            body.insert("lines".to_owned(), json!([given(values, names)]));
            Value::Object(body)
        };
        let (method, path, body) = match self {
            Self::Receive => {
                (Method::POST, "/v1/receipts".to_owned(), lines(&["sku", "location", "quantity"]))
            }
            Self::Issue => {
                (Method::POST, "/v1/issues".to_owned(), lines(&["sku", "location", "quantity"]))
            }
            Self::Move => {
                (Method::POST, "/v1/moves".to_owned(), lines(&["sku", "from", "to", "quantity"]))
            }
            Self::Count => {
                let mut body = given(values, &["quantity", "expected_quantity"]);
                body.extend(given(values, &ABOUT));
                // Somebody who does not know what there should be says so.
                body.entry("expected_quantity").or_insert(Value::Null);
                let stock = (segment(text(values, "sku"))?, segment(text(values, "location"))?);
                (Method::PUT, format!("/v1/stock/{}/{}", stock.0, stock.1), Value::Object(body))
            }
            Self::RegisterItem => {
                let body = given(values, &["name", "unit", "reorder_point"]);
                (
                    Method::PUT,
                    format!("/v1/items/{}", segment(text(values, "sku"))?),
                    Value::Object(body),
                )
            }
            Self::RegisterLocation => {
                let body = given(values, &["name", "kind"]);
                let path = format!("/v1/locations/{}", segment(text(values, "code"))?);
                (Method::PUT, path, Value::Object(body))
            }
        };
        Ok(Request { method, path, body })
    }
}

fn text<'a>(values: &'a Values, name: &str) -> &'a str {
    values.get(name).map(|value| value.trim()).unwrap_or_default()
}

/// The members that were filled in. What should be a number and is none goes as it is, so that the service
/// says what is wrong with it.
fn given(values: &Values, names: &[&str]) -> Map<String, Value> {
    let is_number = |name: &str| ["quantity", "expected_quantity", "reorder_point"].contains(&name);
    let member = |name: &&str| {
        let text = text(values, name);
        let value = match text.parse::<i64>() {
            Ok(number) if is_number(name) => json!(number),
            _ if *name == "occurred_at" && !text.is_empty() => json!(Moment::exactly(text)),
            _ => json!(text),
        };
        (!text.is_empty()).then(|| ((*name).to_owned(), value))
    };
    names.iter().filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_filled_form_becomes_a_request() {
        let filled =
            values(&[("sku", " A "), ("location", "MAIN"), ("quantity", "7"), ("key", "k")]);
        let request = Kind::Receive.request(&filled).expect("names");
        let line = json!({"sku": "A", "location": "MAIN", "quantity": 7});
        assert_eq!(request.body, json!({"lines": [line]}));
        let count = Kind::Count.request(&filled).expect("names");
        assert_eq!(count.path, "/v1/stock/A/MAIN");
        assert_eq!(count.body, json!({"quantity": 7, "expected_quantity": null}));
        assert!(Kind::Count.request(&values(&[])).is_err(), "a path needs its names");
    }

    #[test]
    fn what_was_said_of_a_change_goes_with_it() {
        let said =
            values(&[("note", " by hand "), ("occurred_at", "2026-11-30 08:15"), ("reason", "")]);
        let request = Kind::Issue.request(&said).expect("names");
        assert_eq!(request.body["note"], "by hand");
        assert_eq!(request.body["occurred_at"], "2026-11-30T08:15:00.000000Z");
        assert_eq!(request.body.get("reason"), None);
    }

    #[test]
    fn what_is_no_number_is_left_to_the_service() {
        let request = Kind::Receive.request(&values(&[("quantity", "many")])).expect("a request");
        assert_eq!(request.body, json!({"lines": [{"quantity": "many"}]}));
    }
}
