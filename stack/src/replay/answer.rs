//! What the command-service answers to a command. Pure: status and bytes in, a value out.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use shared_events::lane::{PositionToken, Version};
use shared_events::stream::Stream;
use shared_events::values::Sku;

/// A decided command.
#[derive(Debug)]
pub struct Answer {
    /// Whether this is the stored answer of an earlier request with the same key.
    pub replayed: bool,
    /// What was decided.
    pub outcome: Outcome,
}

/// What was decided about a command.
#[derive(Debug)]
pub enum Outcome {
    /// It happened.
    Accepted(Accepted),
    /// Nothing happened.
    Refused(Problem),
}

/// What happened.
#[derive(Debug, Deserialize)]
pub struct Accepted {
    /// Where in the log it stands.
    pub position: PositionToken,
    /// The facts.
    pub events: Vec<AcceptedEvent>,
    /// The figures after it.
    #[serde(default)]
    pub figures: Vec<AcceptedFigure>,
}

/// A fact of an answer.
#[derive(Debug, Deserialize)]
pub struct AcceptedEvent {
    /// The history it belongs to.
    pub stream: Stream,
    /// Its place there.
    pub version: Version,
}

/// A figure of an answer.
#[derive(Debug, Deserialize)]
pub struct AcceptedFigure {
    /// The item.
    pub sku: Sku,
    /// Physically there.
    pub on_hand: i64,
    /// What may still be sold.
    pub available: i64,
}

/// Why nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP's word.
    pub status: u16,
    /// The stable code, the last part of `type`; empty when the body is no problem document.
    pub code: String,
    /// The body as it came.
    pub document: String,
}

/// The longest piece of a foreign body that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 2_000;

impl Problem {
    /// The problem in a body, whatever it is.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let document = String::from_utf8_lossy(body);
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let code = value["type"].as_str().unwrap_or_default();
        Self {
            status,
            code: code.rsplit('/').next().unwrap_or_default().to_owned(),
            document: document.trim().chars().take(SHOWN_CHARS_MAX).collect(),
        }
    }

    /// Whether stock was short: an ordinary answer where stock is scarce.
    pub fn is_insufficient_stock(&self) -> bool {
        self.code == "insufficient_stock"
    }

    /// Whether it says nothing about the command, so that the same request should be sent again:
    /// the service could not decide, or is deciding the same key just now. A view that is behind
    /// is an answer: whoever asked looks whether it moves.
    pub fn is_undecided(&self) -> bool {
        (self.status >= 500 && !self.is_not_yet_applied()) || self.code == "idempotency_in_progress"
    }

    /// Whether the view is not yet as far as it was asked to be.
    pub fn is_not_yet_applied(&self) -> bool {
        self.code == "not_yet_applied"
    }

    /// How far the service is, where the problem says so.
    pub fn position(&self) -> Option<PositionToken> {
        let document: Value = serde_json::from_str(&self.document).ok()?;
        document["position"].as_str()?.parse().ok()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.status, self.document)
    }
}

impl Outcome {
    /// The outcome in a decided answer.
    ///
    /// # Errors
    /// It is a success in another form than the API's.
    pub fn read(status: u16, body: &[u8]) -> Result<Self, serde_json::Error> {
        if (200..300).contains(&status) {
            serde_json::from_slice(body).map(Self::Accepted)
        } else {
            Ok(Self::Refused(Problem::read(status, body)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_command_says_where_it_stands_and_what_happened() {
        let body = br#"{"position":"3:1042","recorded_at":"2026-11-20T10:00:00.000000Z",
            "correlation_id":"c","events":[{"id":"3-1042","stream":"stock/85123A/MAIN","version":7,
            "type":"StockIssued"}],"figures":[{"sku":"85123A","location":"MAIN","on_hand":94,
            "reserved":0,"allocated":0,"available":94,"version":7}]}"#;
        let Outcome::Accepted(accepted) = Outcome::read(200, body).expect("an answer") else {
            panic!("200 is an acceptance");
        };
        assert_eq!(accepted.position.to_string(), "3:1042");
        assert_eq!(accepted.events[0].stream.to_string(), "stock/85123A/MAIN");
        assert_eq!(accepted.events[0].version, Version(7));
        assert_eq!(accepted.figures[0].on_hand, 94);
        assert!(Outcome::read(200, b"<html>").is_err());
    }

    #[test]
    fn a_refusal_keeps_its_document_and_its_code() {
        let body = br#"{"type":"/problems/insufficient_stock","status":409,"title":"t"}"#;
        let problem = Problem::read(409, body);
        assert!(problem.is_insufficient_stock() && !problem.is_undecided());
        assert_eq!(problem.to_string(), format!("409 {}", String::from_utf8_lossy(body)));
        assert_eq!(Problem::read(502, b"<html>").code, "");
    }

    #[test]
    fn only_what_was_not_decided_is_sent_again() {
        let progress = br#"{"type":"/problems/idempotency_in_progress"}"#;
        assert!(Problem::read(409, progress).is_undecided());
        assert!(Problem::read(503, b"{}").is_undecided());
        let reused = br#"{"type":"/problems/idempotency_key_reused"}"#;
        for (status, body) in [(422, &reused[..]), (404, b"{}"), (409, b"{}"), (400, b"")] {
            assert!(!Problem::read(status, body).is_undecided(), "{status}");
        }
    }
}
