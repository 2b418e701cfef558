//! A separate Stockbook for a test: databases, topic, service processes.

mod databases;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use serde_json::{Value, json};
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::recorded::RecordedEvent;
use stack::certificates::Certificates;
use stack::credentials::keep_master_key;
use stack::postgres::databases::{DatabaseUrls, KeysUrls};
use stack::services::settings::Settings;
use stack::services::{Service, run_task};

use crate::api::{Answer, Api};
use crate::bodies::lines_at_main;
use crate::eventually::eventually;
use crate::node::Node;
use crate::world::World;

/// How long a service may take until it can do its work.
pub const READY_MAX: Duration = Duration::from_secs(60);

/// How long Kafka may take to answer.
const BROKER_ANSWER_MAX: Duration = Duration::from_secs(10);

/// A running Stockbook.
pub struct Stockbook {
    /// What it shares with the other tests.
    pub world: Arc<World>,
    pub urls: DatabaseUrls,
    pub topic: String,
    /// Its lanes are 0 up to this.
    pub lanes: u16,
    pub commands: Vec<Service>,
    pub queries: Vec<Service>,
    /// Where it does not use the Kafka that all tests share.
    pub node: Option<Node>,
    /// What its services have for TLS.
    pub certificates: Option<Certificates>,
    name: String,
    /// What it is asked with.
    credential: Option<String>,
    /// Where it keeps personal data, if it does.
    pub personal: Option<Personal>,
}

/// Where the keys of personal data are, and what seals them.
pub struct Personal {
    pub keys: KeysUrls,
    pub master_key: PathBuf,
}

impl Stockbook {
    /// Four lanes, one service of each kind, both ready.
    pub async fn start(world: &Arc<World>) -> Self {
        let mut stockbook = Self::prepare(world, 4).await;
        stockbook.add_command_service(&[]).await;
        stockbook.add_query_service(&[]).await;
        stockbook
    }

    /// The same with so much of each item at MAIN, and its command-service.
    pub async fn stocked(world: &Arc<World>, stock: &[(&str, i64)]) -> (Self, Api) {
        let stockbook = Self::start(world).await;
        stockbook.stock(stock).await;
        let command = stockbook.command();
        (stockbook, command)
    }

    /// One command-service that knows location MAIN and item A, and no query-service.
    pub async fn without_views(world: &Arc<World>, lanes: u16) -> (Self, Api) {
        let mut stockbook = Self::prepare(world, lanes).await;
        stockbook.add_command_service(&[]).await;
        stockbook.register(&["A"]).await;
        let command = stockbook.command();
        (stockbook, command)
    }

    /// Databases and topic, no service yet.
    pub async fn prepare(world: &Arc<World>, lanes: u16) -> Self {
        Self::prepare_on(world, lanes, None).await
    }

    /// The same, on a separate Kafka node if there is one.
    pub async fn prepare_on(world: &Arc<World>, lanes: u16, node: Option<Node>) -> Self {
        let name = world.unique_name();
        let databases = world.servers().databases().expect("there is a Postgres");
        let urls = databases.create(&name).await.expect("databases can be made");
        Self::prepare_in(world, urls, lanes, node).await
    }

    /// The same, in databases of the test's own.
    pub async fn prepare_in(
        world: &Arc<World>,
        urls: DatabaseUrls,
        lanes: u16,
        node: Option<Node>,
    ) -> Self {
        let name = world.unique_name();
        let stockbook = Self {
            world: Arc::clone(world),
            urls,
            topic: format!("{name}.events"),
            lanes,
            commands: Vec::new(),
            queries: Vec::new(),
            node,
            certificates: None,
            name,
            credential: None,
            personal: None,
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

    /// Lets its command-services keep personal data.
    #[must_use]
    pub async fn keeping_personal(mut self) -> Self {
        let databases = self.world.servers().databases().expect("there is a Postgres");
        let keys = databases.create_keys(&self.name).await.expect("a database can be made");
        let folder = self.world.servers().folder().root();
        let master_key = folder.join(format!("{}-master.key", self.name));
        keep_master_key(&master_key).expect("a key can be made");
        let migrate = Settings::migrate(&self.urls.write_owner).with_keys(&keys.owner);
        let migrated = run_task(self.world.command_service(), "migrate", &migrate).await;
        migrated.expect("migration succeeds");
        self.personal = Some(Personal { keys, master_key });
        self
    }

    pub async fn create_topic(&self) {
        let settings = Settings::create_topic(self.brokers())
            .with("CHOREOGRAPHY_TOPIC", self.choreography())
            .with("TOPIC", &self.topic)
            .with("LANES", self.lanes.to_string());
        let settings = self.with_payments(self.with_kafka(settings));
        let program = self.world.command_service();
        run_task(program, "create-topic", &settings).await.expect("the topic can be made");
    }

    /// The topic that a payment service reads.
    pub fn payment_requests(&self) -> String {
        format!("{}.payments.requests", self.name)
    }

    /// The topic that a payment service writes.
    pub fn payment_replies(&self) -> String {
        format!("{}.payments.replies", self.name)
    }

    /// The topic on which a payment service says what it did with holds.
    pub fn choreography(&self) -> String {
        format!("{}.payments.events", self.name)
    }

    /// What the node wants of its clients.
    pub fn with_kafka(&self, settings: Settings) -> Settings {
        let wanted = self.node.iter().flat_map(|node| &node.client_settings);
        wanted.fold(settings, |settings, (name, value)| settings.with(name, value))
    }

    fn with_payments(&self, settings: Settings) -> Settings {
        settings
            .with("PAYMENT_REQUESTS_TOPIC", self.payment_requests())
            .with("PAYMENT_REPLIES_TOPIC", self.payment_replies())
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

    pub fn kafka_admin(&self) -> AdminClient<DefaultClientContext> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers());
        config.create().expect("an admin client can be made")
    }

    pub fn brokers(&self) -> &str {
        match &self.node {
            Some(node) => node.brokers(),
            None => self.world.servers().brokers().expect("there is a Kafka"),
        }
    }

    pub async fn add_command_service(&mut self, settings: &[(&'static str, &str)]) {
        let all = Settings::command_service(0, &self.urls.write, self.brokers())
            .with("PAYMENT_REPLIES_GROUP", &self.name);
        let mut all = self.with_payments(all);
        if let Some(Personal { keys, master_key }) = &self.personal {
            all = all.keeping_personal(&keys.service, master_key);
        }
        let name = format!("command-{}", self.commands.len());
        let service = self.service(&name, self.world.command_service(), all, settings).await;
        self.commands.push(service);
    }

    pub async fn add_query_service(&mut self, settings: &[(&'static str, &str)]) {
        let commands: Vec<String> = self.commands.iter().map(Service::url).collect();
        let all = Settings::query_service(0, &self.urls.read, self.brokers(), &commands)
            .with("CONSUMER_GROUP", &self.name);
        let all = match &self.certificates {
            Some(certificates) => all.with("COMMAND_CA", certificates.ca().display().to_string()),
            None => all,
        };
        let name = format!("query-{}", self.queries.len());
        let service = self.service(&name, self.world.query_service(), all, settings).await;
        self.queries.push(service);
    }

    /// Makes certificates that only this test knows.
    pub fn authority(&self, name: &str) -> Certificates {
        self.world.authority(&format!("{}-{name}", self.name))
    }

    /// Makes an API key, with options as on the command line.
    pub async fn api_key(&self, options: &[&str]) -> String {
        let made = self.keys(&[&["create"], options].concat()).await;
        made.expect("the key is made").trim().to_owned()
    }

    /// What the subcommand `keys` writes, or why it failed.
    pub async fn keys(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = tokio::process::Command::new(self.world.command_service());
        command.arg("keys").args(arguments);
        command.env("MIGRATE_DATABASE_URL", self.urls.write_owner.as_str()).env("NO_COLOR", "1");
        if let Some(Personal { keys, master_key }) = &self.personal {
            command.env("KEYS_DATABASE_URL", keys.service.as_str());
            command.env("MASTER_KEY_FILE", master_key);
        }
        let output = command.output().await.expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// A payment service for its orders.
    pub fn payment_service(&self, settings: &[(&'static str, &str)]) -> Service {
        let all = Settings::payment_service(self.brokers()).with("PAYMENT_GROUP", &self.name);
        let all = settings
            .iter()
            .fold(self.with_payments(all), |all, (name, value)| all.with(name, *value));
        let all = all.with("TOPIC", &self.topic);
        let (folder, name) = (self.world.servers().folder(), format!("{}-payments", self.name));
        let program = self.world.payment_service();
        Service::participant(folder, &name, program, &all).expect("the payment service starts")
    }

    /// A console in front of its first services.
    pub async fn console(&self, settings: &[(&'static str, &str)]) -> Service {
        let (command, query) = (self.commands[0].url(), self.queries[0].url());
        let all = Settings::console(0, &command, &query);
        self.service("console", self.world.console(), all, settings).await
    }

    async fn service(
        &self,
        name: &str,
        program: &Path,
        all: Settings,
        settings: &[(&'static str, &str)],
    ) -> Service {
        let all = self.with_kafka(all.with("TOPIC", &self.topic));
        let all = match &self.certificates {
            Some(certificates) => all.with_tls(certificates),
            None => all,
        };
        let all = settings.iter().fold(all, |all, (name, value)| all.with(name, *value));
        let (folder, name) = (self.world.servers().folder(), format!("{}-{name}", self.name));
        let mut service =
            Service::start(folder, &name, program, &all).await.expect("the service starts");
        service.ready(READY_MAX).await.expect("the service becomes ready");
        service
    }

    /// The first command-service.
    pub fn command(&self) -> Api {
        self.api(&self.commands[0])
    }

    /// The first query-service.
    pub fn query(&self) -> Api {
        self.api(&self.queries[0])
    }

    fn api(&self, service: &Service) -> Api {
        let api = Api::of(service);
        match &self.credential {
            Some(credential) => api.signed_in(credential),
            None => api,
        }
    }

    /// The same, asked with an API key or a token from now on.
    #[must_use]
    pub fn signed_in(self, credential: &str) -> Self {
        Self { credential: Some(credential.to_owned()), ..self }
    }

    /// Every command-service.
    pub fn instances(&self) -> Vec<Api> {
        self.commands.iter().map(Api::of).collect()
    }

    /// Every query-service.
    pub fn readers(&self) -> Vec<Api> {
        self.queries.iter().map(Api::of).collect()
    }

    /// Registers location MAIN and these items.
    pub async fn register(&self, skus: &[impl AsRef<str>]) {
        let command = self.command();
        command.put("/v1/locations/MAIN", json!({})).await.expect_status(201);
        for sku in skus {
            let path = format!("/v1/items/{}", sku.as_ref());
            command.put(&path, json!({})).await.expect_status(201);
        }
    }

    /// Registers location MAIN and these items, and takes in what there is of them.
    pub async fn stock(&self, stock: &[(&str, i64)]) {
        self.register(&stock.iter().map(|(sku, _)| sku).collect::<Vec<_>>()).await;
        let lines: Vec<(&str, i64)> =
            stock.iter().copied().filter(|(_, on_hand)| *on_hand > 0).collect();
        if !lines.is_empty() {
            self.receive(&lines).await;
        }
    }

    /// Takes stock in at MAIN.
    pub async fn receive(&self, lines: &[(impl AsRef<str>, i64)]) -> Answer {
        self.command().done("/v1/receipts", lines_at_main(lines)).await
    }

    /// The names of all views.
    pub async fn views(&self) -> BTreeSet<String> {
        let lanes = self.query().rows("/v1/projections?").await;
        let name = |lane: &Value| lane["projection"].as_str().expect("a name").to_owned();
        lanes.iter().map(name).collect()
    }

    /// The events of all lanes, lane by lane.
    pub async fn log(&self) -> Vec<RecordedEvent> {
        let (command, mut log) = (self.command(), Vec::new());
        for lane in 0..self.lanes {
            log.extend(command.lane(lane).await);
        }
        log
    }

    /// How many events of a type are recorded.
    pub async fn count(&self, event_type: &str) -> i64 {
        let count = "select count(*) from events where type = $1";
        let count = sqlx::query_scalar(count).bind(event_type);
        count.fetch_one(&mut self.superuser().await).await.expect("a count")
    }

    /// Waits until so many events are recorded.
    pub async fn grown_to(&self, events: i64) {
        let recorded = async || self.recorded().await;
        eventually("events are recorded", recorded, |seen| *seen >= events).await;
    }

    /// The heads of all lanes.
    pub async fn heads(&self) -> PositionToken {
        let lanes = self.command().json("/v1/lanes").await;
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
        assert_eq!(self.difference().await, None);
    }

    /// The first difference that `verify` finds.
    pub async fn difference(&self) -> Option<String> {
        let settings = Settings::default().with("WRITE_DATABASE_URL", self.urls.write.as_str());
        let verified = run_task(self.world.command_service(), "verify", &settings).await;
        verified.err().map(|error| format!("{error:#}"))
    }

    /// Kills the first command-service and starts it again.
    pub async fn crash(&mut self) {
        self.commands[0].kill().await.expect("the service can be killed");
        start_again(&mut self.commands[0]).await;
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

/// Stops a service, which ends cleanly.
pub async fn stop(service: &mut Service) {
    let ended = service.stop().await.expect("the service stops");
    assert!(ended.success(), "{ended}");
}
