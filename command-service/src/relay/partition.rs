//! Reads the ends of partitions, to find what Kafka already has of a lane.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use service_edge::kafka::{Brokers, Logs};
use shared_events::lane::{Lane, Position};
use shared_events::record;
use tokio_util::sync::CancellationToken;

use super::resume::{Partition, Seen};
use crate::kafka::settings;

/// How long one request to the brokers may take.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// How long reading the ends of all partitions may take.
const READ_MAX: Duration = Duration::from_secs(15);

/// The longest run of records after a mark that is read. Marks are saved several times a second, so a
/// longer run means that something else is wrong, and duplicates are the smaller evil.
const RUN_MAX: i64 = 20_000;

/// How many records are searched for one of ours when the last ones are not.
const FOREIGN_MAX: i64 = 1_000;

/// Why the end of a partition could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("the end of the partition was not read in time")]
    TimedOut,
    #[error("the last {FOREIGN_MAX} records of the partition are not ours")]
    Foreign,
}

/// Reads the ends of the partitions of these lanes, each with the records since its mark. Blocks, until
/// `stop` is cancelled at most.
pub(crate) fn read_ends(
    brokers: &Brokers,
    topic: &str,
    marks: &BTreeMap<Lane, Position>,
    stop: &CancellationToken,
) -> BTreeMap<Lane, Result<Partition, ReadError>> {
    let consumer = match consumer_settings(brokers).create_with_context(Logs) {
        Ok(consumer) => consumer,
        Err(error) => {
            return marks
                .keys()
                .map(|lane| (*lane, Err(ReadError::Kafka(error.clone()))))
                .collect();
        }
    };
    let reader = Reader { consumer, topic, deadline: Instant::now() + READ_MAX, stop };
    reader.read(marks)
}

fn consumer_settings(brokers: &Brokers) -> ClientConfig {
    let mut settings = settings(brokers);
    settings
        // Manual assignment requires a group name, though nothing joins the group or commits.
        .set("group.id", "stockbook-relay")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_uncommitted")
        .set("fetch.wait.max.ms", "10");
    settings
}

struct Reader<'a> {
    consumer: BaseConsumer<Logs>,
    topic: &'a str,
    deadline: Instant,
    stop: &'a CancellationToken,
}

/// The records in a range of offsets; `None` for one that is not ours.
type Records = Vec<Option<Seen>>;

impl Reader<'_> {
    fn read(
        &self,
        marks: &BTreeMap<Lane, Position>,
    ) -> BTreeMap<Lane, Result<Partition, ReadError>> {
        // 1. The offsets of each partition.
        let mut ends: BTreeMap<Lane, Result<Partition, ReadError>> =
            marks.keys().map(|lane| (*lane, self.watermarks(*lane))).collect();
        // 2. The last record, or more of them where that one is not ours.
        for length in [1, FOREIGN_MAX] {
            let wanted = last_offsets(&ends, |_, end| end.tail.is_none().then_some(length));
            self.each(&mut ends, wanted, |end, records| {
                end.tail = records.into_iter().flatten().last();
            });
        }
        for end in ends.values_mut() {
            if matches!(end, Ok(end) if end.tail.is_none() && end.low < end.high) {
                *end = Err(ReadError::Foreign);
            }
        }
        // 3. The records since the mark.
        let wanted = last_offsets(&ends, |lane, end| {
            let run = end.tail?.position.0 - marks.get(&lane)?.0;
            (1..=RUN_MAX).contains(&run).then_some(run)
        });
        self.each(&mut ends, wanted, |end, records| {
            end.since_mark = records.into_iter().flatten().collect();
        });
        ends
    }

    fn in_time(&self) -> bool {
        Instant::now() < self.deadline && !self.stop.is_cancelled()
    }

    fn watermarks(&self, lane: Lane) -> Result<Partition, ReadError> {
        if !self.in_time() {
            return Err(ReadError::TimedOut);
        }
        let (low, high) =
            self.consumer.fetch_watermarks(self.topic, i32::from(lane.0), REQUEST_MAX)?;
        Ok(Partition { low, high, ..Partition::default() })
    }

    /// Reads the wanted offsets and notes their records, or the error.
    fn each(
        &self,
        ends: &mut BTreeMap<Lane, Result<Partition, ReadError>>,
        wanted: BTreeMap<Lane, Range<i64>>,
        note: impl Fn(&mut Partition, Records),
    ) {
        if wanted.is_empty() {
            return;
        }
        let read = self.records(&wanted);
        for lane in wanted.keys() {
            let Some(Ok(end)) = ends.get_mut(lane) else {
                continue;
            };
            match &read {
                Ok(read) => match read.get(lane) {
                    Some((records, true)) => note(end, records.clone()),
                    Some((_, false)) | None => {
                        ends.insert(*lane, Err(ReadError::TimedOut));
                    }
                },
                Err(error) => {
                    ends.insert(*lane, Err(ReadError::Kafka(error.clone())));
                }
            }
        }
    }

    /// The records at the wanted offsets, and whether all of them were reached in time.
    fn records(
        &self,
        wanted: &BTreeMap<Lane, Range<i64>>,
    ) -> Result<BTreeMap<Lane, (Records, bool)>, KafkaError> {
        let mut assignment = TopicPartitionList::new();
        for (lane, offsets) in wanted {
            let first = Offset::Offset(offsets.start);
            assignment.add_partition_offset(self.topic, i32::from(lane.0), first)?;
        }
        self.consumer.assign(&assignment)?;
        let mut read: BTreeMap<Lane, (Records, bool)> =
            wanted.keys().map(|lane| (*lane, (Records::new(), false))).collect();
        while read.values().any(|(_, complete)| !complete) && self.in_time() {
            match self.consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => {
                    let lane = lane_of(message.partition());
                    if let (Some((records, complete)), Some(offsets)) =
                        (read.get_mut(&lane), wanted.get(&lane))
                    {
                        if message.offset() < offsets.end {
                            records.push(seen(&message));
                        }
                        *complete |= message.offset() + 1 >= offsets.end;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some((_, complete)) = read.get_mut(&lane_of(partition)) {
                        *complete = true;
                    }
                }
                Some(Err(error)) => tracing::debug!(%error, "while reading the end of partitions"),
            }
        }
        self.consumer.unassign()?;
        Ok(read)
    }
}

/// The last `length` offsets of every readable partition.
fn last_offsets(
    ends: &BTreeMap<Lane, Result<Partition, ReadError>>,
    length: impl Fn(Lane, &Partition) -> Option<i64>,
) -> BTreeMap<Lane, Range<i64>> {
    ends.iter()
        .filter_map(|(lane, end)| {
            let end = end.as_ref().ok()?;
            let length = length(*lane, end)?;
            let offsets = end.low.max(end.high - length)..end.high;
            (!offsets.is_empty()).then_some((*lane, offsets))
        })
        .collect()
}

fn lane_of(partition: i32) -> Lane {
    Lane(u16::try_from(partition).expect("only partitions that are lanes are assigned"))
}

/// Position and chain of a record, if it is one of ours.
fn seen(message: &BorrowedMessage<'_>) -> Option<Seen> {
    let headers = message.headers()?;
    let headers = headers.iter().filter_map(|header| Some((header.key, header.value?)));
    let event = record::read(message.partition(), message.payload()?, headers).ok()?;
    Some(Seen { position: event.position, chain: event.chain })
}
