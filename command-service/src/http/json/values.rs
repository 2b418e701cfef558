//! The types of members: each knows its range or format, and describes it for OpenAPI.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use shared_events::event;
use shared_events::lane::{EventId, PositionToken, Version};
use shared_events::time::Timestamp;
use shared_events::values::{
    AMOUNT_MAX, Code, Label, LocationCode, ReservationId, ReversalId, Sku,
};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, Object as ObjectSchema, Schema, SchemaFormat,
    SchemaType, Type,
};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr};

use super::{Faults, JsonPointer, Member, Object, Schemas, object};

const LINES_MAX: usize = 5_000;

// Every event of a command repeats these, so they are bounded well below the body.
const NOTE_CHARS_MAX: usize = 1_000;
const METADATA_LEN_MAX: usize = 20;
const METADATA_NAME_CHARS_MAX: usize = 64;
const METADATA_VALUE_CHARS_MAX: usize = 255;

const NAME_PATTERN: &str = r"^(?!\.{1,2}$)[A-Za-z0-9._~:+-]{1,64}$";
const CODE_PATTERN: &str = "^[a-z0-9_]{1,64}$";
const PRINTABLE_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
const NOTE_PATTERN: &str = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$";
const RESERVATION_ID_PATTERN: &str =
    "^[0-9]{1,4}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

impl<T: Member> Member for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An optional member is absent or has a value; null is neither.
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
impl<T: Object> Member for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_list(deserializer, LINES_MAX)
    }

    fn schema() -> RefOr<Schema> {
        list_schema(T::NAME, LINES_MAX)
    }

    fn add_schemas(schemas: &mut Schemas) {
        schemas.push((T::NAME.to_owned(), <T as Member>::schema()));
        <T as Member>::add_schemas(schemas);
    }

    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        find_list_faults::<T>(value, LINES_MAX, at, faults);
    }
}

pub(crate) fn read_list<'de, T: Member, D: Deserializer<'de>>(
    deserializer: D,
    len_max: usize,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(ListVisitor { len_max, items: PhantomData })
}

pub(crate) fn list_schema(item: &str, len_max: usize) -> RefOr<Schema> {
    let list = ArrayBuilder::new().items(Ref::from_schema_name(item));
    Schema::from(list.min_items(Some(1)).max_items(Some(len_max)).build()).into()
}

pub(crate) fn find_list_faults<T: Member>(
    value: &Value,
    len_max: usize,
    at: JsonPointer<'_>,
    faults: &mut Faults,
) {
    match value {
        Value::Array(items) if (1..=len_max).contains(&items.len()) => {
            for (index, item) in items.iter().enumerate() {
                T::find_faults(item, at.item(index), faults);
            }
        }
        _ => faults.add(at, format_args!("must be a list of 1 to {len_max} objects")),
    }
}

struct ListVisitor<T> {
    len_max: usize,
    items: PhantomData<T>,
}

impl<'de, T: Member> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of 1 to {} objects", self.len_max)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(ItemSeed(PhantomData))? {
            if items.len() == self.len_max {
                return Err(A::Error::invalid_length(items.len() + 1, &self));
            }
            items.push(item);
        }
        if items.is_empty() { Err(A::Error::invalid_length(0, &self)) } else { Ok(items) }
    }
}

struct ItemSeed<T>(PhantomData<T>);

impl<'de, T: Member> DeserializeSeed<'de> for ItemSeed<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

/// An integer in a range, written without fraction or exponent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Integer<T, const MIN: i64, const MAX: i64>(pub(crate) T);

/// An amount in base units, more than none.
pub(crate) type Quantity = Integer<i64, 1, AMOUNT_MAX>;
/// An amount in base units, perhaps none.
pub(crate) type Amount = Integer<i64, 0, AMOUNT_MAX>;
/// Decimal places of a base unit.
pub(crate) type Scale = Integer<u8, 0, 6>;
/// How long a hold lasts, at most thirty days.
pub(crate) type TtlSeconds = Integer<u32, 1, 2_592_000>;
/// The number of a reservation's line.
pub(crate) type LineNumber = Integer<u32, 1, { u32::MAX as i64 }>;

impl<T: TryFrom<i64>, const MIN: i64, const MAX: i64> Member for Integer<T, MIN, MAX> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer)
            .ok()
            .filter(|number| (MIN..=MAX).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .map(Self)
            .ok_or_else(|| D::Error::custom(format_args!("must be an integer from {MIN} to {MAX}")))
    }

    fn schema() -> RefOr<Schema> {
        let format = if size_of::<T>() > 4 { KnownFormat::Int64 } else { KnownFormat::Int32 };
        integer_schema(format, MIN, MAX).into()
    }
}

fn integer_schema(format: KnownFormat, min: i64, max: i64) -> ObjectSchema {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(format)))
        .minimum(Some(min))
        // A larger bound is one of our own counters, and no reader keeps it exact.
        .maximum((max <= AMOUNT_MAX).then_some(max))
        .build()
}

/// A difference in base units, up or down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delta(pub i64);

impl Member for Delta {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Integer::<i64, { -AMOUNT_MAX }, AMOUNT_MAX>::read(deserializer)? {
            Integer(0) => Err(D::Error::custom("must not be 0")),
            Integer(delta) => Ok(Self(delta)),
        }
    }

    fn schema() -> RefOr<Schema> {
        integer_schema(KnownFormat::Int64, -AMOUNT_MAX, AMOUNT_MAX).into()
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

/// A value that must be named, if only as null.
#[derive(Debug)]
pub(crate) struct Nullable<T>(pub(crate) Option<T>);

impl<T: Member> Member for Nullable<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_option(NullableVisitor(PhantomData));
        value.map(Self).map_err(|error| D::Error::custom(format_args!("{error}, or null")))
    }

    fn schema() -> RefOr<Schema> {
        let mut schema = T::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema
            && let SchemaType::Type(known) = &object.schema_type
        {
            object.schema_type = SchemaType::from_iter([known.clone(), Type::Null]);
        }
        schema
    }
}

struct NullableVisitor<T>(PhantomData<T>);

impl<'de, T: Member> Visitor<'de> for NullableVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value or null")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        T::read(deserializer).map(Some)
    }
}

/// Text that is parsed into a checked value.
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

pub(crate) fn text_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn bounded(len_max: usize) -> ObjectBuilder {
    text_schema().min_length(Some(1)).max_length(Some(len_max))
}

macro_rules! text_members {
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

text_members! {
    Sku: text_schema().pattern(Some(NAME_PATTERN)),
    LocationCode: text_schema().pattern(Some(NAME_PATTERN)),
    Code: text_schema().pattern(Some(CODE_PATTERN)),
    Label: bounded(255).pattern(Some(PRINTABLE_PATTERN)),
    Note: bounded(NOTE_CHARS_MAX).pattern(Some(NOTE_PATTERN)),
    Key: bounded(255).pattern(Some("^[ -~]*$")),
    Timestamp: text_schema().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
    EventId: text_schema().pattern(Some("^[0-9]+-[0-9]+$")),
    ReversalId: text_schema().format(Some(SchemaFormat::Custom("uuid".to_owned()))),
    ReservationId: text_schema().pattern(Some(RESERVATION_ID_PATTERN)),
    PositionToken: text_schema().pattern(Some("^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*$")),
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

/// A sentence for people, in which lines may be broken.
#[derive(Debug)]
pub(crate) struct Note(String);

impl FromStr for Note {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_allowed =
            |character: char| !character.is_control() || matches!(character, '\n' | '\t');
        if (1..=NOTE_CHARS_MAX).contains(&text.chars().count()) && text.chars().all(is_allowed) {
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
                $crate::http::json::values::read_word(deserializer, &[$(($word, $value)),+])
            }

            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::json::values::text_schema().enum_values(Some([$($word),+])).into()
            }
        }
    };
}
pub(crate) use words;

pub(crate) fn read_word<'de, T: Copy, D: Deserializer<'de>>(
    deserializer: D,
    words: &[(&str, T)],
) -> Result<T, D::Error> {
    let given: Option<String> = read_text(deserializer).ok();
    let known = words.iter().find(|(word, _)| given.as_deref() == Some(*word));
    known.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        D::Error::custom(format_args!("must be one of {}", words.join(", ")))
    })
}

/// The caller's own names and values.
#[derive(Debug)]
pub(crate) struct Metadata(pub(crate) BTreeMap<String, String>);

impl Metadata {
    /// What is wrong with an entry.
    fn entry_fault(name: &str, value: Option<&str>) -> Option<String> {
        let is_printable = |text: &str| !text.chars().any(char::is_control);
        let is_value =
            |value: &str| value.chars().count() <= METADATA_VALUE_CHARS_MAX && is_printable(value);
        if !(1..=METADATA_NAME_CHARS_MAX).contains(&name.chars().count()) || !is_printable(name) {
            let max = METADATA_NAME_CHARS_MAX;
            Some(format!("must be named by 1 to {max} printable characters"))
        } else if !value.is_some_and(is_value) {
            let max = METADATA_VALUE_CHARS_MAX;
            Some(format!("must be text of at most {max} printable characters"))
        } else {
            None
        }
    }
}

impl Member for Metadata {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor).map(Self)
    }

    fn schema() -> RefOr<Schema> {
        let value = text_schema()
            .max_length(Some(METADATA_VALUE_CHARS_MAX))
            .pattern(Some(PRINTABLE_PATTERN));
        let name = bounded(METADATA_NAME_CHARS_MAX).pattern(Some(PRINTABLE_PATTERN));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property_names(Some(Schema::from(name.build())))
            .additional_properties(Some(AdditionalProperties::from(Schema::from(value.build()))))
            .max_properties(Some(METADATA_LEN_MAX))
            .into()
    }

    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        let Value::Object(entries) = value else {
            faults.add(at, "must be an object");
            return;
        };
        if entries.len() > METADATA_LEN_MAX {
            faults.add(at, format_args!("must have at most {METADATA_LEN_MAX} members"));
        }
        for (name, value) in entries {
            if let Some(fault) = Self::entry_fault(name, value.as_str()) {
                faults.add(at.member(name), fault);
            }
        }
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of text")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, String>()? {
            if let Some(fault) = Metadata::entry_fault(&name, Some(&value)) {
                return Err(A::Error::custom(fault));
            }
            if entries.len() == METADATA_LEN_MAX || entries.insert(name, value).is_some() {
                return Err(A::Error::custom("has too many members, or one twice"));
            }
        }
        Ok(entries)
    }
}

object! {
    /// The outside document behind a command.
    pub(crate) struct Reference as "Reference" {
        r#type: Label,
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
    let reference =
        reference.map(|Reference { r#type, id, line }| event::Reference { kind: r#type, id, line });
    let note = note.map(|note| note.0);
    let metadata = metadata.map(|metadata| metadata.0).unwrap_or_default();
    let is_empty = note.is_none() && metadata.is_empty();
    let context = (!is_empty).then_some(event::Context { note, metadata });
    event::Cause { reason, reference, context }
}
