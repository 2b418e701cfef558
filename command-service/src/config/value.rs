//! Settings that are more than a number: checked when they are read, before any connection.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// Where a Postgres database is, and who connects. Debug shows neither user nor password.
#[derive(Clone)]
pub struct DatabaseUrl {
    url: String,
    options: PgConnectOptions,
}

impl DatabaseUrl {
    /// The URL with its password, for whoever connects.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The same, taken apart.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("must begin with postgres:// or postgresql://".to_owned());
        }
        let options = url.parse().map_err(|error: sqlx::Error| error.to_string())?;
        Ok(Self { url: url.to_owned(), options })
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.options.get_database().unwrap_or_default();
        write!(
            out,
            "postgres://…@{}:{}/{database}",
            self.options.get_host(),
            self.options.get_port()
        )
    }
}

/// Where to listen: a host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress(String);

impl ListenAddress {
    /// The address as `host:port`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be host:port, such as 127.0.0.1:8080";
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(EXPECTED);
        }
        Ok(Self(text.to_owned()))
    }
}
