//! The announcement that everything is up: a line for people, and one for programs.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use reqwest::Url;

use crate::access::Access;
use crate::postgres::databases::DatabaseUrls;

/// No `Debug`: the URLs have passwords.
pub(crate) struct Ready {
    pub(crate) command: Vec<String>,
    pub(crate) query: Vec<String>,
    pub(crate) console: Option<String>,
    /// With TLS and sign-in: how the services are asked.
    pub(crate) access: Option<Access>,
    pub(crate) kafka: Option<String>,
    pub(crate) postgres: Option<DatabaseUrls>,
    pub(crate) data: PathBuf,
}

/// Prints both lines, and the settings of services that are not started here.
pub(crate) fn print(ready: &Ready) -> anyhow::Result<()> {
    for line in ready.settings_of_missing_services() {
        tracing::info!("{line}");
    }
    let mut stdout = std::io::stdout().lock();
    if let Some(line) = ready.for_the_hand() {
        writeln!(stdout, "{line}").context("cannot write to standard output")?;
    }
    writeln!(stdout, "{}\n{}", ready.for_people(), ready.for_programs())
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

impl Ready {
    fn for_people(&self) -> String {
        let command = self.command.first().map(|url| format!("commands at {url}/docs"));
        let query = self.query.first().map(|url| format!("queries at {url}/docs"));
        let console = self.console.as_ref().map(|url| format!("the console at {url}"));
        let services: Vec<String> = console.into_iter().chain(command).chain(query).collect();
        let what = match services.as_slice() {
            [] => "The servers are up".to_owned(),
            _ => format!("Stockbook is up: {}", services.join(", ")),
        };
        let data = self.data.display();
        let passwords = match self.postgres {
            Some(_) => ", with the passwords of Postgres in credentials.json",
            None => "",
        };
        format!("{what}. The data is in {data}{passwords}. Ctrl-C stops everything.")
    }

    /// The command that asks a service with TLS and sign-in, and the key for the console.
    fn for_the_hand(&self) -> Option<String> {
        let access = self.access.as_ref()?;
        let url = self.command.first()?;
        let console = self.console.as_ref().and(access.key_file.as_ref()).map(|key| {
            format!("\nWho visits the console signs in with the key in {}", key.display())
        });
        Some(format!(
            "Who asks signs in: {} {url}/v1/lanes{}",
            self.curl(),
            console.unwrap_or_default()
        ))
    }

    /// curl with what the services want.
    pub(crate) fn curl(&self) -> String {
        match &self.access {
            Some(Access { ca: Some(ca), key_file: Some(key) }) => format!(
                "curl --cacert '{}' -H \"Authorization: Bearer $(cat '{}')\"",
                ca.display(),
                key.display()
            ),
            Some(_) | None => "curl".to_owned(),
        }
    }

    /// `ready`, and a member for each part. Passwords stay in the file that has them.
    fn for_programs(&self) -> String {
        let services = |urls: &[String]| Some(urls.join(",")).filter(|urls| !urls.is_empty());
        let postgres = self.postgres.as_ref().map(|urls| {
            [&urls.write, &urls.read].map(|url| without_password(url).to_string()).join(",")
        });
        [
            ("command", services(&self.command)),
            ("query", services(&self.query)),
            ("console", self.console.clone()),
            ("kafka", self.kafka.clone()),
            ("postgres", postgres),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!(" {name}={}", value?)))
        .fold("ready".to_owned(), |line, member| line + &member)
    }

    fn settings_of_missing_services(&self) -> Vec<String> {
        let Some(urls) = &self.postgres else {
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
            let command = self.command.first().map_or("http://127.0.0.1:8080", String::as_str);
            lines.push(format!(
                "to run a query-service: MIGRATE_DATABASE_URL={} READ_DATABASE_URL={} \
                 KAFKA_BROKERS={brokers} COMMAND_URL={command}",
                urls.read_owner, urls.read
            ));
        }
        lines
    }
}

fn without_password(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_password(None).expect("a URL of a database names a host");
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_named_and_a_missing_service_gets_its_settings() {
        let url = |text: &str| text.parse().unwrap();
        let all = Ready {
            command: vec!["http://127.0.0.1:8080".into(), "http://127.0.0.1:8090".into()],
            query: vec!["http://127.0.0.1:8081".into()],
            console: Some("http://127.0.0.1:8082".into()),
            access: None,
            kafka: Some("127.0.0.1:19092".into()),
            postgres: Some(DatabaseUrls {
                write_owner: url("postgres://o:1@127.0.0.1:54329/stockbook_write"),
                read_owner: url("postgres://o:1@127.0.0.1:54329/stockbook_read"),
                write: url("postgres://c:2@127.0.0.1:54329/stockbook_write"),
                read: url("postgres://q:3@127.0.0.1:54329/stockbook_read"),
            }),
            data: "/home/ann/stockbook".into(),
        };
        assert_eq!(
            all.for_programs(),
            "ready command=http://127.0.0.1:8080,http://127.0.0.1:8090 \
             query=http://127.0.0.1:8081 console=http://127.0.0.1:8082 kafka=127.0.0.1:19092 \
             postgres=postgres://c@127.0.0.1:54329/stockbook_write,\
             postgres://q@127.0.0.1:54329/stockbook_read"
        );
        assert_eq!(all.for_the_hand(), None);
        let without_query = Ready { query: Vec::new(), ..all };
        assert!(!without_query.for_programs().contains("query="));
        assert_eq!(
            without_query.settings_of_missing_services(),
            ["to run a query-service: \
              MIGRATE_DATABASE_URL=postgres://o:1@127.0.0.1:54329/stockbook_read \
              READ_DATABASE_URL=postgres://q:3@127.0.0.1:54329/stockbook_read \
              KAFKA_BROKERS=127.0.0.1:19092 COMMAND_URL=http://127.0.0.1:8080"]
        );
    }
}
