//! An event with its position in the log, as the log stores it, its endpoints list it and Kafka carries it.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::chain::{self, Chain, Link, data_hash};
use crate::event::{DecodeError, Event};
pub use crate::lane::EventId;
use crate::lane::{Lane, Position, Version};
use crate::personal::Personal;
use crate::stream::Stream;
use crate::time::Timestamp;
use crate::values::Label;

/// An event with its position in the log. `data` keeps the bytes that were written.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordedEvent {
    pub lane: Lane,
    pub position: Position,
    pub stream: Stream,
    /// Its version in the stream.
    pub version: Version,
    /// The published name of its type, which this binary may not know.
    #[serde(rename = "type")]
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
    #[serde(default)]
    pub caller: Option<Label>,
    /// Connects related commands.
    pub correlation_id: Label,
    /// The cause, as named by the caller.
    pub causation_id: Option<Label>,
    /// The payload, byte for byte.
    pub data: Box<RawValue>,
    /// Personal data, sealed; the same on every event of its command.
    #[serde(default)]
    pub personal: Option<Arc<Personal>>,
    /// The chain after it.
    pub chain: Chain,
    /// The W3C trace context, which only appears as a header.
    #[serde(skip)]
    pub traceparent: Option<Label>,
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
        chain::version(self.caller.is_some(), self.personal.is_some())
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
            data_hash: data_hash(self.data.get()),
            caller: self.caller.as_ref().map(Label::as_str),
            personal: self.personal.as_ref().map(|personal| personal.hash()),
        };
        link.after(previous)
    }
}

impl Serialize for RecordedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("RecordedEvent", 17)?;
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
        event.serialize_field("chain", &self.chain)?;
        match self.chain_version() {
            1 => event.skip_field("chain_version")?,
            version => event.serialize_field("chain_version", &version)?,
        }
        event.end()
    }
}
