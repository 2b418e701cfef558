//! Ours: a log, its topic, and the service that writes it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use stack::postgres::databases::DatabaseUrls;
use stack::services::settings::Settings;
use stack::services::{Service, run_task};

use super::World;
use crate::drive::connection::Connection;
use crate::keys::sku;
use crate::requests::{LOCATION, address, get, post};

const READY_MAX: Duration = Duration::from_secs(120);

/// Commands in one batch, and lines in one command: below what the API takes at most, and what the
/// smallest queue holds that is measured.
const COMMANDS_A_BATCH: usize = 100;
const LINES_A_COMMAND: usize = 2_500;

/// A Stockbook's command-service with its log; query-services are its followers.
pub struct Stockbook {
    /// Its databases.
    pub urls: DatabaseUrls,
    /// Its topic.
    pub topic: String,
    command: Service,
}

impl Stockbook {
    /// Databases and topic of its own, and a command-service.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start(world: &World, settings: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        let name = world.unique_name("ours");
        let urls = world.servers.databases()?.create(&name).await?;
        let topic = format!("{name}.events");
        let lanes = world.args.lanes.to_string();
        let program = &world.programs.command_service;
        let migrate = Settings::migrate(&urls.write_owner).with("LANES", &lanes);
        let create_topic = Settings::create_topic(world.servers.brokers()?)
            .with("TOPIC", &topic)
            .with("LANES", &lanes);
        tokio::try_join!(
            run_task(program, "migrate", &migrate),
            run_task(program, "create-topic", &create_topic),
        )?;
        let mut all = Settings::command_service(0, &urls.write, world.servers.brokers()?)
            .with("TOPIC", &topic)
            .with("READ_CONNECTIONS_MAX", world.args.pool.to_string());
        for (variable, value) in settings {
            all = all.with(variable, *value);
        }
        let folder = world.servers.folder();
        let mut command = Service::start(folder, &format!("{name}-command"), program, &all).await?;
        command.ready(READY_MAX).await?;
        Ok(Self { urls, topic, command })
    }

    /// The service's base URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.command.url()
    }

    /// Where commands go.
    ///
    /// # Errors
    /// It says no address.
    pub fn command(&self) -> anyhow::Result<SocketAddr> {
        address(&self.command.url())
    }

    /// Ends the command-service and starts it anew: nothing of the log is in its memory then.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.command.stop().await?;
        self.command.start_again().await?;
        self.command.ready(READY_MAX).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.command.stop().await.map(drop)
    }

    /// Registers the location, so many items and others by name, and receives so much of each.
    ///
    /// # Errors
    /// Something is refused.
    pub async fn fill(&self, items: u32, more: &[String], quantity: i64) -> anyhow::Result<()> {
        let mut skus: Vec<String> = (0..items).map(sku).collect();
        skus.extend_from_slice(more);
        let mut wire = Connection::open(self.command()?).await?;
        let location = json!({ "type": "register_location", "code": LOCATION });
        batch(&mut wire, &[location]).await?;
        let item = |sku: &String| json!({ "type": "register_item", "sku": sku });
        for skus in skus.chunks(COMMANDS_A_BATCH) {
            batch(&mut wire, &skus.iter().map(item).collect::<Vec<_>>()).await?;
        }
        for skus in skus.chunks(LINES_A_COMMAND) {
            receive(&mut wire, skus.iter().map(String::as_str), quantity).await?;
        }
        Ok(())
    }

    /// How much of an item is there, by the log itself.
    ///
    /// # Errors
    /// The command-service does not say.
    pub async fn on_hand(&self, sku: &str) -> anyhow::Result<i64> {
        let mut wire = Connection::open(self.command()?).await?;
        let path = format!("/v1/streams/stock/{sku}/{LOCATION}/state");
        let state = read(&mut wire, &path).await?;
        state["state"]["on_hand"].as_i64().with_context(|| format!("no on_hand in {state}"))
    }

    /// How many events are recorded, in all lanes together.
    ///
    /// # Errors
    /// The command-service does not say.
    pub async fn recorded(&self) -> anyhow::Result<i64> {
        let mut wire = Connection::open(self.command()?).await?;
        let lanes = read(&mut wire, "/v1/lanes").await?;
        let positions = lanes["items"].as_array().context("no list of lanes")?.iter();
        Ok(positions.filter_map(|lane| lane["position"].as_i64()).sum())
    }
}

/// Asks for a page of JSON.
///
/// # Errors
/// The answer is another.
pub async fn read(wire: &mut Connection, path: &str) -> anyhow::Result<Value> {
    let mut request = Vec::new();
    get(path, &mut request);
    let (answer, body) = wire.exchange_for_body(&request).await?;
    let text = String::from_utf8_lossy(body);
    ensure!(answer.status == 200, "{path}: {} {text}", answer.status);
    Ok(serde_json::from_slice(body)?)
}

/// Receives the same quantity on every line, as one command; a sku may come several times.
///
/// # Errors
/// It is refused.
pub async fn receive(
    wire: &mut Connection,
    skus: impl Iterator<Item = &str>,
    quantity: i64,
) -> anyhow::Result<()> {
    let line = |sku| json!({ "sku": sku, "location": LOCATION, "quantity": quantity });
    let lines: Vec<Value> = skus.map(line).collect();
    send(wire, "/v1/receipts", &json!({ "lines": lines })).await.map(drop)
}

/// Issues a quantity of one item.
///
/// # Errors
/// It is refused.
pub async fn issue(wire: &mut Connection, sku: &str, quantity: i64) -> anyhow::Result<()> {
    let line = json!({ "sku": sku, "location": LOCATION, "quantity": quantity });
    send(wire, "/v1/issues", &json!({ "lines": [line] })).await.map(drop)
}

/// Sends commands that must all be accepted.
async fn batch(wire: &mut Connection, commands: &[Value]) -> anyhow::Result<()> {
    let body = json!({ "mode": "independent", "commands": commands });
    let answer = send(wire, "/v1/batches", &body).await?;
    let results = answer["results"].as_array().context("a batch's answer has results")?;
    let refused = results.iter().find(|result| result["status"].as_u64() >= Some(300));
    match refused {
        Some(result) => anyhow::bail!("a command of a batch was refused: {result}"),
        None => Ok(()),
    }
}

async fn send(wire: &mut Connection, path: &str, body: &Value) -> anyhow::Result<Value> {
    let mut request = Vec::new();
    post(path, None, &body.to_string(), &mut request);
    let (answer, body) = wire.exchange_for_body(&request).await?;
    let text = String::from_utf8_lossy(body);
    ensure!((200..300).contains(&answer.status), "{path}: {} {text}", answer.status);
    Ok(serde_json::from_slice(body)?)
}
