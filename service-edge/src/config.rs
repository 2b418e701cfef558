//! Settings that are more than a number. They are checked when they are read, before any connection.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::RangedI64ValueParser;
use clap::{Args, value_parser};
use sqlx::postgres::PgConnectOptions;

/// The address and the credentials of a Postgres database. Debug shows neither user nor password.
#[derive(Clone)]
pub struct DatabaseUrl(Box<PgConnectOptions>);

impl DatabaseUrl {
    pub fn options(&self) -> PgConnectOptions {
        (*self.0).clone()
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("must begin with postgres:// or postgresql://".to_owned());
        }
        let options = url.parse().map_err(|error: sqlx::Error| error.to_string())?;
        Ok(Self(Box::new(options)))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.0.get_host(), self.0.get_port());
        let database = self.0.get_database().unwrap_or_default();
        write!(out, "postgres://…@{host}:{port}/{database}")
    }
}

/// A text that nobody but its receiver may see. Debug hides it, and so do errors: every text is one.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

/// An address to listen on: a host name or IP address, and a port.
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

/// A duration, written as a whole number of milliseconds, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub struct Milliseconds(pub Duration);

impl FromStr for Milliseconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<u32>() {
            Ok(0) | Err(_) => Err("must be a whole number of milliseconds, at least 1"),
            Ok(count) => Ok(Self(Duration::from_millis(count.into()))),
        }
    }
}

/// Settings of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateConfig {
    /// The database of the service, as its owner.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true)]
    pub migrate_database_url: DatabaseUrl,

    /// The number of lanes of the log, 16 by default. The first migration fixes it; later, another
    /// number is refused.
    #[arg(long, env = "LANES", value_parser = lanes())]
    pub lanes: Option<u16>,
}

/// Parses a number of lanes.
pub fn lanes() -> RangedI64ValueParser<u16> {
    value_parser!(u16).range(1..=1024)
}

/// Parses a count of at least 1.
pub fn at_least_one() -> RangedI64ValueParser<u32> {
    value_parser!(u32).range(1..)
}

/// A count as the size of something in memory.
pub fn count(setting: u32) -> usize {
    usize::try_from(setting).expect("32 bits fit a usize")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_at_least_a_millisecond() {
        assert_eq!("20".parse(), Ok(Milliseconds(Duration::from_millis(20))));
        for bad in ["0", "-1", "1s", "", "4294967296"] {
            assert!(bad.parse::<Milliseconds>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_database_url_hides_its_secret_in_debug() {
        let url: DatabaseUrl = "postgres://somebody:secret@localhost/read".parse().expect("a URL");
        assert_eq!(format!("{url:?}"), "postgres://…@localhost:5432/read");
        assert!("mysql://localhost/read".parse::<DatabaseUrl>().is_err());
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        assert!("localhost:0".parse::<ListenAddress>().is_ok());
        for bad in ["8081", "localhost:http", ":8081", "localhost:65536"] {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad}");
        }
    }
}
