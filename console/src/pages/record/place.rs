//! Which field of a form a problem is about.

use super::Values;
use super::kind::Kind;
use crate::reader;
use crate::services::Problem;

/// What is wrong, by the names of fields.
pub(super) fn faults(
    problem: &Problem,
    kind: Kind,
    values: &Values,
) -> Vec<(&'static str, String)> {
    let fields = kind.fields(reader::texts());
    let named = |name: &str| fields.iter().map(|field| field.name).find(|known| *known == name);
    let member = |name: &str| problem.more.get(name).and_then(|value| value.as_str());
    let holds = |text: &str| {
        let is_it = |name: &&str| values.get(*name).is_some_and(|value| value.trim() == text);
        fields.iter().map(|field| field.name).find(is_it)
    };
    if !problem.errors.is_empty() {
        let fault = |fault: &crate::services::Fault| {
            let name = fault.pointer.rsplit('/').next().unwrap_or_default();
            named(name).map(|name| (name, fault.message.clone()))
        };
        return problem.errors.iter().filter_map(fault).collect();
    }
    let place = match problem.code() {
        "unknown_sku" | "item_retired" | "item_in_use" => named("sku"),
        "unknown_location" => member("location").and_then(holds),
        "insufficient_stock" => {
            let available =
                problem.more.get("lines").and_then(|lines| lines[0]["available"].as_i64());
            let says = available
                .map(|available| format!("{} {available}", reader::texts().only_available));
            return named("quantity").into_iter().zip(says).collect();
        }
        "stale_quantity" => {
            let actual = problem.more.get("actual").and_then(serde_json::Value::as_i64);
            let says = actual.map(|actual| format!("{} {actual}", reader::texts().there_are));
            return named("expected_quantity").into_iter().zip(says).collect();
        }
        "quantity_overflow" => named("quantity"),
        _ => None,
    };
    place.map(|name| (name, problem.detail.clone())).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placed(problem: serde_json::Value) -> Vec<(&'static str, String)> {
        let problem = serde_json::from_value(problem).expect("a problem");
        let values = [("sku", "A"), ("from", "MAIN"), ("to", "SHOP")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        faults(&problem, Kind::Move, &values)
    }

    #[test]
    fn a_problem_is_shown_at_the_field_that_it_names() {
        let fault = |pointer: &str| {
            json!({"type": "/problems/validation_failed",
                   "errors": [{"pointer": pointer, "message": "must be greater"}]})
        };
        assert_eq!(placed(fault("/lines/0/quantity"))[0].0, "quantity");
        assert_eq!(placed(fault("/reason"))[0].0, "reason");
        let unknown =
            json!({"type": "/problems/unknown_location", "location": "SHOP", "detail": "no"});
        assert_eq!(placed(unknown), [("to", "no".to_owned())]);
        let short = json!({"type": "/problems/insufficient_stock",
                           "lines": [{"sku": "A", "location": "MAIN", "requested": 9, "available": 4}]});
        assert!(placed(short)[0].1.ends_with(" 4"));
        assert_eq!(placed(json!({"type": "/problems/internal"})), []);
    }
}
