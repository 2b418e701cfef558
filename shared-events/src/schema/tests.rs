use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::Value;

use super::{ALL, name, of};
use crate::chain::Hash;
use crate::event::Event;
use crate::lane::{EventId, Lane};
use crate::patterns;
use crate::payment::{HoldPayment, PaymentReply, PaymentRequest};
use crate::slot::SLOTS;
use crate::time::Timestamp;
use crate::values::{
    Code, LABEL_CHARS_MAX, Label, LocationCode, OrderId, ReservationId, ReversalId, Sku, TransferId,
};

/// Text is described where it stands.
macro_rules! text_schemas {
    ($($name:ident: $schema:expr;)+) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

fn text(pattern: &str) -> Schema {
    json_schema!({"type": "string", "pattern": pattern})
}

const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

text_schemas! {
    Sku: text(patterns::NAME);
    LocationCode: text(patterns::NAME);
    Code: text(patterns::CODE);
    Label: json_schema!({
        "type": "string", "minLength": 1, "maxLength": LABEL_CHARS_MAX, "pattern": patterns::PRINTABLE
    });
    ReservationId: text(patterns::RESERVATION_ID);
    TransferId: text(patterns::TRANSFER_ID);
    OrderId: text(patterns::ORDER_ID);
    ReversalId: text(UUID);
    EventId: text("^[0-9]{1,4}-[0-9]{1,19}$");
    Hash: text("^[0-9a-f]{64}$");
    Lane: json_schema!({"type": "integer", "minimum": 0, "maximum": SLOTS - 1});
    Timestamp: json_schema!({
        "type": "string", "format": "date-time", "pattern": patterns::TIMESTAMP
    });
}

/// The schema of a type as the code has it.
fn generated<T: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft07().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = title.into();
    close(&mut schema);
    schema
}

/// A record has no members but those that are named.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") {
                members.entry("additionalProperties").or_insert(false.into());
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Today's version of everything, by name.
fn of_the_code() -> BTreeMap<String, Value> {
    let mut schemas = Event::schemas();
    schemas.extend([
        (name("PaymentRequest", 1), generated::<PaymentRequest>("PaymentRequest version 1")),
        (name("PaymentReply", 1), generated::<PaymentReply>("PaymentReply version 1")),
        (name("HoldPayment", 1), generated::<HoldPayment>("HoldPayment version 1")),
    ]);
    schemas
}

/// The schema of an event's data, for the table of events.
pub(crate) fn of_event<T: JsonSchema>(event_type: &str, version: i16) -> (String, Value) {
    let title = format!("{event_type} version {version}");
    (name(event_type, version), generated::<T>(&title))
}

/// A schema without the words that explain it.
fn shape(mut schema: Value) -> Value {
    fn strip(schema: &mut Value, is_schema: bool) {
        match schema {
            Value::Object(members) => {
                if is_schema {
                    members.remove("description");
                }
                for (name, member) in members {
                    let holds_names = matches!(name.as_str(), "properties" | "definitions");
                    strip(member, !(is_schema && holds_names));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| strip(item, true)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    strip(&mut schema, true);
    schema
}

/// What the file would be with new types, new versions and better explanations; an error if a published shape
/// would change.
fn with_news(
    published: &BTreeMap<String, Value>,
    code: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, String> {
    let mut all = published.clone();
    for (name, now) in code {
        if let Some(before) = published.get(&name)
            && shape(before.clone()) != shape(now.clone())
        {
            return Err(format!(
                "{name} is published, and others read it by its schema. Undo the change, or give the event a \
                 new version with an upcaster.\npublished: {before}\nnow:       {now}"
            ));
        }
        all.insert(name, now);
    }
    Ok(all)
}

/// One schema on each line, so that a change of the file shows which.
fn file_of(schemas: &BTreeMap<String, Value>) -> String {
    let lines: Vec<String> = schemas
        .iter()
        .map(|(name, schema)| format!("{}: {schema}", Value::from(&**name)))
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

fn published() -> BTreeMap<String, Value> {
    let parse = |schema: &str| serde_json::from_str(schema).expect("a schema is JSON");
    ALL.iter().map(|(name, schema)| ((*name).to_owned(), parse(schema.get()))).collect()
}

#[test]
fn no_published_schema_changes_and_new_ones_are_in_the_file() {
    let published = published();
    let file = with_news(&published, of_the_code()).unwrap_or_else(|refused| panic!("{refused}"));
    let (now, then) = (file_of(&file), file_of(&published));
    if now != then {
        let accepted = env::temp_dir().join("schemas.json");
        fs::write(&accepted, now).expect("the temporary folder can be written");
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas.json");
        let (accepted, committed) = (accepted.display(), committed.display());
        panic!("there are new schemas or explanations; to accept them: cp {accepted} {committed}");
    }
}

#[test]
fn every_version_that_was_ever_published_has_a_schema() {
    for (event_type, today) in Event::TYPES {
        for version in 1..=*today {
            assert!(of(event_type, version).is_some(), "{event_type} version {version}");
        }
        assert!(of(event_type, today + 1).is_none());
    }
}

#[test]
fn a_changed_member_is_refused_and_a_better_explanation_is_not() {
    let published = published();
    let of_one = |change: fn(&mut Value)| {
        let mut code = of_the_code();
        change(code.get_mut("StockReceived/3").expect("it is an event"));
        with_news(&published, code)
    };
    assert!(of_one(|_| {}).is_ok());
    let explained = of_one(|schema| schema["description"] = "Goods came in, at last.".into());
    assert!(explained.is_ok_and(|file| file != published));
    let refused: [fn(&mut Value); 5] = [
        |schema| schema["properties"]["lot"] = serde_json::json!({"type": "string"}),
        |schema| schema["properties"]["quantity"]["type"] = "string".into(),
        |schema| drop(schema["properties"].as_object_mut().map(|all| all.remove("reason"))),
        |schema| drop(schema["required"].as_array_mut().map(Vec::pop)),
        |schema| schema["properties"]["description"] = serde_json::json!({}),
    ];
    for change in refused {
        assert!(of_one(change).expect_err("a change").contains("StockReceived/3 is published"));
    }
}
