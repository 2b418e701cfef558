//! OpenAPI says what is read.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::{accepted, item, location};
use crate::http::request::Form;
use crate::http::schema::{
    AdjustmentBody, CountBody, IssueBody, ItemBody, LocationBody, MoveBody, ReceiptBody,
    RetirementBody,
};

fn count() -> Form {
    Form::Count { sku: "85123A".to_owned(), location: "MAIN".to_owned() }
}

fn retirement() -> Form {
    Form::Retirement { sku: "85123A".to_owned() }
}

/// A body with every member there is.
pub(super) fn full(form: &Form) -> Value {
    let mut body = match form {
        Form::Item { .. } => json!({
            "name": "T-LIGHT HOLDER", "scale": 3, "unit": "kg", "reorder_point": 12,
            "metadata": {"supplier": "s-17"},
        }),
        Form::Location { .. } => json!({"name": "Main hall", "kind": "warehouse"}),
        Form::Receipt | Form::Issue => json!({
            "lines": [{"sku": "85123A", "location": "MAIN", "quantity": 6, "expected_version": 0}],
        }),
        Form::Adjustment => json!({
            "lines": [{
                "sku": "85123A", "location": "MAIN", "delta": -6, "expected_quantity": 9,
                "expected_version": 3,
            }],
            "accept_shortage": true,
        }),
        Form::Count { .. } => {
            json!({"quantity": 6, "expected_quantity": null, "accept_shortage": true})
        }
        Form::Move => json!({
            "lines": [{
                "sku": "85123A", "from": "MAIN", "to": "WEST", "quantity": 6,
                "expected_version": 3,
            }],
        }),
        Form::Retirement { .. } => json!({}),
    };
    let mut add = |more: Value| {
        let more = more.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(more);
    };
    add(json!({"occurred_at": "2010-12-01T08:26:00Z"}));
    if !matches!(form, Form::Item { .. } | Form::Location { .. }) {
        add(json!({
            "reason": "count", "reference": {"type": "invoice", "id": "536365", "line": "1"},
            "note": "two\nlines", "metadata": {"shelf": "A7", "empty": ""},
        }));
    }
    if matches!(form, Form::Issue) {
        add(json!({"purpose": "sale"}));
    }
    body
}

#[test]
fn what_the_api_page_describes_is_what_is_read() {
    is_described::<ItemBody>(&item());
    is_described::<LocationBody>(&location());
    is_described::<ReceiptBody>(&Form::Receipt);
    is_described::<IssueBody>(&Form::Issue);
    is_described::<AdjustmentBody>(&Form::Adjustment);
    is_described::<CountBody>(&count());
    is_described::<MoveBody>(&Form::Move);
    is_described::<RetirementBody>(&retirement());
}

fn is_described<Body: DeserializeOwned + PartialSchema>(form: &Form) {
    let body = full(form);
    accepted(form, &body);
    let schema = serde_json::to_value(Body::schema()).expect("JSON");
    let names = |object: &Value| -> BTreeSet<String> {
        object.as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(names(&schema["properties"]), names(&body), "{form:?}");
    let described = serde_json::from_value::<Body>(body);
    assert!(described.is_ok(), "{form:?}: {:?}", described.err());
}
