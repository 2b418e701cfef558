//! A recorded event as a Kafka record: topic `inventory.events`, partition = lane, key = stream,
//! value = the data bytes, headers in CloudEvents 1.0 binary mode
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>).
//!
//! Independent of the Kafka client: each service converts records to the type of its client.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::lane::Lane;
use crate::recorded::RecordedEvent;
use crate::redaction::Redacted;

/// The topic of all events.
pub const TOPIC: &str = "inventory.events";

/// `ce_source` of every record.
pub const SOURCE: &str = "/stockbook/log";

/// A record as a Kafka client takes and returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition, which is the lane.
    pub partition: i32,
    /// The name of the stream.
    pub key: String,
    /// The event's data, byte for byte as stored.
    pub value: String,
    /// Names and values, in a fixed order.
    pub headers: Vec<(&'static str, String)>,
}

impl Record {
    /// The record that publishes an event.
    pub fn of(event: &RecordedEvent) -> Self {
        let stream = event.stream.to_string();
        let mut headers = vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", event.id().to_string()),
            ("ce_source", SOURCE.to_owned()),
            ("ce_type", event.event_type.clone()),
            ("ce_time", event.occurred_at.to_string()),
            ("ce_subject", stream.clone()),
            ("content-type", "application/json".to_owned()),
            ("position", event.position.to_string()),
            ("version", event.version.to_string()),
            ("schema_version", event.schema_version.to_string()),
            ("recorded_at", event.recorded_at.to_string()),
        ];
        let optional = [
            ("actor", event.actor.as_ref()),
            ("caller", event.caller.as_ref()),
            ("correlation_id", Some(&event.correlation_id)),
            ("causation_id", event.causation_id.as_ref()),
            ("traceparent", event.traceparent.as_ref()),
        ];
        headers.extend(
            optional.into_iter().filter_map(|(name, text)| Some((name, text?.to_string()))),
        );
        headers.extend(event.personal.as_ref().map(|personal| ("personal", personal.to_string())));
        if let Some(redacted) = &event.redacted {
            let members: Vec<&str> =
                redacted.members.iter().map(|member| member.as_str()).collect();
            headers.push(("redacted", members.join(",")));
            headers.push(("data_hash", redacted.data_hash.to_string()));
            let personal = redacted.personal_hash.as_ref();
            headers.extend(personal.map(|hash| ("personal_hash", hash.to_string())));
        }
        headers.push(("chain", event.chain.to_string()));
        match event.chain_version() {
            1 => {}
            version => headers.push(("chain_version", version.to_string())),
        }
        Self {
            partition: i32::from(event.lane.0),
            key: stream,
            value: event.data.get().to_owned(),
            headers,
        }
    }
}

/// A record that this crate did not make.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The partition cannot be a lane.
    #[error("partition {0} cannot be a lane")]
    Partition(i32),
    /// A required header is missing.
    #[error("header {0} is missing")]
    MissingHeader(&'static str),
    /// A header, the key or the value does not fit.
    #[error("{name}: {reason}")]
    Malformed { name: &'static str, reason: String },
}

/// Reads an event from a record. The headers may come in any order and include unknown ones.
pub fn read<'a>(
    partition: i32,
    value: &[u8],
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<RecordedEvent, RecordError> {
    let headers = Headers::of(headers);
    let lane = u16::try_from(partition).map_err(|_| RecordError::Partition(partition))?;
    let data = std::str::from_utf8(value).map_err(|error| malformed("value", &error))?;
    let data =
        RawValue::from_string(data.to_owned()).map_err(|error| malformed("value", &error))?;
    Ok(RecordedEvent {
        lane: Lane(lane),
        position: crate::lane::Position(headers.required("position")?),
        stream: headers.required("ce_subject")?,
        version: crate::lane::Version(headers.required("version")?),
        event_type: headers.required("ce_type")?,
        schema_version: headers.required("schema_version")?,
        occurred_at: headers.required("ce_time")?,
        recorded_at: headers.required("recorded_at")?,
        actor: headers.optional("actor")?,
        caller: headers.optional("caller")?,
        correlation_id: headers.required("correlation_id")?,
        causation_id: headers.optional("causation_id")?,
        data,
        personal: headers.optional("personal")?.map(Arc::new),
        redacted: redacted(&headers)?,
        chain: headers.required("chain")?,
        traceparent: headers.optional("traceparent")?,
    })
}

/// What was removed from the event of a record, if anything was.
fn redacted(headers: &Headers<'_>) -> Result<Option<Box<Redacted>>, RecordError> {
    let Some(data_hash) = headers.optional("data_hash")? else {
        return Ok(None);
    };
    let names: String = headers.required("redacted")?;
    let members = names
        .split(',')
        .map(|name| name.parse().map_err(|error| malformed("redacted", &error)))
        .collect::<Result<_, _>>()?;
    let personal_hash = headers.optional("personal_hash")?;
    Ok(Some(Box::new(Redacted { members, data_hash, personal_hash })))
}

/// The headers that [`read`] uses.
const READ: [&str; 17] = [
    "position",
    "ce_subject",
    "version",
    "ce_type",
    "schema_version",
    "ce_time",
    "recorded_at",
    "actor",
    "caller",
    "correlation_id",
    "causation_id",
    "chain",
    "traceparent",
    "personal",
    "data_hash",
    "redacted",
    "personal_hash",
];

/// Their values; of a repeated header the last one.
struct Headers<'a> {
    /// In the order of [`READ`].
    values: [Option<&'a [u8]>; READ.len()],
}

impl<'a> Headers<'a> {
    fn of(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut values = [None; READ.len()];
        for (name, value) in headers {
            if let Some(index) = Self::index(name) {
                values[index] = Some(value);
            }
        }
        Self { values }
    }

    /// A linear search through a dozen short names is faster than a hash map.
    fn index(name: &str) -> Option<usize> {
        READ.iter().position(|read| *read == name)
    }

    fn optional<T>(&self, name: &'static str) -> Result<Option<T>, RecordError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let Some(bytes) = Self::index(name).and_then(|index| self.values[index]) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(name, &error))?;
        text.parse().map(Some).map_err(|error| malformed(name, &error))
    }

    fn required<T>(&self, name: &'static str) -> Result<T, RecordError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        self.optional(name)?.ok_or(RecordError::MissingHeader(name))
    }
}

fn malformed(name: &'static str, reason: &dyn std::fmt::Display) -> RecordError {
    RecordError::Malformed { name, reason: reason.to_string() }
}
