//! Stockbook's write side: a log, its topic, and the command-service.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use stack::access::Access;
use stack::credentials::keep_master_key;
use stack::postgres::databases::DatabaseUrls;
use stack::services::settings::Settings;
use stack::services::{Service, run_task, task_output};

use super::{Environment, ITEMS, LANES, PLENTY, POOL};
use crate::requests::{BATCH, LOCATION, Sku, address, known_subject, personal};

const READY_MAX: Duration = Duration::from_secs(120);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Lines in one command, fewer than the API accepts.
const LINES: usize = 2_500;

/// Commands under way at once while a log is made long.
const EXTENDERS: usize = 4;

pub(crate) struct Stockbook {
    urls: DatabaseUrls,
    pub(crate) topic: String,
    pub(crate) address: SocketAddr,
    service: Service,
    client: Client,
}

impl Stockbook {
    /// Starts a command-service on a new log.
    pub(crate) async fn start(
        environment: &Environment,
        settings: &[(&'static str, &str)],
    ) -> anyhow::Result<Self> {
        Ok(Self::start_and_make(environment, settings, None, false).await?.0)
    }

    /// The same that keeps personal data, and has keys of so many subjects.
    pub(crate) async fn knowing(environment: &Environment, subjects: u32) -> anyhow::Result<Self> {
        let (stockbook, _) = Self::start_and_make(environment, &[], None, true).await?;
        stockbook.fill(&environment.skus(), PLENTY).await?;
        let nth = (0..subjects).map(known_subject).collect::<Vec<_>>();
        let receipt = |subject: &String| {
            let line = json!({ "sku": Sku(0).to_string(), "location": LOCATION, "quantity": 1 });
            json!({ "type": "receive_stock", "lines": [line], "personal": personal(subject) })
        };
        for subjects in nth.chunks(BATCH) {
            stockbook.batch(&subjects.iter().map(receipt).collect::<Vec<_>>()).await?;
        }
        Ok(stockbook)
    }

    /// The same whose callers sign in, with an API key for all that is done here.
    pub(crate) async fn signed_in(
        environment: &Environment,
        settings: &[(&'static str, &str)],
    ) -> anyhow::Result<(Self, String)> {
        let scopes = "stock:write,catalogue:write,log:read";
        let settings = [settings, &[("AUTH", "on")]].concat();
        let (stockbook, key) =
            Self::start_and_make(environment, &settings, Some(scopes), false).await?;
        let known_by = Instant::now() + READY_MAX;
        while let Err(error) = stockbook.recorded().await {
            ensure!(Instant::now() < known_by, "the API key is not accepted: {error:#}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok((stockbook, key))
    }

    /// And makes an API key with these scopes, if there are any.
    async fn start_and_make(
        environment: &Environment,
        settings: &[(&'static str, &str)],
        scopes: Option<&str>,
        personal: bool,
    ) -> anyhow::Result<(Self, String)> {
        let name = environment.unique_name("stockbook");
        let urls = environment.servers.databases()?.create(&name).await?;
        let brokers = environment.servers.brokers()?;
        let topic = format!("{name}.events");
        let program = environment.program("command-service");
        let mut migrate = Settings::migrate(&urls.write_owner).with("LANES", LANES);
        let folder = environment.servers.folder();
        let mut all = Settings::command_service(0, &urls.write, brokers)
            .with("TOPIC", &topic)
            .with("READ_CONNECTIONS_MAX", POOL);
        if personal {
            let keys = environment.servers.databases()?.create_keys(&name).await?;
            keep_master_key(&folder.master_key())?;
            migrate = migrate.with_keys(&keys.owner);
            all = all.keeping_personal(&keys.service, &folder.master_key());
        }
        let create_topic =
            Settings::create_topic(brokers).with("TOPIC", &topic).with("LANES", LANES);
        tokio::try_join!(
            run_task(&program, "migrate", &migrate),
            run_task(&program, "create-topic", &create_topic),
        )?;
        let (mut access, mut key) = (Access::default(), String::new());
        if let Some(scopes) = scopes {
            let create = ["keys", "create", "--name", "load", "--scope", scopes];
            key = task_output(&program, &create, &migrate).await?.trim().to_owned();
            let file = folder.logs().join(format!("{name}.key"));
            std::fs::write(&file, &key)?;
            access.key_file = Some(file);
        }
        for (variable, value) in settings {
            all = all.with(variable, *value);
        }
        let mut service = Service::start(folder, &name, &program, &all).await?;
        service.ready(READY_MAX).await?;
        let address = address(&service.url())?;
        let client = access.client()?.build()?;
        Ok((Self { urls, topic, address, service, client }, key))
    }

    pub(crate) fn url(&self) -> String {
        self.service.url()
    }

    /// The write database, as its owner.
    pub(crate) fn database(&self) -> &Url {
        &self.urls.write_owner
    }

    /// Restarts the command-service, so that nothing of the log is in its memory.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.service.stop().await?;
        self.service.start_again().await?;
        self.service.ready(READY_MAX).await
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.service.stop().await.map(drop)
    }

    /// Registers the location and items, and receives a quantity of each.
    pub(crate) async fn fill(&self, skus: &[String], quantity: i64) -> anyhow::Result<()> {
        self.batch(&[json!({ "type": "register_location", "code": LOCATION })]).await?;
        let item = |sku: &String| json!({ "type": "register_item", "sku": sku });
        for skus in skus.chunks(BATCH) {
            self.batch(&skus.iter().map(item).collect::<Vec<_>>()).await?;
        }
        for skus in skus.chunks(LINES) {
            self.receive(skus, quantity).await?;
        }
        Ok(())
    }

    /// Makes the log so many events long, as fast as large commands do: receives single units of
    /// items drawn evenly.
    pub(crate) async fn extend(&self, events: i64) -> anyhow::Result<()> {
        let missing = usize::try_from(events - self.recorded().await?).unwrap_or_default();
        let mut rng = SmallRng::seed_from_u64(0);
        let receipts = (0..missing).step_by(LINES).map(|done| {
            let lines = 0..LINES.min(missing - done);
            let skus: Vec<_> = lines.map(|_| Sku(rng.random_range(0..ITEMS)).to_string()).collect();
            async move { self.receive(&skus, 1).await }
        });
        stream::iter(receipts).buffer_unordered(EXTENDERS).try_collect().await
    }

    /// Receives a quantity of every sku in one command; a sku may come several times.
    pub(crate) async fn receive(&self, skus: &[String], quantity: i64) -> anyhow::Result<()> {
        send(self.post("/v1/receipts").json(&receipt(skus, quantity))).await.map(drop)
    }

    pub(crate) async fn issue(&self, sku: &str, quantity: i64) -> anyhow::Result<()> {
        let line = json!({ "sku": sku, "location": LOCATION, "quantity": quantity });
        send(self.post("/v1/issues").json(&json!({ "lines": [line] }))).await.map(drop)
    }

    /// Sends commands that must all be accepted.
    async fn batch(&self, commands: &[Value]) -> anyhow::Result<()> {
        let body = json!({ "mode": "independent", "commands": commands });
        let answer = send(self.post("/v1/batches").json(&body)).await?;
        let results = answer["results"].as_array().context("a batch's answer has results")?;
        let refused = results.iter().find(|result| result["status"].as_u64() >= Some(300));
        ensure!(refused.is_none(), "a command of a batch was refused: {refused:?}");
        Ok(())
    }

    /// Units of an item on hand, read from the log.
    pub(crate) async fn on_hand(&self, sku: &str) -> anyhow::Result<i64> {
        self.figure(sku, "on_hand").await
    }

    /// Units of an item that are waited for.
    pub(crate) async fn waiting(&self, sku: &str) -> anyhow::Result<i64> {
        self.figure(sku, "waiting").await
    }

    async fn figure(&self, sku: &str, name: &str) -> anyhow::Result<i64> {
        let state = self.get(&format!("/v1/streams/stock/{sku}/{LOCATION}/state")).await?;
        state["state"][name].as_i64().with_context(|| format!("no {name} in the state of {sku}"))
    }

    /// Events in all lanes together.
    pub(crate) async fn recorded(&self) -> anyhow::Result<i64> {
        let lanes = self.get("/v1/lanes").await?;
        let positions = lanes["items"].as_array().context("no list of lanes")?.iter();
        Ok(positions.filter_map(|lane| lane["position"].as_i64()).sum())
    }

    /// Bytes of the write database.
    pub(crate) async fn database_size(&self) -> anyhow::Result<i64> {
        let mut connection = PgConnection::connect(self.urls.write_owner.as_str()).await?;
        let size = sqlx::query_scalar(include_str!("../../queries/read_size.sql"))
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(size)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url() + path)
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        send(self.client.get(self.url() + path)).await
    }
}

pub(crate) fn receipt<S: AsRef<str>>(skus: &[S], quantity: i64) -> Value {
    let line = |sku: &S| json!({ "sku": sku.as_ref(), "location": LOCATION, "quantity": quantity });
    json!({ "lines": skus.iter().map(line).collect::<Vec<_>>() })
}

async fn send(request: RequestBuilder) -> anyhow::Result<Value> {
    let answer = request.send().await?;
    let (status, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await?;
    ensure!(status.is_success(), "{url}: {status} {text}");
    Ok(serde_json::from_str(&text)?)
}
