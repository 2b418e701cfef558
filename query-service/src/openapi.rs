//! The accepted form of each parameter, which the routes' types do not say.
//!
//! A parameter means the same on every route, so its form is declared here once, by name.

use serde_json::Value;
use service_edge::openapi::operations;
use shared_events::event::Event;
use shared_events::order::OrderStatus;
use shared_events::patterns::{CODE, NAME, POSITION_TOKEN, PRINTABLE, RESERVATION_ID, TIMESTAMP};
use shared_events::reservation::ReservationStatus;
use shared_events::transfer::TransferStatus;
use shared_events::values::LABEL_CHARS_MAX;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat, Type};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use crate::endpoints::changes;
use crate::http::{page, wait};
use crate::projections;

/// A type and an id with a slash between them.
const DOCUMENT: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]{1,255}/[^\u0000-\u001f\u007f-\u009f]{1,255}$";
/// Also `.` and `..`, which are no names.
const NAME_PREFIX: &str = "^[A-Za-z0-9._~:+-]{1,64}$";
const CURSOR: &str = "^[A-Za-z0-9_-]+$";

/// What a parameter accepts.
enum Form {
    /// With an example that is valid everywhere.
    Pattern(&'static str, &'static str),
    /// Valid only for the list or the log that it comes from.
    Given(&'static str),
    Day(&'static str),
    Label(&'static str),
    Range(i64, i64),
    AnyOf(Vec<Value>),
}

/// The form of a parameter of a route.
///
/// # Panics
/// If the parameter has none: each parameter says which values it accepts.
fn form(path: &str, name: &str) -> Form {
    let words = |words: &[&str]| Form::AnyOf(words.iter().map(|word| Value::from(*word)).collect());
    match (path, name) {
        ("/v1/flow/{sku}", "from") => Form::Day("2026-11-01"),
        ("/v1/flow/{sku}", "to") => Form::Day("2026-12-01"),
        ("/v1/transfers", "from" | "to") => Form::Pattern(NAME, "MAIN"),
        ("/v1/transfers", "status") => words(TransferStatus::WORDS),
        ("/v1/orders", "status") => words(OrderStatus::WORDS),
        ("/v1/changes", "limit") => Form::Range(1, changes::LIMIT_MAX),
        (_, "limit") => Form::Range(1, page::LIMIT_MAX),
        (_, "sku") => Form::Pattern(NAME, "85123A"),
        (_, "sku_prefix") => Form::Pattern(NAME_PREFIX, "85123"),
        (_, "location") => Form::Pattern(NAME, "MAIN"),
        (_, "id") => Form::Given(RESERVATION_ID),
        (_, "name") => {
            let names: Vec<&str> = projections::all().iter().map(|one| one.name()).collect();
            words(&names)
        }
        (_, "reason") => Form::Pattern(CODE, "damaged"),
        (_, "reference") => Form::Pattern(DOCUMENT, "invoice/536365"),
        (_, "cursor") => Form::Given(CURSOR),
        (_, "as_of" | "known_at" | "from" | "to") => {
            Form::Pattern(TIMESTAMP, "2026-11-29T12:00:00Z")
        }
        (
            _,
            "min_position" | "at_position" | "from_position" | "to_position" | "after"
            | "Last-Event-ID",
        ) => Form::Given(POSITION_TOKEN),
        (_, "owner") => Form::Label("customer-17850"),
        (_, "actor") => Form::Label("till-4"),
        (_, "correlation_id") => Form::Label("01a2280b-3da9-754a-9cc5-f8b53809fed9"),
        (_, "wait_ms") => Form::Range(0, wait::WAIT_MAX.as_millis() as i64),
        (_, "available" | "available_below") => Form::Range(i64::MIN, i64::MAX),
        (_, "low") => Form::AnyOf(vec![Value::from(true)]),
        (_, "overdue") => Form::AnyOf(vec![Value::from(true), Value::from(false)]),
        (_, "by") => words(&["recorded_at", "occurred_at"]),
        (_, "state") => words(&["raised", "cleared"]),
        (_, "status") => words(ReservationStatus::WORDS),
        (_, "type") => {
            let types: Vec<&str> = Event::TYPES.iter().map(|(name, _)| *name).collect();
            words(&types)
        }
        _ => panic!("{path}: the parameter {name} has no form in {}", file!()),
    }
}

/// Gives every parameter of every route its form.
pub fn describe_parameters(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let parameters = operations(item).flat_map(|(_, operation)| &mut operation.parameters);
        for parameter in parameters.flatten() {
            if let RefOr::T(parameter) = parameter {
                describe(path, parameter);
            }
        }
    }
}

fn describe(path: &str, parameter: &mut Parameter) {
    let mut schema = Object::new();
    match form(path, &parameter.name) {
        Form::Pattern(pattern, example) => {
            schema.schema_type = Type::String.into();
            schema.pattern = Some(pattern.to_owned());
            schema.examples = vec![Value::from(example)];
        }
        Form::Given(pattern) => {
            schema.schema_type = Type::String.into();
            schema.pattern = Some(pattern.to_owned());
        }
        Form::Day(example) => {
            schema.schema_type = Type::String.into();
            schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::Date));
            schema.examples = vec![Value::from(example)];
        }
        Form::Label(example) => {
            schema.schema_type = Type::String.into();
            schema.pattern = Some(PRINTABLE.to_owned());
            schema.min_length = Some(1);
            schema.max_length = Some(LABEL_CHARS_MAX);
            schema.examples = vec![Value::from(example)];
        }
        Form::Range(min, max) => {
            schema.schema_type = Type::Integer.into();
            schema.minimum = Some(min.into());
            schema.maximum = Some(max.into());
        }
        Form::AnyOf(values) => {
            schema.schema_type =
                if values.iter().all(Value::is_boolean) { Type::Boolean } else { Type::String }
                    .into();
            schema.enum_values = Some(values);
        }
    }
    parameter.schema = Some(RefOr::T(Schema::Object(schema)));
}
