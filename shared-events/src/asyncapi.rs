//! An AsyncAPI 3 description of every topic, for generators and catalogues of others.
//!
//! Values are described by their [schemas](crate::schema), which the description refers to.

use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::patterns;
use crate::schema;

/// The topic that alerts are published to, unless query-service has another.
pub const ALERTS_TOPIC: &str = "inventory.alerts";

/// What the topics are called here.
#[derive(Debug, Clone, Copy)]
pub struct Topics<'a> {
    pub events: &'a str,
    pub payment_requests: &'a str,
    pub payment_replies: &'a str,
    /// What others do with holds, if Stockbook takes part in that.
    pub choreography: Option<&'a str>,
}

/// One topic, and the types of its records.
struct Channel<'a> {
    id: &'static str,
    address: &'a str,
    description: &'static str,
    key: &'static str,
    /// Whether Stockbook writes it; else it reads it.
    is_written: bool,
    headers: &'static str,
    /// Types with their versions.
    records: Vec<(&'static str, i16)>,
}

fn channels<'a>(topics: &Topics<'a>) -> Vec<Channel<'a>> {
    let versions = |(name, today): &(&'static str, i16)| {
        let name = *name;
        (1..=*today).map(move |version| (name, version))
    };
    let mut channels = vec![
        Channel {
            id: "events",
            address: topics.events,
            description: "Every event, once or more often, each lane in order in the partition with its number. \
                          A reader drops what is not beyond the position that it has.",
            key: "The stream.",
            is_written: true,
            headers: "EventHeaders",
            records: Event::TYPES.iter().flat_map(versions).collect(),
        },
        Channel {
            id: "alerts",
            address: ALERTS_TOPIC,
            description: "What somebody has to look at, once or more often, with the same `ce_id`.",
            key: "The item, the transfer or the order.",
            is_written: true,
            headers: "CloudEventHeaders",
            records: ALERTS.iter().map(|name| (*name, 1)).collect(),
        },
        Channel {
            id: "paymentRequests",
            address: topics.payment_requests,
            description: "What the payment service is asked, again and again until it replies.",
            key: "The order.",
            is_written: true,
            headers: "CloudEventHeaders",
            records: vec![("PaymentRequest", 1)],
        },
        Channel {
            id: "paymentReplies",
            address: topics.payment_replies,
            description: "What the payment service replies. What cannot be read goes to a topic with `.rejected` \
                          after its name, with the reason in the header `rejected_because`.",
            key: "The order.",
            is_written: false,
            headers: "ReplyHeaders",
            records: vec![("PaymentReply", 1)],
        },
    ];
    channels.extend(topics.choreography.map(|address| Channel {
        id: "holdPayments",
        address,
        description: "What others did with holds, where holds are paid for by events alone.",
        key: "The reservation.",
        is_written: false,
        headers: "ReplyHeaders",
        records: vec![("HoldPayment", 1)],
    }));
    channels
}

/// The types of alerts. Their schemas are written by hand.
const ALERTS: [&str; 3] = ["LowStockAlert", "TransferOverdueAlert", "OrderNeedsOperatorAlert"];

/// The description.
pub fn document(topics: &Topics<'_>) -> Value {
    let (mut channels_of, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for channel in channels(topics) {
        let mut of_channel = Map::new();
        for (name, version) in &channel.records {
            let id = format!("{name}.{version}");
            of_channel.insert(id.clone(), reference(&["components", "messages", &id]));
            messages.insert(id, message(&channel, name, *version));
        }
        let (id, action) = (channel.id, if channel.is_written { "send" } else { "receive" });
        operations.insert(
            id.to_owned(),
            json!({"action": action, "channel": reference(&["channels", id])}),
        );
        channels_of.insert(
            id.to_owned(),
            json!({
                "address": channel.address, "description": channel.description, "messages": of_channel,
            }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stockbook",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What Stockbook writes to Kafka and reads from it: CloudEvents 1.0 in binary mode.",
        },
        "defaultContentType": "application/json",
        "channels": channels_of,
        "operations": operations,
        "components": {"messages": messages, "schemas": headers()},
    })
}

fn reference(path: &[&str]) -> Value {
    json!({"$ref": format!("#/{}", path.join("/"))})
}

fn message(channel: &Channel<'_>, name: &str, version: i16) -> Value {
    let headers = reference(&["components", "schemas", channel.headers]);
    let headers = match channel.headers {
        "EventHeaders" => json!({"allOf": [
            headers,
            {"properties": {
                "ce_type": {"const": name}, "schema_version": {"const": version.to_string()},
            }},
        ]}),
        _ => headers,
    };
    json!({
        "name": name,
        "title": format!("{name} version {version}"),
        "headers": headers,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": {"$ref": format!("/schemas/{}", schema::name(name, version))},
        },
        "bindings": {
            "kafka": {"key": {"type": "string", "description": channel.key}, "bindingVersion": "0.5.0"},
        },
    })
}

/// What the headers of records are, all of them text.
fn headers() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let number = |description: &str| json!({"type": "string", "pattern": "^[0-9]+$", "description": description});
    let time = |description: &str| json!({"type": "string", "pattern": patterns::TIMESTAMP, "description": description});
    let hash = |description: &str| json!({"type": "string", "pattern": "^[0-9a-f]{64}$", "description": description});
    let cloud_event = json!({
        "ce_specversion": {"const": "1.0"},
        "ce_id": text("The same whenever the record is sent again."),
        "ce_source": text("Which part of Stockbook wrote it."),
        "ce_type": text("The type of the value."),
        "ce_time": time("When it happened."),
        "ce_subject": text("The stream that it is about."),
        "content-type": {"const": "application/json"},
    });
    let mut event = cloud_event.clone();
    let more = json!({
        "position": number("Its number in its lane, without gaps."),
        "version": number("Its number in its stream, without gaps."),
        "schema_version": number("The version of the type."),
        "recorded_at": time("When it was recorded."),
        "actor": text("Who did it."),
        "caller": text("The credential that asked."),
        "correlation_id": text("Connects the events of related commands."),
        "causation_id": text("The cause, as the caller named it."),
        "traceparent": text("The W3C trace context."),
        "personal": text("Whose personal data came with it, and the sealed box, as JSON."),
        "chain": hash("The running hash of the lane after it."),
        "redacted": text("What was removed from it for good, with commas. Present only then, as the next two are."),
        "data_hash": hash("Of the value that was recorded, which its link covers."),
        "personal_hash": hash("Of the personal data, if that was removed."),
        "chain_version": number("The version of its link; absent means 1."),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut event, more) {
        all.extend(more);
    }
    let required = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"];
    let of_event = [
        "content-type",
        "position",
        "version",
        "schema_version",
        "recorded_at",
        "correlation_id",
        "chain",
    ];
    let of_events = [&required[..], &of_event[..]].concat();
    json!({
        "CloudEventHeaders": {"type": "object", "properties": cloud_event, "required": required},
        "EventHeaders": {
            "type": "object",
            "properties": event,
            "required": of_events,
        },
        "ReplyHeaders": {
            "type": "object",
            "properties": {"ce_id": text("The key of idempotency: the same whenever it is sent again.")},
        },
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;
    use crate::payment::{REPLIES_TOPIC, REQUESTS_TOPIC};
    use crate::record::{Record, TOPIC};
    use crate::recorded::RecordedEvent;

    fn usual() -> Value {
        document(&Topics {
            events: TOPIC,
            payment_requests: REQUESTS_TOPIC,
            payment_replies: REPLIES_TOPIC,
            choreography: Some("payments.events"),
        })
    }

    #[test]
    fn the_description_is_the_committed_one() {
        let now = serde_json::to_string_pretty(&usual()).expect("a description is JSON") + "\n";
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("asyncapi.json");
        if fs::read_to_string(&committed).unwrap_or_default() != now {
            let accepted = env::temp_dir().join("asyncapi.json");
            fs::write(&accepted, now).expect("the temporary folder can be written");
            let (accepted, committed) = (accepted.display(), committed.display());
            panic!("the description changed; to accept it: cp {accepted} {committed}");
        }
    }

    #[test]
    fn every_record_that_is_described_has_a_schema() {
        let document = usual();
        let messages = document["components"]["messages"].as_object().expect("messages");
        for (id, message) in messages {
            let name = message["name"].as_str().expect("a name");
            let version = id.rsplit('.').next().expect("a version").parse().expect("a number");
            assert!(schema::of(name, version).is_some(), "{id}");
        }
        assert!(messages.len() > 100, "{}", messages.len());
    }

    #[test]
    fn a_record_has_the_headers_that_are_described() {
        let described = headers();
        let described = &described["EventHeaders"];
        for golden in [
            include_str!("../tests/golden/recorded_event.json"),
            include_str!("../tests/golden/recorded_event.chain3.json"),
            include_str!("../tests/golden/recorded_event.redacted.json"),
        ] {
            let event: RecordedEvent = serde_json::from_str(golden).expect("an event");
            let record = Record::of(&event);
            let has = |name: &str| record.headers.iter().any(|(header, _)| *header == name);
            for (name, _) in &record.headers {
                assert!(described["properties"][name].is_object(), "{name} is not described");
            }
            for name in described["required"].as_array().expect("a list") {
                assert!(has(name.as_str().expect("a name")), "{name} is missing");
            }
        }
    }
}
