//! OpenAPI says what is read.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::{ID, accepted, batch, plain, reversal};
use crate::http::request::Form;
use crate::http::schema::{
    AdjustmentBody, BatchBody, BatchCommand, CancellationBody, ConfirmationBody, CountBody,
    ExtensionBody, FulfilmentBody, IssueBody, ItemBody, LocationBody, MoveBody, ReceiptBody,
    ReleaseBody, ReservationBody, RetirementBody, ReturnBody, ReversalBody,
};

/// A body with every member there is.
pub(super) fn full(form: Form) -> Value {
    let mut body = match form {
        Form::Item => json!({
            "name": "T-LIGHT HOLDER", "scale": 3, "unit": "kg", "reorder_point": 12,
            "metadata": {"supplier": "s-17"},
        }),
        Form::Location => json!({"name": "Main hall", "kind": "warehouse"}),
        Form::Receipt => json!({
            "lines": [{"sku": "85123A", "location": "MAIN", "quantity": 6, "expected_version": 0}],
        }),
        Form::Issue => json!({
            "lines": [{"sku": "85123A", "location": "MAIN", "quantity": 6, "expected_version": 0}],
            "purpose": "sale",
        }),
        Form::Adjustment => json!({
            "lines": [{
                "sku": "85123A", "location": "MAIN", "delta": -6, "expected_quantity": 9,
                "expected_version": 3,
            }],
            "accept_shortage": true,
        }),
        Form::Count => json!({"quantity": 6, "expected_quantity": null, "accept_shortage": true}),
        Form::Move => json!({
            "lines": [{
                "sku": "85123A", "from": "MAIN", "to": "WEST", "quantity": 6,
                "expected_version": 3,
            }],
        }),
        Form::Reservation => json!({
            "owner": "cart-7", "ttl_seconds": 900, "policy": "partial",
            "lines": [{"sku": "85123A", "location": "MAIN", "quantity": 6, "expected_version": 0}],
        }),
        Form::Extension => json!({"ttl_seconds": 2_592_000}),
        Form::Release | Form::Cancellation | Form::Fulfilment | Form::Return => {
            json!({"lines": [{"line": 1, "quantity": 2}]})
        }
        Form::Retirement | Form::Confirmation => json!({}),
        Form::Reversal => json!({"event": "3-1042"}),
    };
    let mut add = |more: Value| {
        let more = more.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(more);
    };
    if form != Form::Reversal {
        add(json!({"occurred_at": "2010-12-01T08:26:00Z"}));
    }
    if !matches!(form, Form::Item | Form::Location) {
        add(json!({
            "reason": "count", "reference": {"type": "invoice", "id": "536365", "line": "1"},
            "note": "two\nlines", "metadata": {"shelf": "A7", "empty": ""},
        }));
    }
    body
}

#[test]
fn what_the_api_page_describes_is_what_is_read() {
    is_described::<ItemBody>(Form::Item);
    is_described::<LocationBody>(Form::Location);
    is_described::<RetirementBody>(Form::Retirement);
    is_described::<ReceiptBody>(Form::Receipt);
    is_described::<IssueBody>(Form::Issue);
    is_described::<AdjustmentBody>(Form::Adjustment);
    is_described::<CountBody>(Form::Count);
    is_described::<MoveBody>(Form::Move);
    is_described::<ReservationBody>(Form::Reservation);
    is_described::<ExtensionBody>(Form::Extension);
    is_described::<ConfirmationBody>(Form::Confirmation);
    is_described::<ReleaseBody>(Form::Release);
    is_described::<CancellationBody>(Form::Cancellation);
    is_described::<FulfilmentBody>(Form::Fulfilment);
    is_described::<ReturnBody>(Form::Return);
}

fn is_described<Body: DeserializeOwned + PartialSchema>(form: Form) {
    let body = full(form);
    accepted(form, &body);
    assert_eq!(names(&schema::<Body>()["properties"]), names(&body), "{form:?}");
    fits::<Body>(body);
}

fn schema<Body: PartialSchema>() -> Value {
    serde_json::to_value(Body::schema()).expect("JSON")
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().expect("an object").keys().cloned().collect()
}

fn fits<Body: DeserializeOwned>(body: Value) {
    let described = serde_json::from_value::<Body>(body);
    assert!(described.is_ok(), "{:?}", described.err());
}

#[test]
fn the_api_page_describes_every_way_to_reverse() {
    let mut described = names(&schema::<ReversalBody>()["properties"]);
    for target in reversal::targets() {
        let mut body = full(Form::Reversal);
        let members = body.as_object_mut().expect("an object");
        members.remove("event");
        members.extend(target.as_object().expect("an object").clone());
        members.insert("dry_run".to_owned(), json!(true));
        described.retain(|name| !members.contains_key(name));
        reversal::accepted(&body);
        fits::<ReversalBody>(body);
    }
    assert_eq!(described, BTreeSet::new(), "described and not read");
}

#[test]
fn the_api_page_describes_every_command_of_a_batch() {
    let commands = schema::<BatchCommand>();
    let described = commands["oneOf"].as_array().expect("a list");
    assert_eq!(described.len(), Form::TYPES.len());
    for (schema, (name, form)) in described.iter().zip(Form::TYPES) {
        assert_eq!(schema["properties"]["type"]["enum"], json!([name]));
        let mut command = in_batch(name, form);
        let body = json!({"mode": "independent", "commands": [command]});
        assert!(batch::read(&plain(&body)).is_ok(), "{body}");
        fits::<BatchBody>(body);
        if form == Form::Reversal {
            // Each is described, and one of them is named.
            for other in ["correlation_id", "reversal"] {
                command[other] = json!("");
            }
        }
        assert_eq!(names(&schema["properties"]), names(&command), "{name}");
    }
}

/// A command with every member there is, of a batch whose commands have keys.
pub(super) fn in_batch(name: &str, form: Form) -> Value {
    let mut command = full(form);
    command["type"] = json!(name);
    command["idempotency_key"] = json!("k1");
    let subject = match form {
        Form::Item | Form::Retirement => json!({"sku": "85123A"}),
        Form::Location => json!({"code": "MAIN"}),
        Form::Count => json!({"sku": "85123A", "location": "MAIN"}),
        Form::Extension
        | Form::Confirmation
        | Form::Release
        | Form::Cancellation
        | Form::Fulfilment
        | Form::Return => json!({"id": ID}),
        Form::Receipt
        | Form::Issue
        | Form::Adjustment
        | Form::Move
        | Form::Reservation
        | Form::Reversal => json!(null),
    };
    if let Value::Object(subject) = subject {
        let members = command.as_object_mut().expect("an object");
        members.extend(subject);
        members.insert("expected_version".to_owned(), json!(3));
    }
    command
}
