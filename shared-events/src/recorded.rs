//! An event with its position in the log, as the log stores it, its endpoints list it and Kafka carries it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::chain::{self, Chain, Hash, Link, data_hash};
use crate::event::{DecodeError, Event};
pub use crate::lane::EventId;
use crate::lane::{Lane, Position, Version};
use crate::personal::Personal;
use crate::redaction::{Redacted, RedactedMember};
use crate::stream::Stream;
use crate::time::Timestamp;
use crate::values::Label;

/// An event with its position in the log. `data` keeps the bytes that were written.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Line")]
pub struct RecordedEvent {
    pub lane: Lane,
    pub position: Position,
    pub stream: Stream,
    /// Its version in the stream.
    pub version: Version,
    /// The published name of its type, which this binary may not know.
    pub event_type: String,
    /// The version of the type.
    pub schema_version: i16,
    /// When it happened, according to the caller.
    pub occurred_at: Timestamp,
    /// When it was recorded; never goes back within a lane.
    pub recorded_at: Timestamp,
    /// The opaque id of the actor.
    pub actor: Option<Label>,
    /// The credential that asked; none where nobody signed in.
    pub caller: Option<Label>,
    /// Connects related commands.
    pub correlation_id: Label,
    /// The cause, as named by the caller.
    pub causation_id: Option<Label>,
    /// The payload, byte for byte; of a redacted event, what is left of it.
    pub data: Box<RawValue>,
    /// Personal data, sealed; the same on every event of its command.
    pub personal: Option<Arc<Personal>>,
    /// What was removed from it, if anything was.
    pub redacted: Option<Box<Redacted>>,
    /// The chain after it.
    pub chain: Chain,
    /// The W3C trace context, which only appears as a header.
    pub traceparent: Option<Label>,
}

/// An event as its line of JSON has it.
#[derive(Deserialize)]
struct Line {
    lane: Lane,
    position: Position,
    stream: Stream,
    version: Version,
    #[serde(rename = "type")]
    event_type: String,
    schema_version: i16,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    actor: Option<Label>,
    caller: Option<Label>,
    correlation_id: Label,
    causation_id: Option<Label>,
    data: Box<RawValue>,
    personal: Option<Arc<Personal>>,
    #[serde(default)]
    redacted: BTreeSet<RedactedMember>,
    data_hash: Option<Hash>,
    personal_hash: Option<Hash>,
    chain: Chain,
}

impl TryFrom<Line> for RecordedEvent {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, Self::Error> {
        let Line { redacted: members, personal_hash, .. } = line;
        let redacted = match line.data_hash {
            Some(data_hash) if !members.is_empty() => {
                Some(Box::new(Redacted { members, data_hash, personal_hash }))
            }
            None if members.is_empty() && personal_hash.is_none() => None,
            Some(_) | None => return Err("redacted members come with the hash of the data"),
        };
        Ok(Self {
            lane: line.lane,
            position: line.position,
            stream: line.stream,
            version: line.version,
            event_type: line.event_type,
            schema_version: line.schema_version,
            occurred_at: line.occurred_at,
            recorded_at: line.recorded_at,
            actor: line.actor,
            caller: line.caller,
            correlation_id: line.correlation_id,
            causation_id: line.causation_id,
            data: line.data,
            personal: line.personal,
            redacted,
            chain: line.chain,
            traceparent: None,
        })
    }
}

impl RecordedEvent {
    pub fn id(&self) -> EventId {
        EventId(self.lane, self.position)
    }

    pub fn event(&self) -> Result<Event, DecodeError> {
        Event::from_json(&self.event_type, self.schema_version, self.data.get())
    }

    /// The version of its link in the chain.
    pub fn chain_version(&self) -> u8 {
        chain::version(self.caller.is_some(), self.personal_hash().is_some())
    }

    /// The hash of the data that was recorded.
    fn data_hash(&self) -> [u8; 32] {
        match &self.redacted {
            None => data_hash(self.data.get()),
            Some(redacted) => redacted.data_hash.0,
        }
    }

    /// The hash of the personal data that was recorded, if any was.
    fn personal_hash(&self) -> Option<[u8; 32]> {
        let removed = self.redacted.as_ref().and_then(|redacted| redacted.personal_hash);
        let kept = self.personal.as_ref().map(|personal| personal.hash());
        kept.or(removed.map(|hash| hash.0))
    }

    /// The correct chain after this event, given the chain before it.
    pub fn chain_after(&self, previous: Chain) -> Chain {
        let link = Link {
            lane: self.lane,
            position: self.position,
            stream: &self.stream.to_string(),
            version: self.version,
            event_type: &self.event_type,
            schema_version: self.schema_version,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            actor: self.actor.as_ref().map(Label::as_str),
            correlation_id: self.correlation_id.as_str(),
            causation_id: self.causation_id.as_ref().map(Label::as_str),
            data_hash: self.data_hash(),
            caller: self.caller.as_ref().map(Label::as_str),
            personal: self.personal_hash(),
        };
        link.after(previous)
    }
}

impl Serialize for RecordedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("RecordedEvent", 20)?;
        event.serialize_field("id", &self.id())?;
        event.serialize_field("lane", &self.lane)?;
        event.serialize_field("position", &self.position)?;
        event.serialize_field("stream", &self.stream)?;
        event.serialize_field("version", &self.version)?;
        event.serialize_field("type", &self.event_type)?;
        event.serialize_field("schema_version", &self.schema_version)?;
        event.serialize_field("occurred_at", &self.occurred_at)?;
        event.serialize_field("recorded_at", &self.recorded_at)?;
        event.serialize_field("actor", &self.actor)?;
        event.serialize_field("caller", &self.caller)?;
        event.serialize_field("correlation_id", &self.correlation_id)?;
        event.serialize_field("causation_id", &self.causation_id)?;
        event.serialize_field("data", &self.data)?;
        match &self.personal {
            None => event.skip_field("personal")?,
            Some(personal) => event.serialize_field("personal", personal)?,
        }
        match &self.redacted {
            None => event.skip_field("redacted")?,
            Some(redacted) => {
                event.serialize_field("redacted", &redacted.members)?;
                event.serialize_field("data_hash", &redacted.data_hash)?;
                if let Some(hash) = &redacted.personal_hash {
                    event.serialize_field("personal_hash", hash)?;
                }
            }
        }
        event.serialize_field("chain", &self.chain)?;
        match self.chain_version() {
            1 => event.skip_field("chain_version")?,
            version => event.serialize_field("chain_version", &version)?,
        }
        event.end()
    }
}
