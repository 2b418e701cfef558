//! The types of members: each knows its range or format, and describes it for OpenAPI.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use shared_events::event;
use shared_events::lane::{EventId, PositionToken, Version};
use shared_events::patterns::{
    CODE, NAME, ORDER_ID, POSITION_TOKEN, PRINTABLE, RESERVATION_ID, TIMESTAMP, TRANSFER_ID,
};
use shared_events::time::Timestamp;
use shared_events::values::{
    Code, LABEL_CHARS_MAX, Label, LocationCode, OrderId, ReservationId, ReversalId, Sku, TransferId,
};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::numbers::Amount;
use super::{Faults, JsonPointer, Member, Schemas, object};

// Every event of a command repeats these, so they are bounded well below the body.
const NOTE_CHARS_MAX: usize = 1_000;
const METADATA_LEN_MAX: usize = 20;
const METADATA_NAME_CHARS_MAX: usize = 64;
const METADATA_VALUE_CHARS_MAX: usize = 255;

const PRINTABLE_LINES: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";
const PRINTABLE_WITHOUT_SLASH: &str = r"^[^/\u0000-\u001f\u007f-\u009f]*$";

/// A member that may be absent. Null is not absent, and is refused.
impl<T: Member> Member for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Some)
    }

    fn schema() -> RefOr<Schema> {
        T::schema()
    }

    fn add_schemas(schemas: &mut Schemas) {
        T::add_schemas(schemas);
    }

    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        T::find_faults(value, at, faults);
    }
}

impl Member for bool {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer).map_err(|_| D::Error::custom("must be true or false"))
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).into()
    }
}

/// A list of one object at least.
#[derive(Debug)]
pub(crate) struct List<T, const MAX: usize = 5_000>(pub(crate) Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    pub(crate) fn convert<U: From<T>>(self) -> Vec<U> {
        self.0.into_iter().map(U::from).collect()
    }
}

impl<T: Member + ToSchema, const MAX: usize> Member for List<T, MAX> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Reader::<Self>(PhantomData))
    }

    fn schema() -> RefOr<Schema> {
        let list = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        Schema::from(list.min_items(Some(1)).max_items(Some(MAX)).build()).into()
    }

    fn add_schemas(schemas: &mut Schemas) {
        schemas.push((T::name().into(), <T as PartialSchema>::schema()));
        T::add_schemas(schemas);
    }

    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        find_faults_in_list::<T, MAX>("objects", value, at, faults);
    }
}

fn find_faults_in_list<T: Member, const MAX: usize>(
    of: &str,
    value: &Value,
    at: JsonPointer<'_>,
    faults: &mut Faults,
) {
    match value {
        Value::Array(items) if (1..=MAX).contains(&items.len()) => {
            for (index, item) in items.iter().enumerate() {
                T::find_faults(item, at.item(index), faults);
            }
        }
        _ => faults.add(at, format_args!("must be a list of 1 to {MAX} {of}")),
    }
}

/// A list of one value at least, each of which is text.
#[derive(Debug)]
pub(crate) struct Texts<T, const MAX: usize>(pub(crate) Vec<T>);

impl<T: Member, const MAX: usize> Member for Texts<T, MAX> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = deserializer.deserialize_seq(Reader::<List<T, MAX>>(PhantomData));
        list.map(|list| Self(list.0))
    }

    fn schema() -> RefOr<Schema> {
        let list = ArrayBuilder::new().items(T::schema());
        Schema::from(list.min_items(Some(1)).max_items(Some(MAX)).build()).into()
    }

    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        find_faults_in_list::<T, MAX>("texts", value, at, faults);
    }
}

/// Reads a `T` from a deserializer.
struct Reader<T>(PhantomData<T>);

impl<'de, T: Member> DeserializeSeed<'de> for Reader<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

impl<'de, T: Member, const MAX: usize> Visitor<'de> for Reader<List<T, MAX>> {
    type Value = List<T, MAX>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of 1 to {MAX} objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Reader::<T>(PhantomData))? {
            if items.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            items.push(item);
        }
        if items.is_empty() { Err(A::Error::invalid_length(0, &self)) } else { Ok(List(items)) }
    }
}

/// The version of a stream; 0 is no history.
impl Member for Version {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Amount::read(deserializer).map(|version| Self(version.0))
    }

    fn schema() -> RefOr<Schema> {
        Amount::schema()
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn bounded(len_max: usize, pattern: &str) -> ObjectBuilder {
    text().min_length(Some(1)).max_length(Some(len_max)).pattern(Some(pattern))
}

/// Implements [`Member`] for text that is parsed into a checked value.
macro_rules! texts {
    ($($type:ty: $schema:expr,)+) => {$(
        impl Member for $type {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_text(deserializer)
            }

            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }
    )+};
}

texts! {
    Sku: text().pattern(Some(NAME)).examples(["85123A"]),
    LocationCode: text().pattern(Some(NAME)).examples(["MAIN"]),
    Code: text().pattern(Some(CODE)),
    Label: bounded(LABEL_CHARS_MAX, PRINTABLE),
    ReferenceType: bounded(LABEL_CHARS_MAX, PRINTABLE_WITHOUT_SLASH),
    Note: bounded(NOTE_CHARS_MAX, PRINTABLE_LINES),
    Key: bounded(255, "^[ -~]*$"),
    // Not the format date-time: clients then write an offset, and only UTC is taken.
    Timestamp: text().pattern(Some(TIMESTAMP)),
    EventId: text().pattern(Some("^[0-9]{1,4}-[0-9]{1,18}$")),
    ReversalId: text().format(Some(SchemaFormat::Custom("uuid".to_owned()))),
    ReservationId: text().pattern(Some(RESERVATION_ID)),
    TransferId: text().pattern(Some(TRANSFER_ID)),
    OrderId: text().pattern(Some(ORDER_ID)),
    PositionToken: text().pattern(Some(POSITION_TOKEN)),
}

pub(crate) fn read_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(TextVisitor(PhantomData))
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// An idempotency key.
#[derive(Debug, Clone)]
pub(crate) struct Key(pub(crate) Label);

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let label = text.parse().ok().filter(|_| text.is_ascii());
        label.map(Self).ok_or("must be 1 to 255 printable ASCII characters")
    }
}

/// The type of an outside document. Queries name a document as `type/id`, so it has no slash.
#[derive(Debug)]
pub(crate) struct ReferenceType(Label);

impl FromStr for ReferenceType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let label = text.parse().ok().filter(|_| !text.contains('/'));
        label.map(Self).ok_or("must be 1 to 255 printable characters without /")
    }
}

/// Whether text for people has nothing but printable characters, tabs and line breaks.
fn is_text(text: &str) -> bool {
    text.chars().all(|one| !one.is_control() || matches!(one, '\t' | '\n' | '\r'))
}

/// A sentence for people, in which lines may be broken.
#[derive(Debug)]
pub(crate) struct Note(String);

impl FromStr for Note {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if (1..=NOTE_CHARS_MAX).contains(&text.chars().count()) && is_text(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("must be text of 1 to {NOTE_CHARS_MAX} printable characters"))
        }
    }
}

/// Implements [`Member`] for an enum of which each value is a word.
macro_rules! words {
    ($type:ty { $($word:literal => $value:expr,)+ }) => {
        impl $crate::http::json::Member for $type {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = $crate::http::json::values::read_text::<String, D>(deserializer);
                match word.as_deref() {
                    $(Ok($word) => Ok($value),)+
                    _ => Err(serde::de::Error::custom(concat!("must be one of" $(, " ", $word)+))),
                }
            }

            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::json::values::one_of(&[$($word),+]).into()
            }
        }
    };
}
pub(crate) use words;

pub(crate) fn one_of(words: &[&str]) -> ObjectBuilder {
    text().enum_values(Some(words.iter().copied()))
}

/// The caller's own names and values.
#[derive(Debug)]
pub(crate) struct Metadata(pub(crate) BTreeMap<String, String>);

impl Metadata {
    fn check(name: &str, value: Option<&str>) -> Result<(), String> {
        let fits = |text: &str, len_max: usize| text.chars().count() <= len_max && is_text(text);
        let is_name = !name.is_empty() && !name.contains(char::is_control);
        if !is_name || !fits(name, METADATA_NAME_CHARS_MAX) {
            let max = METADATA_NAME_CHARS_MAX;
            Err(format!("must be named by 1 to {max} printable characters"))
        } else if !value.is_some_and(|value| fits(value, METADATA_VALUE_CHARS_MAX)) {
            let max = METADATA_VALUE_CHARS_MAX;
            Err(format!("must be text of at most {max} printable characters"))
        } else {
            Ok(())
        }
    }
}

impl Member for Metadata {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader::<Self>(PhantomData))
    }

    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("Metadata").into()
    }

    fn add_schemas(schemas: &mut Schemas) {
        let name = bounded(METADATA_NAME_CHARS_MAX, PRINTABLE);
        let value =
            text().max_length(Some(METADATA_VALUE_CHARS_MAX)).pattern(Some(PRINTABLE_LINES));
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .property_names(Some(Schema::from(name)))
            .additional_properties(Some(AdditionalProperties::from(Schema::from(value))))
            .max_properties(Some(METADATA_LEN_MAX));
        schemas.push(("Metadata".to_owned(), object.into()));
    }

    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        let Value::Object(entries) = value else {
            return faults.add(at, "must be an object");
        };
        if entries.len() > METADATA_LEN_MAX {
            faults.add(at, format_args!("must have at most {METADATA_LEN_MAX} members"));
        }
        for (name, value) in entries {
            if let Err(message) = Self::check(name, value.as_str()) {
                faults.add(at.member(name), message);
            }
        }
    }
}

impl<'de> Visitor<'de> for Reader<Metadata> {
    type Value = Metadata;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of text")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Metadata, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, String>()? {
            Metadata::check(&name, Some(&value)).map_err(A::Error::custom)?;
            if entries.len() == METADATA_LEN_MAX || entries.insert(name, value).is_some() {
                return Err(A::Error::custom("has too many members, or one twice"));
            }
        }
        Ok(Metadata(entries))
    }
}

object! {
    /// The outside document behind a command.
    pub(crate) struct Reference {
        r#type: ReferenceType,
        id: Label,
        #[serde(default)]
        line: Option<Label>,
    }
}

/// Why a command is given.
pub(crate) fn cause(
    reason: Option<Code>,
    reference: Option<Reference>,
    note: Option<Note>,
    metadata: Option<Metadata>,
) -> event::Cause {
    let reference = reference.map(|Reference { r#type: ReferenceType(kind), id, line }| {
        event::Reference { kind, id, line }
    });
    let note = note.map(|note| note.0);
    let metadata = metadata.map(|metadata| metadata.0).unwrap_or_default();
    let is_empty = note.is_none() && metadata.is_empty();
    let context = (!is_empty).then_some(event::Context { note, metadata });
    event::Cause { reason, reference, context }
}
