//! Roles and databases on a Postgres server, our own or an external one.

use anyhow::{Context, bail};
use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::credentials::{COMMAND, Credentials, OWNER, QUERY};

/// Postgres cuts names at 63 bytes, and `_write` or `_read` follows.
const PREFIX_LENGTH_MAX: usize = 50;

/// The databases of a server. Every call opens its own connection.
#[derive(Clone)]
pub struct Databases {
    admin_url: Url,
    credentials: Credentials,
}

/// One pair of databases, each URL with its role and password.
#[derive(Clone)]
pub struct DatabaseUrls {
    /// The write database, as its owner: to migrate.
    pub write_owner: Url,
    /// The read database, as its owner: to migrate.
    pub read_owner: Url,
    /// The write database, as the command-service.
    pub write: Url,
    /// The read database, as the query-service.
    pub read: Url,
}

impl Databases {
    /// Connects as a superuser, creates the three roles and sets their passwords.
    pub(crate) async fn open(admin_url: Url, credentials: Credentials) -> anyhow::Result<Self> {
        let databases = Self { admin_url, credentials };
        databases.make_roles().await?;
        Ok(databases)
    }

    /// Creates `{prefix}_write` and `{prefix}_read` unless they exist.
    pub async fn create(&self, prefix: &str) -> anyhow::Result<DatabaseUrls> {
        check_prefix(prefix)?;
        let mut admin = self.connect_alone().await?;
        for (name, guest) in [(write_name(prefix), COMMAND), (read_name(prefix), QUERY)] {
            create_database(&mut admin, &name, guest)
                .await
                .with_context(|| format!("cannot create the database {name}"))?;
        }
        admin.close().await.context("the connection to Postgres broke")?;
        self.urls(prefix)
    }

    /// Drops `{prefix}_write` and `{prefix}_read`, ending their sessions.
    pub async fn drop(&self, prefix: &str) -> anyhow::Result<()> {
        check_prefix(prefix)?;
        let mut admin = self.connect_alone().await?;
        for name in [write_name(prefix), read_name(prefix)] {
            let compose = include_str!("../../queries/compose_drop_database.sql");
            let statement: String =
                sqlx::query_scalar(compose).bind(&name).fetch_one(&mut admin).await?;
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut admin)
                .await
                .with_context(|| format!("cannot drop the database {name}"))?;
        }
        admin.close().await.context("the connection to Postgres broke")
    }

    /// The URLs of a pair, which need not exist.
    pub fn urls(&self, prefix: &str) -> anyhow::Result<DatabaseUrls> {
        let (write, read) = (write_name(prefix), read_name(prefix));
        let with = &self.credentials;
        Ok(DatabaseUrls {
            write_owner: url_as(&self.admin_url, OWNER, &with.owner, &write)?,
            read_owner: url_as(&self.admin_url, OWNER, &with.owner, &read)?,
            write: url_as(&self.admin_url, COMMAND, &with.command, &write)?,
            read: url_as(&self.admin_url, QUERY, &with.query, &read)?,
        })
    }

    /// The URL of the superuser.
    #[must_use]
    pub fn admin_url(&self) -> &Url {
        &self.admin_url
    }

    pub(crate) async fn enable_statement_statistics(&self) -> anyhow::Result<()> {
        let mut admin = self.connect_alone().await?;
        sqlx::raw_sql(include_str!("../../queries/enable_statement_statistics.sql"))
            .execute(&mut admin)
            .await?;
        admin.close().await.context("the connection to Postgres broke")
    }

    async fn make_roles(&self) -> anyhow::Result<()> {
        let mut admin = self.connect_alone().await?;
        let with = &self.credentials;
        for (role, password) in
            [(OWNER, &with.owner), (COMMAND, &with.command), (QUERY, &with.query)]
        {
            let make = async {
                sqlx::query(include_str!("../../queries/choose_role.sql"))
                    .bind(role)
                    .bind(password)
                    .execute(&mut admin)
                    .await?;
                sqlx::raw_sql(include_str!("../../queries/make_role.sql")).execute(&mut admin).await
            };
            make.await.with_context(|| format!("cannot create the role {role}"))?;
        }
        admin.close().await.context("the connection to Postgres broke")
    }

    /// Opens a connection and waits until no other one sets up roles or databases: two sessions
    /// that change the same row of a catalogue would fail.
    async fn connect_alone(&self) -> anyhow::Result<PgConnection> {
        let mut admin =
            PgConnection::connect(self.admin_url.as_str()).await.with_context(|| {
                format!("cannot reach Postgres at {}", without_password(&self.admin_url))
            })?;
        sqlx::query(include_str!("../../queries/lock_setup.sql"))
            .execute(&mut admin)
            .await
            .context("cannot lock the set-up of Postgres")?;
        Ok(admin)
    }
}

async fn create_database(admin: &mut PgConnection, name: &str, guest: &str) -> anyhow::Result<()> {
    let exists: bool = sqlx::query_scalar(include_str!("../../queries/find_database.sql"))
        .bind(name)
        .fetch_one(&mut *admin)
        .await?;
    if exists {
        return Ok(());
    }
    let compose = include_str!("../../queries/compose_create_database.sql");
    let statements: Vec<String> = sqlx::query_scalar(compose)
        .bind(name)
        .bind(OWNER)
        .bind(guest)
        .fetch_all(&mut *admin)
        .await?;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *admin).await?;
    }
    Ok(())
}

fn write_name(prefix: &str) -> String {
    format!("{prefix}_write")
}

fn read_name(prefix: &str) -> String {
    format!("{prefix}_read")
}

fn check_prefix(prefix: &str) -> anyhow::Result<()> {
    let fits = prefix.starts_with(|first: char| first.is_ascii_lowercase())
        && prefix.len() <= PREFIX_LENGTH_MAX
        && prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !fits {
        bail!(
            "{prefix:?} cannot begin a database's name: a letter, then a-z, 0-9 and _, at most 50"
        );
    }
    Ok(())
}

/// The same server as another user in another database.
fn url_as(server: &Url, role: &str, password: &str, database: &str) -> anyhow::Result<Url> {
    let mut url = server.clone();
    let changed = url.set_username(role).and_then(|()| url.set_password(Some(password)));
    if changed.is_err() {
        bail!("the Postgres URL must name a host, as postgres://user:password@host:port/database");
    }
    url.set_path(database);
    Ok(url)
}

/// A URL to show to people.
fn without_password(url: &Url) -> String {
    let mut shown = url.clone();
    // A URL that cannot have a password has none to hide.
    let _ = shown.set_password(None);
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_url_is_the_servers_with_role_and_database_changed() {
        let server =
            Url::parse("postgres://boss:pw@db.local:5433/postgres?sslmode=require").unwrap();
        let url = url_as(&server, COMMAND, "c0ffee", "stockbook_write").unwrap();
        assert_eq!(
            url.as_str(),
            "postgres://stockbook_command:c0ffee@db.local:5433/stockbook_write?sslmode=require"
        );
    }

    #[test]
    fn a_url_without_a_host_is_refused() {
        let socket = Url::parse("postgres:///postgres?host=/run/postgresql").unwrap();
        assert!(url_as(&socket, COMMAND, "c0ffee", "stockbook_write").is_err());
    }

    #[test]
    fn a_prefix_is_a_plain_lower_case_name() {
        check_prefix("stockbook").unwrap();
        check_prefix("t_17").unwrap();
        for prefix in ["", "17", "a-b", "Big", "a\"; drop database b", &"a".repeat(51)] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = Url::parse("postgres://boss:secret@db.local/postgres").unwrap();
        assert!(!without_password(&url).contains("secret"));
    }
}
