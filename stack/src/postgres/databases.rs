//! Roles and databases on a Postgres server, our own or an external one.

use anyhow::{Context, bail};
use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::credentials::{COMMAND, Credentials, OWNER, QUERY, REDACTOR};

/// The databases of a server. Every call opens its own connection.
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

/// The database of the keys of personal data.
#[derive(Clone)]
pub struct KeysUrls {
    /// As its owner: to migrate.
    pub owner: Url,
    /// As the command-service.
    pub service: Url,
}

impl Databases {
    /// Connects as a superuser, creates the roles and sets the passwords of those that log in.
    pub(crate) async fn open(admin_url: Url, credentials: Credentials) -> anyhow::Result<Self> {
        let Credentials { owner, command, query, .. } = &credentials;
        let mut admin = connect_alone(&admin_url).await?;
        for (role, password) in [(OWNER, owner), (COMMAND, command), (QUERY, query)] {
            let compose = include_str!("../../queries/compose_role.sql");
            execute(&mut admin, compose, &[role, password])
                .await
                .with_context(|| format!("cannot create the role {role}"))?;
        }
        let compose = include_str!("../../queries/compose_redactor.sql");
        execute(&mut admin, compose, &[REDACTOR, OWNER])
            .await
            .with_context(|| format!("cannot create the role {REDACTOR}"))?;
        admin.close().await.context("the connection to Postgres broke")?;
        Ok(Self { admin_url, credentials })
    }

    /// Creates `{prefix}_write` and `{prefix}_read` unless they exist.
    pub async fn create(&self, prefix: &str) -> anyhow::Result<DatabaseUrls> {
        let names = ["write", "read"].map(|side| format!("{prefix}_{side}"));
        let mut admin = connect_alone(&self.admin_url).await?;
        for (name, guest) in names.iter().zip([COMMAND, QUERY]) {
            let compose = include_str!("../../queries/compose_create_database.sql");
            execute(&mut admin, compose, &[name, OWNER, guest])
                .await
                .with_context(|| format!("cannot create the database {name}"))?;
        }
        admin.close().await.context("the connection to Postgres broke")?;
        let [write, read] = &names;
        let Credentials { owner, command, query, .. } = &self.credentials;
        let url = |role, password, database| url_as(&self.admin_url, role, password, database);
        Ok(DatabaseUrls {
            write_owner: url(OWNER, owner, write)?,
            read_owner: url(OWNER, owner, read)?,
            write: url(COMMAND, command, write)?,
            read: url(QUERY, query, read)?,
        })
    }

    /// Creates `{prefix}_keys` unless it exists.
    pub async fn create_keys(&self, prefix: &str) -> anyhow::Result<KeysUrls> {
        let name = format!("{prefix}_keys");
        let mut admin = connect_alone(&self.admin_url).await?;
        let compose = include_str!("../../queries/compose_create_database.sql");
        execute(&mut admin, compose, &[&name, OWNER, COMMAND])
            .await
            .with_context(|| format!("cannot create the database {name}"))?;
        admin.close().await.context("the connection to Postgres broke")?;
        let Credentials { owner, command, .. } = &self.credentials;
        Ok(KeysUrls {
            owner: url_as(&self.admin_url, OWNER, owner, &name)?,
            service: url_as(&self.admin_url, COMMAND, command, &name)?,
        })
    }

    /// The URL of the superuser.
    #[must_use]
    pub fn admin_url(&self) -> &Url {
        &self.admin_url
    }

    pub(crate) async fn enable_statement_statistics(&self) -> anyhow::Result<()> {
        let mut admin = connect_alone(&self.admin_url).await?;
        sqlx::raw_sql(include_str!("../../queries/enable_statement_statistics.sql"))
            .execute(&mut admin)
            .await?;
        admin.close().await.context("the connection to Postgres broke")
    }
}

/// Opens a connection and waits until no other one sets up roles or databases: two sessions that
/// change the same row of a catalogue would fail.
async fn connect_alone(admin_url: &Url) -> anyhow::Result<PgConnection> {
    let connected = PgConnection::connect(admin_url.as_str()).await;
    // Not the whole URL, which has a password.
    let host = admin_url.host_str().unwrap_or_default();
    let mut admin = connected.with_context(|| format!("cannot reach Postgres at {host}"))?;
    sqlx::query(include_str!("../../queries/lock_setup.sql"))
        .execute(&mut admin)
        .await
        .context("cannot lock the set-up of Postgres")?;
    Ok(admin)
}

/// Executes the statements that a query composes of these names.
async fn execute(
    admin: &mut PgConnection,
    compose: &'static str,
    names: &[&str],
) -> sqlx::Result<()> {
    let query = names.iter().fold(sqlx::query_scalar(compose), |query, name| query.bind(name));
    let statements: Vec<String> = query.fetch_all(&mut *admin).await?;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *admin).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_url_is_the_servers_with_role_and_database_changed() {
        let of =
            |server| url_as(&Url::parse(server).unwrap(), COMMAND, "c0ffee", "stockbook_write");
        assert_eq!(
            of("postgres://boss:pw@db.local:5433/postgres?sslmode=require").unwrap().as_str(),
            "postgres://stockbook_command:c0ffee@db.local:5433/stockbook_write?sslmode=require"
        );
        assert!(of("postgres:///postgres?host=/run/postgresql").is_err(), "it has no host");
    }
}
