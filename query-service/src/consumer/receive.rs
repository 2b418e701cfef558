//! Takes records from the client: the first that came, then whatever is there already.

use futures::{FutureExt, StreamExt};
use rdkafka::consumer::MessageStream;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;

use crate::consumer::assign::Context;
use crate::consumer::decode;
use crate::projection::delivery::Arrival;

/// The bounds of one hand-over.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Records.
    pub records_max: usize,
    /// Bytes of their values.
    pub bytes_max: usize,
}

/// Collects the first record and those that are ready after it, up to the bounds.
///
/// # Errors
/// The client has failed for good. What else goes wrong mends itself, and is only told.
pub fn collect<'a>(
    first: KafkaResult<BorrowedMessage<'a>>,
    stream: &mut MessageStream<'a, Context>,
    bounds: Bounds,
) -> KafkaResult<Vec<Arrival>> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Ok(message) => {
                bytes += message.payload_len();
                records.push(decode::arrival(&message));
            }
            Err(error @ KafkaError::MessageConsumptionFatal(_)) => return Err(error),
            // The client's context has told it already.
            Err(error) => tracing::debug!(%error, "Kafka"),
        }
        if records.len() >= bounds.records_max || bytes >= bounds.bytes_max {
            break;
        }
        next = stream.next().now_or_never().flatten();
    }
    Ok(records)
}
