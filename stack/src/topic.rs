//! `cargo stack topic`: prints the records on Kafka for people.

use std::fmt::Write as _;
use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers as _, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use shared_events::lane::Position;
use shared_events::record::{self, RecordError};

use crate::ports;

/// The limit for one answer of the broker.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The limit for a silence before the end of a lane.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The wait for a next record before the output is flushed.
const LOOK: Duration = Duration::from_millis(200);

/// Prints the events on Kafka, lane after lane, to the end of the topic.
#[derive(Debug, clap::Args)]
pub struct TopicArgs {
    /// Only this lane.
    #[arg(long, value_name = "N")]
    lane: Option<u16>,
    /// Only the events after this position of their lane.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: i64,
    /// Continue with new events until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Stop after this many records.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// The brokers, as host:port with commas.
    #[arg(long, env = "KAFKA_BROKERS", default_value_t = format!("127.0.0.1:{}", ports::KAFKA))]
    brokers: String,
    /// The topic.
    #[arg(long, env = "TOPIC", default_value = record::TOPIC)]
    topic: String,
}

/// Runs `cargo stack topic`. A reader that closes the pipe (`| head`) ends it without an error.
pub async fn run(args: TopicArgs) -> anyhow::Result<ExitCode> {
    // The consumer blocks, and so does stdout.
    tokio::task::spawn_blocking(move || print(&args))
        .await
        .context("printing the topic was interrupted")?
}

fn print(args: &TopicArgs) -> anyhow::Result<ExitCode> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &args.brokers)
        // The group is required but never joined: partitions are assigned, and nothing is committed.
        .set("group.id", "stockbook-topic")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        // A fetch that the broker delays at the end of one lane would delay the next lane.
        .set("fetch.wait.max.ms", "20")
        .create()
        .context("cannot make a Kafka consumer")?;
    let lanes = lanes(&consumer, args)?;
    let out = BufWriter::new(io::stdout().lock());
    let left = args.limit.unwrap_or(u64::MAX);
    let mut printer = Printer { consumer, out, after: Position(args.after), left };
    match printer.print_lanes(args, &lanes) {
        Err(error) if !is_reader_gone(&error) => Err(error),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

/// The lanes to print, ascending.
fn lanes(consumer: &BaseConsumer, args: &TopicArgs) -> anyhow::Result<Vec<i32>> {
    let TopicArgs { topic, brokers, .. } = args;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_MAX).with_context(|| {
        format!("no answer from Kafka at {brokers}; is `cargo stack up` running?")
    })?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let mut lanes: Vec<i32> = partitions.map(|partition| partition.id()).collect();
    lanes.sort_unstable();
    if lanes.is_empty() {
        bail!("Kafka at {brokers} has no topic {topic}");
    }
    match args.lane.map(i32::from) {
        None => Ok(lanes),
        Some(lane) if lanes.contains(&lane) => Ok(vec![lane]),
        Some(lane) => bail!("{topic} has no lane {lane}: it has {}", lanes.len()),
    }
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints records up to the limit.
struct Printer {
    consumer: BaseConsumer,
    out: BufWriter<StdoutLock<'static>>,
    after: Position,
    left: u64,
}

impl Printer {
    fn print_lanes(&mut self, args: &TopicArgs, lanes: &[i32]) -> anyhow::Result<()> {
        let mut reached = TopicPartitionList::new();
        for lane in lanes {
            // An offset is not a position, because an event may be there twice. So a lane is read
            // from its start, and the events before the wanted position are skipped.
            let mut assigned = TopicPartitionList::new();
            assigned.add_partition_offset(&args.topic, *lane, Offset::Beginning)?;
            self.consumer.assign(&assigned)?;
            let end = self.read(false).with_context(|| format!("cannot read lane {lane}"))?;
            reached.add_partition_offset(&args.topic, *lane, end)?;
        }
        if args.follow {
            self.consumer.assign(&reached)?;
            self.read(true).context("cannot continue reading")?;
        }
        Ok(self.out.flush()?)
    }

    /// Prints the assigned lanes: to the end of one, or all of them without an end. Returns the offset to
    /// continue at.
    fn read(&mut self, follow: bool) -> anyhow::Result<Offset> {
        let mut next = Offset::Beginning;
        while self.left > 0 {
            match self.consumer.poll(if follow { LOOK } else { SILENCE_MAX }) {
                Some(Ok(message)) => {
                    next = Offset::Offset(message.offset() + 1);
                    let position = position(&message);
                    if position.as_ref().is_ok_and(|position| *position <= self.after) {
                        continue;
                    }
                    self.left -= 1;
                    self.out.write_all(text(&message, &position).as_bytes())?;
                }
                Some(Err(KafkaError::PartitionEOF(_))) if !follow => break,
                Some(Err(KafkaError::PartitionEOF(_))) => self.out.flush()?,
                None if follow => self.out.flush()?,
                None => bail!("no record arrived for {} s", SILENCE_MAX.as_secs()),
                // The client reconnects by itself.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::OperationTimedOut,
                ))) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
        Ok(next)
    }
}

fn headers(message: &impl Message) -> impl Iterator<Item = (&str, &[u8])> {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    headers.map(|header| (header.key, header.value.unwrap_or_default()))
}

/// The position of the event; a record may be a foreign one.
fn position(message: &impl Message) -> Result<Position, RecordError> {
    let value = message.payload().unwrap_or_default();
    record::read(message.partition(), value, headers(message)).map(|event| event.position)
}

/// A line with position and type, a line of headers, the JSON, and an empty line.
fn text(message: &impl Message, position: &Result<Position, RecordError>) -> String {
    let lane = message.partition();
    let mut text = match position {
        Ok(position) => {
            let kind = headers(message).find(|(name, _)| *name == "ce_type");
            format!("{lane}:{position}  {}", readable(kind.unwrap_or_default().1))
        }
        Err(error) => format!("{lane}:?  not an event of Stockbook ({error})"),
    };
    let key = readable(message.key().unwrap_or_default());
    // Writing to a String cannot fail.
    let _ = write!(text, "  key {key}  offset {}\n ", message.offset());
    for (name, value) in headers(message) {
        let _ = write!(text, " {}={}", readable(name.as_bytes()), readable(value));
    }
    let _ = write!(text, "\n  {}\n\n", readable(message.payload().unwrap_or_default()));
    text
}

/// Bytes as text without control characters.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for letter in String::from_utf8_lossy(bytes).chars() {
        if letter.is_control() {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    use super::*;

    /// How a record on lane 3 at offset 12 is shown.
    fn shown(key: &str, headers: &[(&str, &[u8])], value: &[u8]) -> String {
        let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        });
        let (key, value, time) = (key.into(), value.into(), Timestamp::NotAvailable);
        let topic = record::TOPIC.to_owned();
        let message = OwnedMessage::new(Some(value), Some(key), topic, time, 3, 12, Some(headers));
        text(&message, &position(&message))
    }

    #[test]
    fn an_event_is_shown_with_its_position_headers_and_json() {
        let headers: [(&str, &[u8]); 9] = [
            ("ce_type", b"StockIssued"),
            ("ce_time", b"2010-12-01T08:26:00.000000Z"),
            ("ce_subject", b"stock/85123A/MAIN"),
            ("position", b"7"),
            ("version", b"2"),
            ("schema_version", b"1"),
            ("recorded_at", b"2026-11-20T10:00:00.000000Z"),
            ("correlation_id", b"0193"),
            ("chain", b"4d759905b5bf057d16103156287890cdb7befc5c6b3a8cfb4d31d6598344ca59"),
        ];
        assert_eq!(
            shown("stock/85123A/MAIN", &headers, br#"{"sku":"85123A","quantity":6}"#),
            "3:7  StockIssued  key stock/85123A/MAIN  offset 12\n  \
             ce_type=StockIssued ce_time=2010-12-01T08:26:00.000000Z ce_subject=stock/85123A/MAIN \
             position=7 version=2 schema_version=1 recorded_at=2026-11-20T10:00:00.000000Z \
             correlation_id=0193 \
             chain=4d759905b5bf057d16103156287890cdb7befc5c6b3a8cfb4d31d6598344ca59\n  \
             {\"sku\":\"85123A\",\"quantity\":6}\n\n"
        );
    }

    #[test]
    fn a_foreign_record_is_shown_with_its_fault_and_without_control_characters() {
        assert_eq!(
            shown("", &[("x", b"a\x1b[2J")], b"hello\nworld \xff"),
            "3:?  not an event of Stockbook (value: invalid utf-8 sequence of 1 bytes from index 12)  \
             key   offset 12\n  x=a\\u{1b}[2J\n  hello\\nworld \u{fffd}\n\n"
        );
    }
}
