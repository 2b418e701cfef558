//! Checks regularly that the topic still has what was written to it. An idle producer gets no error,
//! and a recreated topic stays empty until somebody fills it again.

use rdkafka::error::KafkaError;
use shared_events::lane::Lane;

use super::metrics::{self, State};
use super::publisher::Publisher;
use crate::topic::{TopicError, check_partitions};

#[derive(Debug, thiserror::Error)]
pub(crate) enum MonitorError {
    #[error(transparent)]
    Topic(TopicError),
    #[error("partition {0} lost records: the topic was recreated or truncated")]
    RecordsLost(Lane),
}

/// Checks the topic once; each partition must reach to the offset in `reached`. Blocks.
///
/// Brokers that do not answer are not an error: the producer waits for them.
pub(crate) fn check(
    publisher: &Publisher,
    lanes: usize,
    reached: &[(Lane, i64)],
) -> Result<(), MonitorError> {
    match check_partitions(publisher.client(), publisher.topic(), lanes) {
        Ok(()) => {}
        Err(TopicError::Kafka(error)) => return unavailable(&error),
        Err(error) => return Err(MonitorError::Topic(error)),
    }
    for (lane, offset_after) in reached {
        match publisher.high_watermark(i32::from(lane.0)) {
            Ok(high) if high < *offset_after => return Err(MonitorError::RecordsLost(*lane)),
            Ok(_) => {}
            Err(error) => return unavailable(&error),
        }
    }
    metrics::state(State::Running);
    Ok(())
}

fn unavailable(error: &KafkaError) -> Result<(), MonitorError> {
    tracing::warn!(%error, "Kafka does not answer; events wait in the log, and writes continue");
    metrics::state(State::Waiting);
    Ok(())
}
