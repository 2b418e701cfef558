//! Text types that are checked once, when they are parsed.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Visitor;
use uuid::Uuid;

use crate::slot::SLOTS;

/// Text that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {expected}")]
pub struct ValueError {
    /// The rule, to follow "must be".
    pub expected: &'static str,
}

/// The largest amount that a caller may use: 2^53 − 1, the largest integer that every JSON reader keeps
/// exact.
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// The longest [`Label`].
pub const LABEL_CHARS_MAX: usize = 255;

/// Reads and writes a type as the text of its `FromStr` and `Display`.
macro_rules! serde_as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(crate::values::TextVisitor(std::marker::PhantomData))
            }
        }
    };
}
pub(crate) use serde_as_text;

/// Parses borrowed text, so that reading a value needs no temporary string.
pub(crate) struct TextVisitor<T>(pub(crate) PhantomData<T>);

impl<T: FromStr<Err = ValueError>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $is_valid:path, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                if $is_valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(ValueError { expected: $expected })
                }
            }
        }

        serde_as_text!($name);

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }
    };
}

text_value! {
    /// The key of an item. Safe inside a stream name, a path and a statement.
    Sku, is_name, "1 to 64 of A–Z a–z 0–9 . _ ~ : + - (and not . or ..)"
}
text_value! {
    /// The key of a location, with the same rule as [`Sku`].
    LocationCode, is_name, "1 to 64 of A–Z a–z 0–9 . _ ~ : + - (and not . or ..)"
}
text_value! {
    /// A machine-readable code, such as a reason, a purpose, a kind of location or a unit.
    Code, is_code, "1 to 64 of a–z 0–9 _"
}
text_value! {
    /// An opaque external name, such as an actor, an owner, a document or a correlation.
    Label, is_label, "1 to 255 printable characters"
}

impl Label {
    /// The label of an id, or of a word of our own.
    ///
    /// # Panics
    /// If it is none.
    pub fn known(text: &str) -> Self {
        text.parse().expect("ids and words are short and printable")
    }
}

text_value! {
    /// The id of a reservation, made by the server: `{slot}-{uuid}` with the slot of the first line's sku,
    /// so that a reservation of one line stays in one lane.
    ReservationId, is_id_with_slot, "a reservation's id"
}
text_value! {
    /// The id of a transfer, made by the server like a [`ReservationId`].
    TransferId, is_id_with_slot, "a transfer's id"
}
text_value! {
    /// The id of an order, made by the server like a [`ReservationId`]. Its reservation has the same id.
    OrderId, is_id_with_slot, "an order's id"
}
text_value! {
    /// The id of a reversal, made by the server.
    ReversalId, is_uuid, "a reversal's id"
}

macro_rules! id_with_slot {
    ($($name:ident),+) => {$(
        impl $name {
            /// A new id with the slot of the first line's sku.
            pub fn new(slot: u16, uuid: Uuid) -> Self {
                Self(format!("{}-{}", slot % SLOTS, uuid.hyphenated()).into())
            }

            /// The slot, which decides the lane.
            pub fn slot(&self) -> u16 {
                let parts = slot_and_uuid(&self.0);
                parts.map(|(slot, _)| slot).expect("it was checked when it was parsed")
            }
        }
    )+};
}

id_with_slot!(ReservationId, TransferId, OrderId);

impl OrderId {
    /// The id of the order's reservation. No other can have it, so an order never holds stock twice.
    pub fn reservation(&self) -> ReservationId {
        ReservationId(self.0.clone())
    }
}

impl ReversalId {
    /// A new id.
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid.hyphenated().to_string().into())
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~:+-".contains(&byte))
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn is_label(text: &str) -> bool {
    (1..=LABEL_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_id_with_slot(text: &str) -> bool {
    slot_and_uuid(text).is_some_and(|(_, uuid)| is_uuid(uuid))
}

/// One slot has one spelling: no sign, no leading zero.
fn slot_and_uuid(text: &str) -> Option<(u16, &str)> {
    let (digits, uuid) = text.split_once('-')?;
    let slot = digits.parse().ok().filter(|slot: &u16| *slot < SLOTS)?;
    (slot.to_string() == digits).then_some((slot, uuid))
}

/// One UUID has one spelling: hyphenated, in lower case.
fn is_uuid(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservations_id_carries_its_slot_and_has_one_spelling() {
        let uuid = "019a9f3c-5a3e-7cc1-8a05-0242ac120002";
        let id: ReservationId = format!("1023-{uuid}").parse().expect("an id");
        assert_eq!(id.slot(), 1023);
        assert_eq!(ReservationId::new(1023, uuid.parse().expect("a UUID")), id);
        for bad in ["", "7", uuid, "07-", "1024-", "+7-", "7--", "-"] {
            let bad = format!("{bad}{uuid}");
            assert!(bad.parse::<ReservationId>().is_err(), "{bad}");
        }
        assert!(format!("7-{}", uuid.to_uppercase()).parse::<ReservationId>().is_err());
        assert!(format!("7-{}", uuid.replace('-', "")).parse::<ReservationId>().is_err());
    }

    #[test]
    fn names_contain_only_safe_characters() {
        for good in ["85123A", "a", "A.b_c~d:e+f-9", "...", &"x".repeat(64)] {
            assert!(good.parse::<Sku>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\0", "a%2F", &"x".repeat(65)] {
            assert!(bad.parse::<Sku>().is_err(), "{bad}");
        }
    }

    #[test]
    fn codes_are_snake_case() {
        assert!("opening_balance".parse::<Code>().is_ok());
        for bad in ["", "Sale", "a-b", &"x".repeat(65)] {
            assert!(bad.parse::<Code>().is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_are_printable_and_bounded_in_characters_not_bytes() {
        assert!("ü".repeat(255).parse::<Label>().is_ok());
        for bad in ["", "a\nb", "a\0b", &"ü".repeat(256)] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }
}
