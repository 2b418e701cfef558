//! The topic of the alerts, made if it is missing.

use std::time::Duration;

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::alerts::{Logs, client_config};
use crate::config::KafkaConfig;

/// How long the brokers may take to make it.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// Makes the topic with one partition a lane; one that is there stays as it is.
pub(super) async fn create(settings: &KafkaConfig, lanes: u16) -> Result<(), KafkaError> {
    let settings = settings.clone();
    // Asking and dropping an admin client block.
    let create = move || {
        let client: AdminClient<Logs> = client_config(&settings).create_with_context(Logs)?;
        let copies = i32::try_from(settings.alerts_replication_factor).unwrap_or(i32::MAX);
        let replication = TopicReplication::Fixed(copies);
        let topic = NewTopic::new(&settings.alerts_topic, i32::from(lanes), replication);
        let options = AdminOptions::new()
            .request_timeout(Some(REQUEST_MAX))
            .operation_timeout(Some(REQUEST_MAX));
        for result in block_on(client.create_topics([&topic], &options))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(KafkaError::AdminOp(code)),
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(create).await.expect("making a topic does not panic")
}
