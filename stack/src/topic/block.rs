//! A record as a block of text.

use std::fmt::Write as _;

use shared_events::lane::Position;
use shared_events::record::{self, RecordError};

/// A record on Kafka, which may be a foreign one.
pub(crate) struct Block<'a> {
    /// The partition is the lane.
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: &'a [u8],
    pub(crate) headers: Vec<(&'a str, &'a [u8])>,
    pub(crate) value: &'a [u8],
}

impl Block<'_> {
    /// The position of the event.
    pub(crate) fn position(&self) -> Result<Position, RecordError> {
        let headers = self.headers.iter().copied();
        record::read(self.partition, self.value, headers).map(|event| event.position)
    }

    /// A line with position and type, a line of headers, the JSON, and an empty line.
    pub(crate) fn text(&self, position: &Result<Position, RecordError>) -> String {
        let Self { partition, offset, .. } = self;
        let mut text = match position {
            Ok(position) => format!("{partition}:{position}  {}", self.header("ce_type")),
            Err(error) => format!("{partition}:?  not an event of Stockbook ({error})"),
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "  key {}  offset {offset}\n ", readable(self.key));
        for (name, value) in &self.headers {
            let _ = write!(text, " {}={}", readable(name.as_bytes()), readable(value));
        }
        let _ = write!(text, "\n  {}\n\n", readable(self.value));
        text
    }

    fn header(&self, name: &str) -> String {
        let header = self.headers.iter().find(|(other, _)| *other == name);
        header.map_or_else(String::new, |(_, value)| readable(value))
    }
}

/// Bytes as text without control characters.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for letter in String::from_utf8_lossy(bytes).chars() {
        if letter.is_control() {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &[u8] = b"4d759905b5bf057d16103156287890cdb7befc5c6b3a8cfb4d31d6598344ca59";

    fn text(block: &Block<'_>) -> String {
        block.text(&block.position())
    }

    #[test]
    fn an_event_is_shown_with_its_position_headers_and_json() {
        let block = Block {
            partition: 3,
            offset: 12,
            key: b"stock/85123A/MAIN",
            headers: vec![
                ("ce_type", b"StockIssued"),
                ("ce_time", b"2010-12-01T08:26:00.000000Z"),
                ("ce_subject", b"stock/85123A/MAIN"),
                ("position", b"7"),
                ("version", b"2"),
                ("schema_version", b"1"),
                ("recorded_at", b"2026-11-20T10:00:00.000000Z"),
                ("correlation_id", b"0193"),
                ("chain", CHAIN),
            ],
            value: br#"{"sku":"85123A","quantity":6}"#,
        };
        assert_eq!(
            text(&block),
            "3:7  StockIssued  key stock/85123A/MAIN  offset 12\n  \
             ce_type=StockIssued ce_time=2010-12-01T08:26:00.000000Z ce_subject=stock/85123A/MAIN \
             position=7 version=2 schema_version=1 recorded_at=2026-11-20T10:00:00.000000Z \
             correlation_id=0193 \
             chain=4d759905b5bf057d16103156287890cdb7befc5c6b3a8cfb4d31d6598344ca59\n  \
             {\"sku\":\"85123A\",\"quantity\":6}\n\n"
        );
    }

    #[test]
    fn a_foreign_record_is_shown_with_its_fault_and_without_control_characters() {
        let block = Block {
            partition: 0,
            offset: 5,
            key: b"",
            headers: vec![("x", b"a\x1b[2J")],
            value: b"hello\nworld \xff",
        };
        assert_eq!(
            text(&block),
            "0:?  not an event of Stockbook (value: invalid utf-8 sequence of 1 bytes from index 12)  \
             key   offset 5\n  x=a\\u{1b}[2J\n  hello\\nworld \u{fffd}\n\n"
        );
    }
}
