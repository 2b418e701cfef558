//! A separate Stockbook for a test: databases, topic, service processes.

mod databases;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use serde_json::{Value, json};
use shared_events::lane::{Lane, Position, PositionToken};
use stack::postgres::databases::DatabaseUrls;
use stack::services::settings::Settings;
use stack::services::{Service, run_task};

use crate::api::{Answer, Api};
use crate::eventually::eventually;
use crate::world::World;

/// How long a service may take until it can do its work.
pub const READY_MAX: Duration = Duration::from_secs(60);

/// How long Kafka may take to answer.
const BROKER_ANSWER_MAX: Duration = Duration::from_secs(10);

/// A running Stockbook.
pub struct Stockbook {
    /// What it shares with the other tests.
    pub world: Arc<World>,
    /// Its databases.
    pub urls: DatabaseUrls,
    /// Its topic.
    pub topic: String,
    /// Its lanes are 0 up to this.
    pub lanes: u16,
    /// Its command-services.
    pub commands: Vec<Service>,
    /// Its query-services.
    pub queries: Vec<Service>,
    name: String,
}

impl Stockbook {
    /// Four lanes, one service of each kind, both ready.
    pub async fn start(world: &Arc<World>) -> Self {
        let mut stockbook = Self::prepare(world, 4).await;
        stockbook.add_command_service(&[]).await;
        stockbook.add_query_service(&[]).await;
        stockbook
    }

    /// Databases and topic, no service yet.
    pub async fn prepare(world: &Arc<World>, lanes: u16) -> Self {
        let name = world.unique_name();
        let databases = world.servers().databases().expect("there is a Postgres");
        let urls = databases.create(&name).await.expect("databases can be made");
        let stockbook = Self {
            world: Arc::clone(world),
            urls,
            topic: format!("{name}.events"),
            lanes,
            commands: Vec::new(),
            queries: Vec::new(),
            name,
        };
        for (program, owner) in [
            (world.command_service(), &stockbook.urls.write_owner),
            (world.query_service(), &stockbook.urls.read_owner),
        ] {
            let settings = Settings::migrate(owner).with("LANES", lanes.to_string());
            run_task(program, "migrate", &settings).await.expect("migration succeeds");
        }
        stockbook.create_topic().await;
        stockbook
    }

    /// Makes the topic.
    pub async fn create_topic(&self) {
        let settings = Settings::create_topic(self.brokers())
            .with("TOPIC", &self.topic)
            .with("LANES", self.lanes.to_string());
        let program = self.world.command_service();
        run_task(program, "create-topic", &settings).await.expect("the topic can be made");
    }

    /// Has the topic deleted, which takes Kafka a moment.
    pub async fn delete_topic(&self) {
        let topics = [self.topic.as_str()];
        let deleted = self.kafka_admin().delete_topics(&topics, &AdminOptions::new()).await;
        deleted.expect("the broker answers").remove(0).expect("the topic is deleted");
    }

    /// Waits until the deleted topic can be created again.
    pub async fn topic_is_gone(&self) {
        let admin = self.kafka_admin();
        let is_there = async || {
            let metadata = admin.inner().fetch_metadata(None, BROKER_ANSWER_MAX);
            let metadata = metadata.expect("the broker answers");
            metadata.topics().iter().any(|topic| topic.name() == self.topic)
        };
        eventually("the topic is gone", is_there, |is_there| !is_there).await;
    }

    fn kafka_admin(&self) -> AdminClient<DefaultClientContext> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers());
        config.create().expect("an admin client can be made")
    }

    /// Kafka's address.
    pub fn brokers(&self) -> &str {
        self.world.servers().brokers().expect("there is a Kafka")
    }

    /// Starts one more command-service.
    pub async fn add_command_service(&mut self, settings: &[(&'static str, &str)]) {
        let mut all = Settings::command_service(0, &self.urls.write, self.brokers())
            .with("TOPIC", &self.topic);
        for (name, value) in settings {
            all = all.with(name, *value);
        }
        let name = format!("{}-command-{}", self.name, self.commands.len());
        let program = self.world.command_service();
        let folder = self.world.servers().folder();
        let mut service =
            Service::start(folder, &name, program, &all).await.expect("the service starts");
        service.ready(READY_MAX).await.expect("the service becomes ready");
        self.commands.push(service);
    }

    /// Starts one more query-service.
    pub async fn add_query_service(&mut self, settings: &[(&'static str, &str)]) {
        let commands: Vec<String> = self.commands.iter().map(Service::url).collect();
        let mut all = Settings::query_service(0, &self.urls.read, self.brokers(), &commands)
            .with("TOPIC", &self.topic)
            .with("CONSUMER_GROUP", &self.name);
        for (name, value) in settings {
            all = all.with(name, *value);
        }
        let name = format!("{}-query-{}", self.name, self.queries.len());
        let program = self.world.query_service();
        let folder = self.world.servers().folder();
        let mut service =
            Service::start(folder, &name, program, &all).await.expect("the service starts");
        service.ready(READY_MAX).await.expect("the service becomes ready");
        self.queries.push(service);
    }

    /// The first command-service.
    pub fn command(&self) -> Api {
        Api::new(&self.commands[0].url())
    }

    /// The first query-service.
    pub fn query(&self) -> Api {
        Api::new(&self.queries[0].url())
    }

    /// Every command-service.
    pub fn instances(&self) -> Vec<Api> {
        self.commands.iter().map(|service| Api::new(&service.url())).collect()
    }

    /// Registers location MAIN and these items.
    pub async fn register(&self, skus: &[&str]) {
        let command = self.command();
        command.send("PUT", "/v1/locations/MAIN", &json!({})).await.expect_status(201);
        for sku in skus {
            let path = format!("/v1/items/{sku}");
            command.send("PUT", &path, &json!({})).await.expect_status(201);
        }
    }

    /// Takes stock in at MAIN.
    pub async fn receive(&self, lines: &[(&str, i64)]) -> Answer {
        self.command().send("POST", "/v1/receipts", &lines_at_main(lines)).await.expect_status(200)
    }

    /// The heads of all lanes.
    pub async fn heads(&self) -> PositionToken {
        let lanes = self.command().get("/v1/lanes").await.expect_status(200).json();
        let head = |lane: &Value| {
            let number = |member: &str| lane[member].as_i64().expect("a number");
            (Lane(u16::try_from(number("lane")).expect("a lane")), Position(number("position")))
        };
        lanes["items"].as_array().expect("a list of lanes").iter().map(head).collect()
    }

    /// How many events are recorded, in all lanes together.
    pub async fn recorded(&self) -> i64 {
        self.heads().await.iter().map(|(_, position)| position.0).sum()
    }

    /// Walks the whole log: chain, positions, versions, figures, stored outcomes.
    pub async fn verify(&self) {
        let settings = Settings::default().with("WRITE_DATABASE_URL", self.urls.write.as_str());
        let program = self.world.command_service();
        run_task(program, "verify", &settings).await.expect("the log is whole");
    }

    /// Asks for what a token says has been reached.
    pub async fn read_at(&self, path: &str, token: &PositionToken) -> Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}min_position={token}&wait_ms=30000");
        self.query().get(&path).await.expect_status(200)
    }
}

/// Starts a service that has ended once more, and waits until it can do its work.
pub async fn start_again(service: &mut Service) {
    service.start_again().await.expect("the service starts again");
    service.ready(READY_MAX).await.expect("the service becomes ready");
}

/// A body with lines at MAIN.
pub fn lines_at_main(lines: &[(&str, i64)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(sku, quantity)| json!({"sku": sku, "location": "MAIN", "quantity": quantity}))
        .collect();
    json!({ "lines": lines })
}
