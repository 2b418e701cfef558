//! `publication create` and `publication drop`: the events by logical replication, to whom a role is given.

use std::io::Write;

use anyhow::{Context, bail, ensure};
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection};

use crate::config::{PublicationAction, PublicationConfig};
use crate::personal::aead::random;

/// A slot by which somebody follows the publication.
#[derive(Debug, FromRow)]
struct Follower {
    slot: String,
    active: bool,
    /// Bytes of WAL that the server keeps for it.
    kept: i64,
}

/// Does what was asked, as a superuser.
pub async fn operate(config: PublicationConfig) -> anyhow::Result<()> {
    let options =
        config.admin_database_url.options().application_name("command-service publication");
    let connected = PgConnection::connect_with(&options).await;
    let mut admin = connected.context("cannot connect to the write database")?;
    match &config.action {
        PublicationAction::Create { role } => create(&mut admin, role.as_str()).await?,
        PublicationAction::Drop { role: Some(role) } => {
            drop_reader(&mut admin, role.as_str()).await?
        }
        PublicationAction::Drop { role: None } => drop_publication(&mut admin).await?,
    }
    admin.close().await.context("the connection to Postgres broke")
}

/// Publishes the events, and makes the role. Its password, and nothing else, goes to standard output.
async fn create(admin: &mut PgConnection, role: &str) -> anyhow::Result<()> {
    let level: String = sqlx::query_scalar("show wal_level").fetch_one(&mut *admin).await?;
    ensure!(
        level == "logical",
        "the server has wal_level={level}: set it to logical and restart the server"
    );
    let password = hex::encode(random::<24>());
    let compose = include_str!("../queries/compose_publication.sql");
    let made = execute_all(admin, compose, &[role, &password]).await;
    made.with_context(|| format!("cannot let the role {role} follow the log"))?;
    tracing::info!(role, "the events are published; the password of the role is not shown again");
    writeln!(std::io::stdout().lock(), "{password}")?;
    Ok(())
}

/// Takes the role away. Who follows by it is cut off at the next connection.
async fn drop_reader(admin: &mut PgConnection, role: &str) -> anyhow::Result<()> {
    let done = execute_all(admin, include_str!("../queries/compose_reader_end.sql"), &[role]).await;
    let done = done.with_context(|| format!("cannot take the role {role} away"))?;
    ensure!(done > 0, "{role} is not a role that `publication create` made");
    tracing::info!(role, "the role is gone");
    Ok(())
}

/// Ends the publication. Followers would not go on, and their slots would keep WAL until the disk is full.
async fn drop_publication(admin: &mut PgConnection) -> anyhow::Result<()> {
    let list = include_str!("../queries/list_followers.sql");
    let followers: Vec<Follower> = sqlx::query_as(list).fetch_all(&mut *admin).await?;
    if let Some(Follower { slot, active, kept }) = followers.first() {
        let state = if *active { "is followed now" } else { "waits for its reader" };
        bail!(
            "{} still follow the log: slot {slot} {state} and keeps {kept} bytes of WAL. Drop the subscription, \
             or the slot by select pg_drop_replication_slot('{slot}'), first",
            followers.len()
        );
    }
    sqlx::query(include_str!("../queries/drop_publication.sql")).execute(admin).await?;
    tracing::info!("the events are not published any more");
    Ok(())
}

/// Executes the statements that a statement composes, all or none, and returns how many they are.
async fn execute_all(
    admin: &mut PgConnection,
    compose: &'static str,
    names: &[&str],
) -> sqlx::Result<usize> {
    let mut transaction = admin.begin().await?;
    let composing = names.iter().fold(sqlx::query_scalar(compose), |query, name| query.bind(*name));
    let statements: Vec<String> = composing.fetch_all(&mut *transaction).await?;
    let count = statements.len();
    for statement in statements {
        // The server has quoted what came from outside.
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(count)
}
