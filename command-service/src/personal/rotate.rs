//! `keys rotate-master`: replaces the master key. Stopped anywhere, it goes on when it is started again.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use shared_events::values::Label;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{FromRow, Row};
use tokio::time::sleep;

use super::aead::random;
use super::fingerprint;
use super::master::{MasterKey, MasterKeys};
use super::subject_keys;
use crate::config::RotateMasterConfig;

/// Keys that are sealed again in one statement.
const PAGE_LEN: i64 = 1_000;

/// How long a service that has read the file before may take until a key that it made is stored.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// A key of a subject as it is stored.
#[derive(FromRow)]
struct Stored {
    subject: String,
    number: i64,
    sealed: Vec<u8>,
    master_key: String,
}

/// Puts a new master key into the file, seals all keys with it, and takes the other master keys out.
pub async fn rotate_master(config: RotateMasterConfig) -> anyhow::Result<()> {
    let path = &config.master_key_file;
    let options = config.keys_database_url.options().application_name("command-service keys");
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = pool.context("the database of keys cannot be reached")?;
    // 1. From now on services seal with the new key, and open with both.
    let text = read(path)?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let [only] = lines[..] {
        MasterKeys::open(path.clone())?;
        let id = hex::encode(random::<4>());
        write(path, &format!("{id}:{}\n{only}\n", hex::encode(random::<32>())))?;
        tracing::info!(id, "a new master key is in the file");
    }
    let master = MasterKeys::open(path.clone())?;
    let first = master.first();
    // 2. Seal everything with it, twice: in between, services stop using the other keys.
    let mut resealed = reseal_all(&pool, &master, &first).await?;
    sleep(SETTLED_AFTER).await;
    resealed += reseal_all(&pool, &master, &first).await?;
    // 3. What the other keys seal is in old copies only.
    let text = read(path)?;
    let line = text.lines().find(|line| line.trim().starts_with(&format!("{}:", first.id)));
    let line = line.context("the file was changed meanwhile")?;
    write(path, &format!("{}\n", line.trim()))?;
    tracing::info!(
        resealed,
        id = first.id,
        "all keys are sealed with the new master key, the only one in the file"
    );
    Ok(())
}

async fn reseal_all(
    pool: &PgPool,
    master: &MasterKeys,
    first: &MasterKey,
) -> anyhow::Result<usize> {
    let mut resealed = 0;
    loop {
        let page: Vec<Stored> =
            sqlx::query_as(include_str!("../../keys/queries/list_sealed_by_others.sql"))
                .bind(&first.id)
                .bind(PAGE_LEN)
                .fetch_all(pool)
                .await?;
        if page.is_empty() {
            break;
        }
        resealed += page.len();
        reseal(pool, master, first, page).await?;
    }
    let rows = sqlx::query(include_str!("../../keys/queries/list_fingerprint_keys.sql"))
        .bind(&first.id)
        .fetch_all(pool)
        .await?;
    for row in rows {
        let (log, id): (&str, &str) = (row.try_get("log")?, row.try_get("master_key")?);
        let place = fingerprint::place(log);
        let key = old(master, id)?.open(row.try_get("sealed")?, &place);
        let key = key.with_context(|| format!("the key of fingerprints of log {log}"))?;
        sqlx::query(include_str!("../../keys/queries/reseal_fingerprint_key.sql"))
            .bind(log)
            .bind(first.seal(&key, &place))
            .bind(&first.id)
            .bind(id)
            .execute(pool)
            .await?;
    }
    Ok(resealed)
}

async fn reseal(
    pool: &PgPool,
    master: &MasterKeys,
    first: &MasterKey,
    page: Vec<Stored>,
) -> anyhow::Result<()> {
    let mut sealed = Vec::with_capacity(page.len());
    for Stored { subject, number, sealed: before, master_key } in &page {
        let subject: Label = subject.parse()?;
        let number = number.to_be_bytes();
        let place = subject_keys::place(&subject, &number);
        let key = old(master, master_key)?.open(before, &place);
        let key = key.with_context(|| format!("the key of subject {subject}"))?;
        sealed.push(first.seal(&key, &place));
    }
    let from: Vec<&str> = page.iter().map(|key| key.master_key.as_str()).collect();
    sqlx::query(include_str!("../../keys/queries/reseal_subject_keys.sql"))
        .bind(page.iter().map(|key| key.number).collect::<Vec<_>>())
        .bind(sealed)
        .bind(&first.id)
        .bind(from)
        .execute(pool)
        .await?;
    Ok(())
}

fn old(master: &MasterKeys, id: &str) -> anyhow::Result<MasterKey> {
    master.find(id).with_context(|| format!("the file lacks the master key {id}"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Writes the file whole or not at all, readable only by this user.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let written = || -> std::io::Result<()> {
        let options =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&name);
        let mut file = options?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&name, path)
    };
    written().with_context(|| format!("{} cannot be written", path.display()))
}
