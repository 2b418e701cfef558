//! Roles and databases on a Postgres server, our own or another.

use anyhow::{Context, bail};
use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::credentials::{COMMAND, Credentials, OWNER, QUERY};

/// What a database's name may have before `_write` or `_read`: Postgres cuts at 63 bytes.
const PREFIX_LENGTH_MAX: usize = 50;

/// A server on which databases can be made. Cheap to clone; every call has its own connection.
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
    /// Uses the server behind a superuser's URL; makes the three roles there and sets their
    /// passwords.
    ///
    /// # Errors
    /// The server cannot be reached, or the URL's user may not make roles.
    pub async fn open(admin_url: Url, credentials: Credentials) -> anyhow::Result<Self> {
        let databases = Self { admin_url, credentials };
        databases.make_roles().await?;
        Ok(databases)
    }

    /// Makes `{prefix}_write` and `{prefix}_read` where they are missing.
    ///
    /// # Errors
    /// The prefix does not fit a name, or the server refuses.
    pub async fn create(&self, prefix: &str) -> anyhow::Result<DatabaseUrls> {
        check_prefix(prefix)?;
        let mut admin = self.connect_alone().await?;
        for (name, guest) in [(write_name(prefix), COMMAND), (read_name(prefix), QUERY)] {
            create_database(&mut admin, &name, guest)
                .await
                .with_context(|| format!("cannot make the database {name}"))?;
        }
        admin.close().await.context("Postgres broke off")?;
        self.urls(prefix)
    }

    /// Drops `{prefix}_write` and `{prefix}_read`, ending their sessions.
    ///
    /// # Errors
    /// The prefix does not fit a name, or the server refuses.
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
        admin.close().await.context("Postgres broke off")
    }

    /// The URLs of a pair, be it there or not.
    ///
    /// # Errors
    /// The server's URL cannot carry a user, as one that names a socket.
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

    /// The superuser's URL, for what is not offered here.
    #[must_use]
    pub fn admin_url(&self) -> &Url {
        &self.admin_url
    }

    /// Turns on the counting of statements, where the server can.
    ///
    /// # Errors
    /// It cannot.
    pub(crate) async fn enable_statement_statistics(&self) -> anyhow::Result<()> {
        let mut admin = self.connect_alone().await?;
        sqlx::raw_sql(include_str!("../../queries/enable_statement_statistics.sql"))
            .execute(&mut admin)
            .await?;
        admin.close().await.context("Postgres broke off")
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
            make.await.with_context(|| format!("cannot make the role {role}"))?;
        }
        admin.close().await.context("Postgres broke off")
    }

    /// A connection that is the only one to set things up: roles and databases are shared by the
    /// whole server, and two sessions that change one row of a catalogue refuse each other.
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
