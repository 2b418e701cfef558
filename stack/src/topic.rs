//! `cargo stack topic`: prints the records on Kafka for people.

mod block;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use shared_events::lane::Position;
use shared_events::record;

use crate::ports;
use crate::topic::block::Block;

/// The limit for one answer of the broker.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The limit for a silence before the end of a partition.
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
    let mut printer = Printer {
        out: BufWriter::new(io::stdout().lock()),
        after: Position(args.after),
        left: args.limit.unwrap_or(u64::MAX),
    };
    match print_lanes(&consumer, args, &lanes, &mut printer) {
        Err(error) if is_reader_gone(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
        Ok(()) => Ok(ExitCode::SUCCESS),
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

fn print_lanes(
    consumer: &BaseConsumer,
    args: &TopicArgs,
    lanes: &[i32],
    printer: &mut Printer<impl Write>,
) -> anyhow::Result<()> {
    let mut reached = TopicPartitionList::new();
    for lane in lanes {
        let end = print_lane(consumer, &args.topic, *lane, printer)?;
        reached.add_partition_offset(&args.topic, *lane, Offset::Offset(end))?;
    }
    printer.out.flush()?;
    if args.follow && !printer.is_done() {
        consumer.assign(&reached)?;
        follow(consumer, printer)?;
    }
    Ok(())
}

/// Prints a lane to its present end, and returns the offset to continue at.
fn print_lane(
    consumer: &BaseConsumer,
    topic: &str,
    lane: i32,
    printer: &mut Printer<impl Write>,
) -> anyhow::Result<i64> {
    let (start, end) = consumer
        .fetch_watermarks(topic, lane, ANSWER_MAX)
        .with_context(|| format!("no answer from Kafka about lane {lane}"))?;
    // An offset is not a position, because an event may be there twice. So a lane is read from its
    // start, and the events before the wanted position are skipped.
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, lane, Offset::Offset(start))?;
    consumer.assign(&assignment)?;
    let mut next = start;
    while next < end && !printer.is_done() {
        match consumer.poll(SILENCE_MAX) {
            Some(Ok(message)) => {
                next = message.offset() + 1;
                printer.print(&message)?;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => next = end,
            Some(Err(error)) => return Err(error).context(format!("cannot read lane {lane}")),
            None => bail!(
                "lane {lane} ends at offset {end}, but no record arrived after {next} for {} s",
                SILENCE_MAX.as_secs()
            ),
        }
    }
    Ok(next)
}

fn follow(consumer: &BaseConsumer, printer: &mut Printer<impl Write>) -> anyhow::Result<()> {
    while !printer.is_done() {
        match consumer.poll(LOOK) {
            Some(Ok(message)) => printer.print(&message)?,
            Some(Err(KafkaError::PartitionEOF(_))) | None => printer.out.flush()?,
            Some(Err(KafkaError::MessageConsumption(code))) if is_temporary(code) => {}
            Some(Err(error)) => return Err(error).context("cannot continue reading"),
        }
    }
    Ok(printer.out.flush()?)
}

/// The client reconnects by itself.
fn is_temporary(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::OperationTimedOut
    )
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints records up to the limit.
struct Printer<W> {
    out: W,
    after: Position,
    left: u64,
}

impl<W: Write> Printer<W> {
    fn is_done(&self) -> bool {
        self.left == 0
    }

    fn print(&mut self, message: &impl Message) -> io::Result<()> {
        let block = Block {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().unwrap_or_default(),
            headers: message
                .headers()
                .into_iter()
                .flat_map(|headers| headers.iter())
                .map(|Header { key, value }| (key, value.unwrap_or_default()))
                .collect(),
            value: message.payload().unwrap_or_default(),
        };
        let position = block.position();
        if position.as_ref().is_ok_and(|position| *position <= self.after) {
            return Ok(());
        }
        self.left = self.left.saturating_sub(1);
        self.out.write_all(block.text(&position).as_bytes())
    }
}
