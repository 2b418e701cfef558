//! Looks, now and then, whether the topic is still the one we write to. An idle producer is told
//! nothing, and a topic that was made anew stays empty until somebody fills it.

use rdkafka::error::KafkaError;
use shared_events::lane::Lane;

use super::meter::{self, State};
use super::publisher::Publisher;
use crate::topic::{TopicError, check_partitions};

/// What was found wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error(transparent)]
    Topic(TopicError),
    #[error("partition {0} lost records: the topic was made anew or cut")]
    RecordsLost(Lane),
}

/// Looks once. `reached` says which offset each lane's partition must reach to. Blocks.
///
/// # Errors
/// The topic is not what it was. Brokers that do not answer are no error: the producer waits for
/// them, and nothing has to be begun again.
pub(super) fn watch(
    publisher: &Publisher,
    lanes: usize,
    reached: &[(Lane, i64)],
) -> Result<(), WatchError> {
    match check_partitions(publisher.client(), publisher.topic(), lanes) {
        Ok(()) => {}
        Err(TopicError::Kafka(error)) => return away(&error),
        Err(error) => return Err(WatchError::Topic(error)),
    }
    for (lane, offset_after) in reached {
        match publisher.high_watermark(i32::from(lane.0)) {
            Ok(high) if high < *offset_after => return Err(WatchError::RecordsLost(*lane)),
            Ok(_) => {}
            Err(error) => return away(&error),
        }
    }
    meter::state(State::Running);
    Ok(())
}

fn away(error: &KafkaError) -> Result<(), WatchError> {
    tracing::warn!(%error, "Kafka does not answer; events wait in the log, writes go on");
    meter::state(State::Waiting);
    Ok(())
}
