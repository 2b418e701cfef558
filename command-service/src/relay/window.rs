//! The records of one lane in flight: a bounded queue whose front is acknowledged first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures::FutureExt;
use rdkafka::error::{KafkaError, KafkaResult};
use service_edge::kafka::Delivery;
use service_edge::traces::{Span, SpanKind, Work};
use shared_events::lane::Position;
use shared_events::recorded::RecordedEvent;
use shared_events::values::Label;
use tokio::sync::oneshot::error::RecvError;

use crate::relay_inbox::event_bytes;

/// Why a record in flight is lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    /// The producer gave up on the record, which may have arrived.
    #[error("Kafka did not accept position {position}: {error}")]
    Kafka { position: Position, error: KafkaError },
    /// The producer was dropped.
    #[error("the producer is gone")]
    Gone,
    /// The partition has fewer records than before: the topic was recreated or truncated.
    #[error(
        "position {position} was stored at offset {offset}, but the least possible is {expected}"
    )]
    RecordsLost { position: Position, offset: i64, expected: i64 },
}

/// The records of one lane in flight. They are acknowledged in order, so an acknowledgement covers all
/// records before it.
pub(crate) struct Window {
    in_flight: VecDeque<InFlight>,
    bytes: usize,
    len_max: usize,
    bytes_max: usize,
    /// The least offset the next record can have been stored at.
    offset_min: i64,
    /// When a record of this producer was last acknowledged.
    acknowledged_at: Option<Instant>,
}

/// How long after an acknowledgement a broker is sure to know the producer; by default it forgets after a day.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);

struct InFlight {
    position: Position,
    bytes: usize,
    delivery: Delivery,
    span: Option<Span>,
}

/// A position, and the offset after its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) position: Position,
    pub(crate) offset_after: i64,
}

impl Window {
    /// Creates an empty window for a partition that ends at offset `high`.
    pub(crate) fn new(len_max: usize, bytes_max: usize, high: i64) -> Self {
        Self {
            in_flight: VecDeque::new(),
            bytes: 0,
            len_max,
            bytes_max,
            offset_min: high,
            acknowledged_at: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// How many more records fit; 0 also when the bytes are exhausted.
    ///
    /// A broker that does not know a producer takes any of its records as the first: if it refuses the one that is, and
    /// then takes the next, that one is out of order for good. So the first is alone until it is acknowledged.
    pub(crate) fn room(&self) -> usize {
        let is_known = self.acknowledged_at.is_some_and(|at| at.elapsed() < KNOWN_FOR);
        let len_max = if is_known { self.len_max } else { 1 };
        if self.bytes < self.bytes_max { len_max.saturating_sub(self.len()) } else { 0 }
    }

    pub(crate) fn push(&mut self, event: &RecordedEvent, delivery: Delivery) {
        let (position, bytes) = (event.position, event_bytes(event));
        self.bytes += bytes;
        self.in_flight.push_back(InFlight { position, bytes, delivery, span: span_of(event) });
    }

    /// Waits for the acknowledgement of the oldest record; forever if nothing is in flight. Safe to drop.
    pub(crate) async fn oldest(&mut self) -> Result<Acknowledged, DeliveryError> {
        match self.in_flight.front_mut() {
            Some(front) => {
                let delivered = (&mut front.delivery).await;
                self.acknowledge(delivered)
            }
            None => std::future::pending().await,
        }
    }

    /// The acknowledgement of the oldest record, if it has arrived.
    pub(crate) fn oldest_now(&mut self) -> Option<Result<Acknowledged, DeliveryError>> {
        let front = self.in_flight.front_mut()?;
        let delivered = (&mut front.delivery).now_or_never()?;
        Some(self.acknowledge(delivered))
    }

    fn acknowledge(
        &mut self,
        delivered: Result<KafkaResult<i64>, RecvError>,
    ) -> Result<Acknowledged, DeliveryError> {
        let InFlight { position, bytes, span, .. } =
            self.in_flight.pop_front().expect("only the front's delivery is awaited");
        self.bytes -= bytes;
        let offset = match delivered {
            Ok(Ok(offset)) => offset,
            Ok(Err(error)) => return Err(DeliveryError::Kafka { position, error }),
            Err(_) => return Err(DeliveryError::Gone),
        };
        let expected = offset_least(self.offset_min, position);
        if offset < expected {
            return Err(DeliveryError::RecordsLost { position, offset, expected });
        }
        self.offset_min = offset + 1;
        self.acknowledged_at = Some(Instant::now());
        if let Some(mut span) = span {
            span.note("messaging.kafka.offset", offset);
        }
        Ok(Acknowledged { position, offset_after: self.offset_min })
    }
}

/// From here to the acknowledgement, in the trace of the command.
fn span_of(event: &RecordedEvent) -> Option<Span> {
    let work = || Work { name: "send".into(), kind: SpanKind::Producer, since: None };
    let mut span = Span::below(event.traceparent.as_ref().map(Label::as_str), work)?;
    span.note("messaging.system", "kafka");
    span.note("messaging.message.id", event.id().to_string());
    Some(span)
}

/// The least possible offset of a position: offsets only grow, and every earlier position has its own
/// record before it.
fn offset_least(offset_min: i64, position: Position) -> i64 {
    offset_min.max(position.0 - 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::oneshot;

    use super::*;

    fn event(position: i64) -> RecordedEvent {
        serde_json::from_value(json!({
            "lane": 0, "position": position, "stream": "item/A", "version": position,
            "type": "ItemChanged", "schema_version": 1,
            "occurred_at": "2010-12-01T08:26:00Z", "recorded_at": "2010-12-01T08:26:00Z",
            "actor": null, "correlation_id": "c", "causation_id": null,
            "data": {}, "chain": "00".repeat(32),
        }))
        .expect("an event")
    }

    #[tokio::test]
    async fn the_first_record_of_a_producer_is_alone_until_it_is_acknowledged() {
        let mut window = Window::new(10, 1 << 20, 0);
        assert_eq!(window.room(), 1);
        let (first, delivery) = oneshot::channel();
        window.push(&event(1), delivery);
        assert_eq!(window.room(), 0);
        first.send(Ok(0)).expect("it is waited for");
        window.oldest().await.expect("it is acknowledged");
        assert_eq!(window.room(), 10);
    }

    #[test]
    fn a_recreated_topic_shows_in_the_first_offset() {
        // Position 7 is stored at offset 6 or, after duplicates, later.
        assert_eq!(offset_least(0, Position(7)), 6);
        assert_eq!(offset_least(9, Position(7)), 9);
        assert_eq!(offset_least(0, Position(1)), 0);
    }
}
