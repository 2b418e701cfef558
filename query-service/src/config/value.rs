//! Settings that are more than a number: checked when they are read, before any connection.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

/// Where a Postgres database is, and who connects. Debug shows neither user nor password.
#[derive(Clone)]
pub struct DatabaseUrl(Box<PgConnectOptions>);

impl DatabaseUrl {
    /// The URL taken apart, for whoever connects.
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
        const EXPECTED: &str = "must be host:port, such as 127.0.0.1:8081";
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(EXPECTED);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A length of time, written as a whole number of milliseconds, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    fn no_secret_shows_in_debug() {
        let url: DatabaseUrl = "postgres://somebody:secret@localhost/read".parse().expect("a URL");
        assert_eq!(format!("{url:?}"), "postgres://…@localhost:5432/read");
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        assert!("localhost:0".parse::<ListenAddress>().is_ok());
        for bad in ["8081", "localhost:http", ":8081", "localhost:65536"] {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad}");
        }
    }
}
