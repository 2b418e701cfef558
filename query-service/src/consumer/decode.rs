//! A Kafka record back into the event it was made of. What comes from outside is not trusted: a record
//! that is not an event becomes an [`Unreadable`], for the projection to stop its lane at.

use rdkafka::message::{BorrowedMessage, Headers, Message};
use shared_events::lane::Lane;
use shared_events::record;

use crate::projection::delivery::{Arrival, Fact, Unreadable};

/// Decodes one record.
pub fn arrival(message: &BorrowedMessage<'_>) -> Arrival {
    let (partition, offset) = (message.partition(), message.offset());
    let headers = message.headers().map(Headers::iter);
    let headers =
        headers.into_iter().flatten().filter_map(|header| Some((header.key, header.value?)));
    let event = record::read(partition, message.payload().unwrap_or_default(), headers)
        .map_err(|error| error.to_string())
        .and_then(|event| match event.position.0 {
            1.. => Ok(event),
            _ => Err("positions begin at 1".to_owned()),
        });
    Arrival {
        lane: Lane(u16::try_from(partition).unwrap_or(u16::MAX)),
        next_offset: Some(offset + 1),
        content: event.map(Fact::of).map_err(|error| Unreadable {
            place: format!("partition {partition} offset {offset}"),
            error,
        }),
    }
}
