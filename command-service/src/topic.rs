//! The Kafka topic: created by `create-topic`, and checked by the relay before it publishes.

use std::thread;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, ConfigSource, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::types::RDKafkaRespErr;
use service_edge::kafka::{Brokers, Logs, TIMES, TIMES_OF_BROKER, new_topic};

use crate::kafka::settings;

/// How long one request to the brokers may take.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// How long a new topic may take until every partition has a leader.
const LEADERS_MAX: Duration = Duration::from_secs(30);

/// Why the topic cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("topic {0} does not exist; create it with `create-topic`")]
    Missing(String),
    /// Each lane needs its partition.
    #[error("topic {topic} has {found} partitions, but the log has {lanes} lanes")]
    Partitions { topic: String, found: usize, lanes: usize },
    /// Compaction would keep only the last event of each stream.
    #[error("topic {topic} has cleanup.policy={policy}, which loses events; it must be delete")]
    Compacts { topic: String, policy: String },
    #[error("partition {partition} of topic {topic} has no leader")]
    NoLeader { topic: String, partition: i32 },
    #[error("Kafka refuses topic {topic}: {code}")]
    Refused { topic: String, code: RDKafkaErrorCode },
    #[error("Kafka does not answer about the topic: {0}")]
    Kafka(KafkaError),
}

impl From<KafkaError> for TopicError {
    fn from(error: KafkaError) -> Self {
        // Part of the message, and so not also its source.
        Self::Kafka(error)
    }
}

/// The largest record. An event of a reservation or a transfer repeats all its lines, up to 5,000, and is
/// at most a third of this.
pub(crate) const RECORD_BYTES_MAX: usize = 8 << 20;

/// Creates the topic with one partition for each lane, and waits until every partition has a leader. A
/// topic with that many partitions may exist already.
///
/// The topic keeps everything forever, for people inspect it; the log refills what a broker loses.
pub async fn create(
    brokers: &Brokers,
    topic: &str,
    lanes: u16,
    replication_factor: u16,
) -> Result<(), TopicError> {
    let (brokers, topic) = (brokers.clone(), topic.to_owned());
    blocking(move || {
        let topic = Topic::connect(&brokers, topic)?;
        topic.create(lanes, replication_factor)?;
        topic.wait_for_leaders(usize::from(lanes))?;
        topic.check_settings()
    })
    .await
}

/// Replaces the topic by an empty one like it: with as many copies of each partition, and with its settings.
pub(crate) async fn replace(
    brokers: &Brokers,
    topic: &str,
    lanes: usize,
) -> Result<(), TopicError> {
    let (brokers, topic) = (brokers.clone(), topic.to_owned());
    blocking(move || {
        let topic = Topic::connect(&brokers, topic)?;
        let copies = with_metadata(topic.client.inner(), &topic.name, |found| {
            partition_count(found, &topic.name, lanes)?;
            Ok(found.partitions().iter().map(|part| part.replicas().len()).max().unwrap_or(1))
        })?;
        let settings = topic.settings()?;
        topic.delete()?;
        topic.create_with(lanes, copies, &settings)?;
        topic.wait_for_leaders(lanes)?;
        topic.check_settings()
    })
    .await
}

/// Creates topics that others read and write, too, unless they exist. They keep records as long as the broker
/// does by default: the log has every request and every reply that counts.
pub async fn create_for_payments(
    brokers: &Brokers,
    topics: Vec<String>,
    partitions: u16,
    replication_factor: u16,
) -> Result<(), TopicError> {
    let brokers = brokers.clone();
    blocking(move || {
        let (partitions, copies) = (i32::from(partitions), i32::from(replication_factor));
        let new: Vec<NewTopic<'_>> =
            topics.iter().map(|name| new_topic(name, partitions, copies)).collect();
        create_all(&settings(&brokers).create_with_context(Logs)?, &new)
    })
    .await
}

/// The topic of messages that cannot be read.
pub(crate) fn rejected_topic(topic: &str) -> String {
    format!("{topic}.rejected")
}

/// Creates topics that do not exist.
fn create_all(client: &AdminClient<Logs>, topics: &[NewTopic<'_>]) -> Result<(), TopicError> {
    let options =
        AdminOptions::new().request_timeout(Some(LEADERS_MAX)).operation_timeout(Some(LEADERS_MAX));
    for result in block_on(client.create_topics(topics, &options))? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicError::Refused { topic, code }),
        }
    }
    Ok(())
}

/// Checks that the relay may publish: the topic has one partition for each lane and is not compacted.
pub(crate) async fn check(brokers: &Brokers, topic: &str, lanes: usize) -> Result<(), TopicError> {
    let (brokers, topic) = (brokers.clone(), topic.to_owned());
    blocking(move || {
        let topic = Topic::connect(&brokers, topic)?;
        check_partitions(topic.client.inner(), &topic.name, lanes)?;
        topic.check_settings()
    })
    .await
}

/// The part of the check that needs no admin client. Blocks for up to five seconds.
pub(crate) fn check_partitions(
    client: &Client<impl rdkafka::ClientContext>,
    topic: &str,
    lanes: usize,
) -> Result<(), TopicError> {
    with_metadata(client, topic, |metadata| partition_count(metadata, topic, lanes))
}

/// librdkafka's metadata calls block, and so does dropping a client.
async fn blocking(
    work: impl FnOnce() -> Result<(), TopicError> + Send + 'static,
) -> Result<(), TopicError> {
    tokio::task::spawn_blocking(work)
        .await
        .expect("requests about a topic do not panic, and nothing aborts them")
}

struct Topic {
    client: AdminClient<Logs>,
    name: String,
}

impl Topic {
    fn connect(brokers: &Brokers, name: String) -> Result<Self, TopicError> {
        let client = settings(brokers).create_with_context(Logs)?;
        Ok(Self { client, name })
    }

    fn create(&self, lanes: u16, replication_factor: u16) -> Result<(), TopicError> {
        let record_bytes_max = RECORD_BYTES_MAX.to_string();
        let mut topic = new_topic(&self.name, i32::from(lanes), i32::from(replication_factor))
            .set("cleanup.policy", "delete")
            .set("retention.ms", "-1")
            .set("max.message.bytes", &record_bytes_max);
        if replication_factor >= 3 {
            // Otherwise an acknowledgement could mean a single copy.
            topic = topic.set("min.insync.replicas", "2");
        }
        create_all(&self.client, &[topic])
    }

    /// The settings that were made for it.
    fn settings(&self) -> Result<Vec<(String, String)>, TopicError> {
        let options = AdminOptions::new().request_timeout(Some(REQUEST_MAX));
        let asked = [ResourceSpecifier::Topic(&self.name)];
        let mut settings = Vec::new();
        for described in block_on(self.client.describe_configs(&asked, &options))? {
            let described = described.map_err(|code| self.refused(code))?;
            let own = described
                .entries
                .into_iter()
                .filter(|entry| entry.source == ConfigSource::DynamicTopic);
            settings.extend(own.filter_map(|entry| Some((entry.name, entry.value?))));
        }
        Ok(settings)
    }

    /// Deletes it, and waits until it can be created again.
    fn delete(&self) -> Result<(), TopicError> {
        let options = AdminOptions::new()
            .request_timeout(Some(LEADERS_MAX))
            .operation_timeout(Some(LEADERS_MAX));
        for deleted in block_on(self.client.delete_topics(&[&self.name], &options))? {
            deleted.map_err(|(topic, code)| TopicError::Refused { topic, code })?;
        }
        Ok(())
    }

    /// Creates it once the brokers have forgotten the one that was deleted.
    fn create_with(
        &self,
        lanes: usize,
        copies: usize,
        settings: &[(String, String)],
    ) -> Result<(), TopicError> {
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let replication = TopicReplication::Fixed(count(copies));
        let topic = NewTopic::new(&self.name, count(lanes), replication);
        let topic = settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let options = AdminOptions::new()
            .request_timeout(Some(LEADERS_MAX))
            .operation_timeout(Some(LEADERS_MAX));
        let deadline = Instant::now() + LEADERS_MAX;
        loop {
            let created = block_on(self.client.create_topics([&topic], &options))?;
            let refusal = created.into_iter().find_map(Result::err);
            match refusal {
                None => return Ok(()),
                Some((_, RDKafkaErrorCode::TopicAlreadyExists)) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(50));
                }
                Some((topic, code)) => return Err(TopicError::Refused { topic, code }),
            }
        }
    }

    /// A new topic reaches the brokers gradually.
    fn wait_for_leaders(&self, lanes: usize) -> Result<(), TopicError> {
        let deadline = Instant::now() + LEADERS_MAX;
        loop {
            let seen = with_metadata(self.client.inner(), &self.name, |metadata| {
                partition_count(metadata, &self.name, lanes)?;
                all_led(metadata, &self.name)
            });
            match seen {
                Err(TopicError::Missing(_) | TopicError::NoLeader { .. })
                    if Instant::now() < deadline =>
                {
                    thread::sleep(Duration::from_millis(50));
                }
                last => return last,
            }
        }
    }

    fn check_settings(&self) -> Result<(), TopicError> {
        let options = AdminOptions::new().request_timeout(Some(REQUEST_MAX));
        let asked = [ResourceSpecifier::Topic(&self.name)];
        for described in block_on(self.client.describe_configs(&asked, &options))? {
            let described = described.map_err(|code| self.refused(code))?;
            let policy = value(&described, "cleanup.policy").unwrap_or("delete");
            if value(&described, TIMES).is_some_and(|times| times != TIMES_OF_BROKER) {
                tracing::warn!(
                    "topic {} takes the times of records from their senders, and Kafka refuses those of a \
                     service whose clock is an hour ahead; set {TIMES}={TIMES_OF_BROKER}",
                    self.name
                );
            }
            if policy.contains("compact") {
                return Err(TopicError::Compacts {
                    topic: self.name.clone(),
                    policy: policy.to_owned(),
                });
            }
        }
        Ok(())
    }

    fn refused(&self, code: RDKafkaErrorCode) -> TopicError {
        match code {
            RDKafkaErrorCode::UnknownTopicOrPartition => TopicError::Missing(self.name.clone()),
            code => TopicError::Refused { topic: self.name.clone(), code },
        }
    }
}

fn value<'a>(settings: &'a ConfigResource, name: &str) -> Option<&'a str> {
    settings.get(name)?.value.as_deref()
}

fn with_metadata<T>(
    client: &Client<impl rdkafka::ClientContext>,
    topic: &str,
    check: impl FnOnce(&MetadataTopic) -> Result<T, TopicError>,
) -> Result<T, TopicError> {
    let metadata = client.fetch_metadata(Some(topic), REQUEST_MAX)?;
    match metadata.topics().iter().find(|found| found.name() == topic) {
        Some(found) => check(found),
        None => Err(TopicError::Missing(topic.to_owned())),
    }
}

fn partition_count(found: &MetadataTopic, topic: &str, lanes: usize) -> Result<(), TopicError> {
    match found.error() {
        None => {}
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => {
            return Err(TopicError::Missing(topic.to_owned()));
        }
        // The brokers still create it.
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) => {
            return Err(TopicError::NoLeader { topic: topic.to_owned(), partition: 0 });
        }
        Some(error) => {
            return Err(TopicError::Refused { topic: topic.to_owned(), code: error.into() });
        }
    }
    if found.partitions().len() == lanes {
        Ok(())
    } else {
        Err(TopicError::Partitions {
            topic: topic.to_owned(),
            found: found.partitions().len(),
            lanes,
        })
    }
}

fn all_led(found: &MetadataTopic, topic: &str) -> Result<(), TopicError> {
    match found.partitions().iter().find(|part| part.leader() < 0) {
        None => Ok(()),
        Some(part) => Err(TopicError::NoLeader { topic: topic.to_owned(), partition: part.id() }),
    }
}
