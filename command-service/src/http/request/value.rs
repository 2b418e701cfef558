//! Single values: JSON or text in, a checked value or what is wrong with it out.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::Value;
use shared_events::lane::Version;
use shared_events::values::{AMOUNT_MAX, Label};

/// Free members are kept in every event of a command, so they are bounded well below the body.
const NOTE_CHARS_MAX: usize = 1_000;
const METADATA_VALUE_CHARS_MAX: usize = 255;

/// How long a hold may last: thirty days.
const TTL_SECONDS_MAX: u32 = 2_592_000;

/// Text that is parsed into a checked value.
pub(in crate::http) fn text<T: FromStr<Err: Display>>(value: Value) -> Result<T, String> {
    match value {
        Value::String(text) => text.parse().map_err(|error: T::Err| error.to_string()),
        _ => Err("must be text".to_owned()),
    }
}

/// A name for people: 1 to 255 printable characters.
pub(super) fn name(value: Value) -> Result<String, String> {
    text::<Label>(value).map(String::from)
}

/// A sentence for people, in which lines may be broken.
pub(super) fn note(value: Value) -> Result<String, String> {
    let is_fine = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    match value {
        Value::String(text)
            if (1..=NOTE_CHARS_MAX).contains(&text.chars().count())
                && text.chars().all(is_fine) =>
        {
            Ok(text)
        }
        _ => Err(format!("must be text of 1 to {NOTE_CHARS_MAX} printable characters")),
    }
}

/// A value of the caller's own, perhaps empty.
pub(super) fn metadata_value(value: Value) -> Result<String, String> {
    match value {
        Value::String(text)
            if text.chars().count() <= METADATA_VALUE_CHARS_MAX
                && !text.chars().any(char::is_control) =>
        {
            Ok(text)
        }
        _ => {
            Err(format!("must be text of at most {METADATA_VALUE_CHARS_MAX} printable characters"))
        }
    }
}

/// Decimal places of a base unit.
pub(super) fn scale(value: Value) -> Result<u8, String> {
    let scale = value.as_u64().and_then(|scale| u8::try_from(scale).ok());
    scale.filter(|scale| *scale <= 6).ok_or_else(|| "must be an integer from 0 to 6".to_owned())
}

/// A whole number, written without fraction or exponent.
pub(super) fn integer(range: RangeInclusive<i64>) -> impl Fn(Value) -> Result<i64, String> {
    move |value| match value.as_i64() {
        Some(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("must be an integer from {} to {}", range.start(), range.end())),
    }
}

/// An amount of which there must be some.
pub(super) fn quantity(value: Value) -> Result<i64, String> {
    integer(1..=AMOUNT_MAX)(value)
}

/// An amount that may be nothing.
pub(super) fn amount(value: Value) -> Result<i64, String> {
    integer(0..=AMOUNT_MAX)(value)
}

/// An amount, or an explicit null where the caller expects none in particular.
pub(super) fn amount_or_null(value: Value) -> Result<Option<i64>, String> {
    match value {
        Value::Null => Ok(None),
        value => amount(value).map(Some).map_err(|error| format!("{error}, or null")),
    }
}

/// A difference, up or down.
pub(super) fn delta(value: Value) -> Result<i64, String> {
    match value.as_i64() {
        Some(number) if number != 0 && (-AMOUNT_MAX..=AMOUNT_MAX).contains(&number) => Ok(number),
        _ => Err(format!("must be an integer from -{AMOUNT_MAX} to {AMOUNT_MAX}, not 0")),
    }
}

/// The number of a line, from 1.
pub(super) fn line_number(value: Value) -> Result<u32, String> {
    whole(1..=u32::MAX)(value)
}

/// How long a hold lasts, in seconds.
pub(super) fn ttl_seconds(value: Value) -> Result<u32, String> {
    whole(1..=TTL_SECONDS_MAX)(value)
}

fn whole(range: RangeInclusive<u32>) -> impl Fn(Value) -> Result<u32, String> {
    let number = integer(i64::from(*range.start())..=i64::from(*range.end()));
    move |value| {
        number(value).map(|number| u32::try_from(number).expect("the range is one of 32 bits"))
    }
}

/// One of some words, each with what it stands for.
pub(super) fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(Value) -> Result<T, String> {
    move |value| {
        let found = words.iter().find(|(word, _)| value.as_str() == Some(*word));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("must be one of {}", words.join(", "))
        })
    }
}

/// An idempotency key.
pub(super) fn key(value: Value) -> Result<Label, String> {
    match text::<Label>(value) {
        Ok(key) if key.as_str().is_ascii() => Ok(key),
        _ => Err("must be 1 to 255 printable ASCII characters".to_owned()),
    }
}

/// A place in a stream; 0 stands for no history.
pub(super) fn version(value: Value) -> Result<Version, String> {
    amount(value).map(Version)
}

/// True or false.
pub(super) fn boolean(value: Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

/// Digits of a whole number, as they stand in a query.
pub(in crate::http) fn digits(range: RangeInclusive<i64>) -> impl Fn(Value) -> Result<i64, String> {
    move |value| {
        let number = value
            .as_str()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok());
        match number {
            Some(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("must be an integer from {} to {}", range.start(), range.end())),
        }
    }
}

/// `true` or `false`, as they stand in a query.
pub(in crate::http) fn switch(value: Value) -> Result<bool, String> {
    match value.as_str() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}
