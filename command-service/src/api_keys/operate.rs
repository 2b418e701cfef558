//! `keys create`, `keys list`, `keys revoke`; `keys rotate-master` is of personal data.

use std::io::Write;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use serde::Serialize;
use service_edge::config::DatabaseUrl;
use service_edge::sign_in::api_key::ApiKey;
use shared_events::time::Timestamp;
use sqlx::{Connection, FromRow, PgConnection};

use crate::config::{CreateKeyConfig, KeysAction};
use crate::personal::rotate::rotate_master;

/// Keys that are not revoked. All of them are in the memory of every instance.
const KEYS_MAX: i64 = 10_000;

pub async fn operate(action: KeysAction) -> anyhow::Result<()> {
    match action {
        KeysAction::Create(config) => create(&config).await,
        KeysAction::List(config) => list(&config.migrate_database_url).await,
        KeysAction::Revoke(config) => revoke(&config.migrate_database_url, &config.id).await,
        KeysAction::RotateMaster(config) => rotate_master(config).await,
    }
}

/// Makes a key and writes it, and nothing else, to standard output.
async fn create(config: &CreateKeyConfig) -> anyhow::Result<()> {
    let now = Timestamp::new(Utc::now());
    ensure!(config.expires.is_none_or(|end| end > now), "--expires must be later than now, {now}");
    let key = ApiKey::random();
    let scopes: Vec<&str> = config.scope.iter().map(|scope| scope.as_str()).collect();
    let locations: Vec<&str> = config.location.iter().map(|code| code.as_str()).collect();
    let mut connection = connect(&config.migrate_database_url).await?;
    let inserted = sqlx::query(include_str!("../../queries/insert_api_key.sql"))
        .bind(key.id())
        .bind(key.hash().as_bytes())
        .bind(config.name.as_str())
        .bind(&scopes)
        .bind((!locations.is_empty()).then_some(&locations))
        .bind(config.rate.map(|rate| i32::try_from(rate.get()).unwrap_or(i32::MAX)))
        .bind(config.expires.map(Timestamp::to_utc))
        .bind(KEYS_MAX)
        .execute(&mut connection)
        .await?;
    ensure!(
        inserted.rows_affected() == 1,
        "there are {KEYS_MAX} keys that are not revoked; revoke some first"
    );
    connection.close().await?;
    tracing::info!(
        id = key.id(),
        name = config.name.as_str(),
        "the key is made; it is not shown again"
    );
    writeln!(std::io::stdout().lock(), "{}", key.reveal())?;
    Ok(())
}

/// A key as operators see it: without its secret, which nobody has, and without its hash.
#[derive(Debug, FromRow, Serialize)]
struct Described {
    id: String,
    name: String,
    scopes: Vec<String>,
    locations: Option<Vec<String>>,
    rate: Option<i32>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

/// Writes each key as a line of JSON.
async fn list(owner: &DatabaseUrl) -> anyhow::Result<()> {
    let mut connection = connect(owner).await?;
    let described = include_str!("../../queries/describe_api_keys.sql");
    let keys: Vec<Described> = sqlx::query_as(described).fetch_all(&mut connection).await?;
    connection.close().await?;
    let mut out = std::io::stdout().lock();
    for key in keys {
        writeln!(out, "{}", serde_json::to_string(&key)?)?;
    }
    Ok(())
}

async fn revoke(owner: &DatabaseUrl, id: &str) -> anyhow::Result<()> {
    let mut connection = connect(owner).await?;
    let revoked: Option<String> =
        sqlx::query_scalar(include_str!("../../queries/revoke_api_key.sql"))
            .bind(id)
            .fetch_optional(&mut connection)
            .await?;
    connection.close().await?;
    ensure!(revoked.is_some(), "there is no key {id}; `keys list` has them all");
    tracing::info!(id, "the key is revoked; no instance accepts it a second from now");
    Ok(())
}

async fn connect(owner: &DatabaseUrl) -> anyhow::Result<PgConnection> {
    let options = owner.options().application_name("command-service keys");
    PgConnection::connect_with(&options).await.context("cannot connect to the write database")
}
