//! The announcement that everything is up: a line for people, and one for programs.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use reqwest::Url;

use crate::postgres::databases::DatabaseUrls;

pub(crate) struct Ready {
    pub(crate) command: Vec<String>,
    pub(crate) query: Vec<String>,
    pub(crate) kafka: Option<String>,
    pub(crate) postgres: Option<DatabasePair>,
    pub(crate) data: PathBuf,
}

pub(crate) struct DatabasePair(DatabaseUrls);

impl DatabasePair {
    pub(crate) fn of(urls: DatabaseUrls) -> Self {
        Self(urls)
    }
}

/// Prints both lines, and the settings of services that are not started here.
pub(crate) fn print(ready: &Ready) -> anyhow::Result<()> {
    for line in ready.settings_of_missing_services() {
        tracing::info!("{line}");
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", ready.for_people())
        .and_then(|()| writeln!(stdout, "{ready}"))
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

impl Ready {
    fn for_people(&self) -> String {
        let command = self.command.first().map(|url| format!("commands at {url}/docs"));
        let query = self.query.first().map(|url| format!("queries at {url}/docs"));
        let services: Vec<String> = command.into_iter().chain(query).collect();
        let what = if services.is_empty() {
            "The servers are up".to_owned()
        } else {
            format!("Stockbook is up: {}", services.join(", "))
        };
        format!("{what}. The data is in {}. Ctrl-C stops everything.", self.data.display())
    }

    fn settings_of_missing_services(&self) -> Vec<String> {
        let Some(DatabasePair(urls)) = &self.postgres else {
            return Vec::new();
        };
        let brokers = self.kafka.as_deref().unwrap_or("HOST:PORT");
        let mut lines = Vec::new();
        if self.command.is_empty() {
            lines.push(format!(
                "to run a command-service: MIGRATE_DATABASE_URL={} WRITE_DATABASE_URL={} \
                 KAFKA_BROKERS={brokers}",
                urls.write_owner, urls.write
            ));
        }
        if self.query.is_empty() {
            lines.push(format!(
                "to run a query-service: MIGRATE_DATABASE_URL={} READ_DATABASE_URL={} \
                 KAFKA_BROKERS={brokers} COMMAND_URL={}",
                urls.read_owner,
                urls.read,
                self.command.first().map_or("http://127.0.0.1:8080", String::as_str)
            ));
        }
        lines
    }
}

/// The line for programs: `ready`, and a member for each part.
impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ready")?;
        if !self.command.is_empty() {
            write!(f, " command={}", self.command.join(","))?;
        }
        if !self.query.is_empty() {
            write!(f, " query={}", self.query.join(","))?;
        }
        if let Some(kafka) = &self.kafka {
            write!(f, " kafka={kafka}")?;
        }
        if let Some(DatabasePair(urls)) = &self.postgres {
            let (write, read): (&Url, &Url) = (&urls.write, &urls.read);
            write!(f, " postgres={write},{read}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        let url = |text: &str| Url::parse(text).unwrap();
        Ready {
            command: vec!["http://127.0.0.1:8080".into(), "http://127.0.0.1:8090".into()],
            query: vec!["http://127.0.0.1:8081".into()],
            kafka: Some("127.0.0.1:19092".into()),
            postgres: Some(DatabasePair::of(DatabaseUrls {
                write_owner: url("postgres://o:1@127.0.0.1:54329/stockbook_write"),
                read_owner: url("postgres://o:1@127.0.0.1:54329/stockbook_read"),
                write: url("postgres://c:2@127.0.0.1:54329/stockbook_write"),
                read: url("postgres://q:3@127.0.0.1:54329/stockbook_read"),
            })),
            data: "/home/ann/stockbook".into(),
        }
    }

    #[test]
    fn the_line_for_programs_names_every_part() {
        assert_eq!(
            ready().to_string(),
            "ready command=http://127.0.0.1:8080,http://127.0.0.1:8090 \
             query=http://127.0.0.1:8081 kafka=127.0.0.1:19092 \
             postgres=postgres://c:2@127.0.0.1:54329/stockbook_write,\
             postgres://q:3@127.0.0.1:54329/stockbook_read"
        );
    }

    #[test]
    fn a_missing_part_is_not_named() {
        let only_kafka =
            Ready { command: Vec::new(), query: Vec::new(), postgres: None, ..ready() };
        assert_eq!(only_kafka.to_string(), "ready kafka=127.0.0.1:19092");
        assert!(only_kafka.settings_of_missing_services().is_empty());
    }

    #[test]
    fn settings_are_printed_for_a_service_that_is_not_started() {
        let without_query = Ready { query: Vec::new(), ..ready() };
        let lines = without_query.settings_of_missing_services();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("READ_DATABASE_URL=postgres://q:3@"), "{}", lines[0]);
        assert!(lines[0].contains("COMMAND_URL=http://127.0.0.1:8080"), "{}", lines[0]);
    }
}
