//! Where Kafka is, a producer that costs nothing while nothing is sent, and the log of Kafka clients.
//!
//! `rdkafka::producer::FutureProducer` wakes ten times a second, then spins for up to a millisecond until
//! its deadline, and copies every record that fails. An idle service would use a percent of a core for
//! that.

mod brokers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::oneshot;

use crate::outage::Outage;

pub use self::brokers::{Brokers, SaslMechanism, SecurityProtocol};

/// How long the thread waits for acknowledgements at a time while records are in flight.
const POLL_MAX: Duration = Duration::from_millis(100);

/// How often the thread looks for errors of the client while nothing is in flight.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// The setting of a topic that says whose time its records carry, and its value for the broker's.
pub const TIMES: &str = "message.timestamp.type";
pub const TIMES_OF_BROKER: &str = "LogAppendTime";

/// Kafka does not let a client of this service in.
static REFUSED: Outage = Outage::none();

/// Logs what librdkafka reports, at debug level: it heals by itself or comes back as the error of a call,
/// and repeats twice a second while brokers are away. That brokers and this service do not trust each other
/// does not heal, and is said now and then.
#[derive(Debug, Clone, Copy)]
pub struct Logs;

impl ClientContext for Logs {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let refusals = [
            RDKafkaErrorCode::Authentication,
            RDKafkaErrorCode::SaslAuthenticationFailed,
            RDKafkaErrorCode::SSL,
        ];
        let is_refused = code.is_some_and(|code| refusals.contains(&code));
        if let Some(failures) = is_refused.then(|| REFUSED.failed()).flatten() {
            tracing::warn!(
                %error,
                failures,
                "Kafka and this service do not trust each other; check KAFKA_SECURITY_PROTOCOL, \
                 KAFKA_CA, KAFKA_USERNAME and the password: {reason}"
            );
        } else {
            tracing::debug!(target: "librdkafka", %error, "{reason}");
        }
    }
}

impl ConsumerContext for Logs {}

/// A topic that has its records' times from the broker. Kafka refuses a record whose sender says a time more than
/// an hour ahead of the broker's clock, so one machine with a wrong clock could publish nothing.
pub fn new_topic(name: &str, partitions: i32, copies: i32) -> NewTopic<'_> {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(copies));
    topic.set(TIMES, TIMES_OF_BROKER)
}

/// The offset of a record, or why Kafka does not have it. The other end is dropped with the producer.
pub type Delivery = oneshot::Receiver<KafkaResult<i64>>;

/// Sends each record's outcome to its [`Delivery`].
pub struct Deliveries;

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Logs.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Logs.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<oneshot::Sender<KafkaResult<i64>>>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, sender: Self::DeliveryOpaque) {
        let outcome = match delivered {
            Ok(record) => Ok(record.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        // A dropped receiver has lost interest.
        let _ = sender.send(outcome);
    }
}

/// A producer with a thread that receives acknowledgements. Dropping it blocks until the thread has ended
/// and librdkafka has stopped, so that nothing is sent afterwards.
pub struct Producer {
    inner: Arc<BaseProducer<Deliveries>>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Producer {
    pub fn connect(settings: &ClientConfig) -> KafkaResult<Self> {
        let inner: Arc<BaseProducer<_>> = Arc::new(settings.create_with_context(Deliveries)?);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("kafka producer".to_owned()).spawn({
            let (inner, is_stopped) = (Arc::clone(&inner), Arc::clone(&is_stopped));
            move || serve(&inner, &is_stopped)
        });
        let thread = thread.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(Self { inner, is_stopped, thread: Some(thread) })
    }

    /// Queues a record behind those already sent, without waiting.
    pub fn send<K: ToBytes + ?Sized, P: ToBytes + ?Sized>(
        &self,
        record: BaseRecord<'_, K, P>,
    ) -> KafkaResult<Delivery> {
        let (sender, delivery) = oneshot::channel();
        let record = BaseRecord {
            topic: record.topic,
            partition: record.partition,
            payload: record.payload,
            key: record.key,
            timestamp: record.timestamp,
            headers: record.headers,
            delivery_opaque: Box::new(sender),
        };
        self.inner.send(record).map_err(|(error, _)| error)?;
        self.wake();
        Ok(delivery)
    }

    /// The client, for requests about topics.
    pub fn client(&self) -> &Client<Deliveries> {
        self.inner.client()
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

/// An idempotent producer that sends records in order and never gives up on one while later ones might get
/// through. Dropping it blocks, so that happens outside the runtime's threads.
pub struct Sender(Option<Producer>);

impl Sender {
    pub fn connect(mut settings: ClientConfig) -> KafkaResult<Self> {
        settings
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "1")
            // A topic that is not there fails what is queued for it after this long.
            .set("topic.metadata.propagation.max.ms", "5000");
        Ok(Self(Some(Producer::connect(&settings)?)))
    }

    /// Sends records in order and waits until all are acknowledged.
    pub async fn send<'a, K: ToBytes + ?Sized + 'a, P: ToBytes + ?Sized + 'a>(
        &self,
        records: impl Iterator<Item = BaseRecord<'a, K, P>>,
    ) -> KafkaResult<()> {
        let producer = self.0.as_ref().expect("only drop takes it");
        let deliveries =
            records.map(|record| producer.send(record)).collect::<KafkaResult<Vec<_>>>()?;
        for delivery in deliveries {
            delivery.await.unwrap_or(Err(KafkaError::Canceled))?;
        }
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let producer = self.0.take();
        tokio::task::spawn_blocking(move || drop(producer));
    }
}

/// Where a consumer continues after these records, which are in the order of their partitions.
pub fn offsets_after<M: Message>(records: &[M]) -> KafkaResult<TopicPartitionList> {
    let mut offsets = TopicPartitionList::new();
    for record in records {
        let next = Offset::Offset(record.offset() + 1);
        match offsets.find_partition(record.topic(), record.partition()) {
            Some(mut known) => known.set_offset(next)?,
            None => offsets.add_partition_offset(record.topic(), record.partition(), next)?,
        }
    }
    Ok(offsets)
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of a Kafka producer panicked");
        }
    }
}

fn serve(producer: &BaseProducer<Deliveries>, is_stopped: &AtomicBool) {
    while !is_stopped.load(Ordering::Acquire) {
        if producer.in_flight_count() > 0 {
            producer.poll(POLL_MAX);
        } else {
            producer.poll(Duration::ZERO);
            // A record that is sent in between has woken this thread already.
            thread::park_timeout(IDLE_PAUSE);
        }
    }
}
