//! What one `up` starts: decided from the flags, before anything is touched.

use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use reqwest::Url;

use super::UpArgs;
use crate::kafka::{Compiling, KafkaPorts};
use crate::ports;
use crate::servers::{KafkaFrom, PostgresFrom, Wanted};
use crate::services::build::{Profile, Program};

/// A part that `--only` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The database.
    Postgres,
    /// The event stream.
    Kafka,
    /// The command-service.
    Command,
    /// The query-service.
    Query,
}

/// Everything that one `up` starts.
pub(super) struct Parts {
    /// The servers.
    pub(super) servers: Wanted,
    /// The ports of the command-services; none when none is wanted.
    pub(super) command_ports: Vec<u16>,
    /// The ports of the query-services; none when none is wanted.
    pub(super) query_ports: Vec<u16>,
    /// Where a query-service finds the command-service, be it started here or not.
    pub(super) command_port: u16,
    /// Where the services' programs come from.
    pub(super) programs: ProgramsFrom,
}

/// Where the services' programs come from.
#[derive(Debug, Clone)]
pub(super) enum ProgramsFrom {
    /// Cargo builds them.
    Cargo(Profile),
    /// They lie in a folder.
    Folder(PathBuf),
}

/// Who takes a port, and the flag that gives another one.
#[derive(Debug, Clone, Copy)]
struct Taker {
    port: u16,
    whom: &'static str,
    flag: &'static str,
}

impl Parts {
    /// Reads the flags.
    ///
    /// # Errors
    /// They contradict each other.
    pub(super) fn of(args: &UpArgs) -> anyhow::Result<Self> {
        let wanted = |part| args.only.is_empty() || args.only.contains(&part);
        let ports = |part, first, count| {
            let count = if wanted(part) { count } else { 0 };
            ten_apart(first, count)
        };
        let parts = Self {
            servers: Wanted {
                postgres: postgres(args.database_url.as_ref(), wanted(Part::Postgres), args),
                kafka: kafka(args.kafka_brokers.as_ref(), wanted(Part::Kafka), args),
                compiling: Compiling::Quickly,
            },
            command_ports: ports(Part::Command, args.command_port, args.command_services)?,
            query_ports: ports(Part::Query, args.query_port, args.query_services)?,
            command_port: args.command_port,
            programs: match &args.binaries {
                Some(folder) => ProgramsFrom::Folder(folder.clone()),
                None if args.release => ProgramsFrom::Cargo(Profile::Release),
                None => ProgramsFrom::Cargo(Profile::Dev),
            },
        };
        parts.check(args.demo)?;
        Ok(parts)
    }

    /// The programs that are needed.
    pub(super) fn programs_needed(&self) -> Vec<Program> {
        let command = (!self.command_ports.is_empty()).then_some(Program::CommandService);
        let query = (!self.query_ports.is_empty()).then_some(Program::QueryService);
        command.into_iter().chain(query).collect()
    }

    /// Makes sure that every port can be had, before anything is started.
    ///
    /// # Errors
    /// One is taken; the message says which and by whom.
    pub(super) fn check_ports(&self) -> anyhow::Result<()> {
        self.ports()
            .iter()
            .try_for_each(|taker| ports::check_free(taker.port, taker.whom, taker.flag))
    }

    fn ports(&self) -> Vec<Taker> {
        let taker = |whom, flag| move |port: &u16| Taker { port: *port, whom, flag };
        let mut takers = Vec::new();
        if let Some(PostgresFrom::Here(port)) = &self.servers.postgres {
            takers.extend([port].map(taker("Postgres", "--postgres-port")));
        }
        if let Some(KafkaFrom::Here(KafkaPorts { broker, controller })) = &self.servers.kafka {
            takers.extend([broker].map(taker("Kafka", "--kafka-port")));
            takers.extend([controller].map(taker("Kafka's controller", "--kafka-port")));
        }
        let command = taker("the command-service", "--command-port");
        takers.extend(self.command_ports.iter().map(command));
        let query = taker("the query-service", "--query-port");
        takers.extend(self.query_ports.iter().map(query));
        takers
    }

    fn check(&self, demo: bool) -> anyhow::Result<()> {
        let services = !self.programs_needed().is_empty();
        if services && (self.servers.postgres.is_none() || self.servers.kafka.is_none()) {
            bail!(
                "a service needs postgres and kafka: name them in --only too, or name servers of \
                 your own with DATABASE_URL and KAFKA_BROKERS"
            );
        }
        let takers = self.ports();
        for (place, taker) in takers.iter().enumerate() {
            if let Some(other) = takers[..place].iter().find(|other| other.port == taker.port) {
                let (Taker { port, whom, flag }, first) = (taker, other.whom);
                bail!("{first} and {whom} cannot both have port {port}; change it with {flag}");
            }
        }
        if demo && (self.command_ports.is_empty() || self.query_ports.is_empty()) {
            bail!("the demo needs both services: leave out --only");
        }
        Ok(())
    }
}

fn postgres(theirs: Option<&Url>, wanted: bool, args: &UpArgs) -> Option<PostgresFrom> {
    match theirs {
        Some(url) => Some(PostgresFrom::There(url.clone())),
        None => wanted.then_some(PostgresFrom::Here(args.postgres_port)),
    }
}

fn kafka(theirs: Option<&String>, wanted: bool, args: &UpArgs) -> Option<KafkaFrom> {
    // A variable that is set to nothing is as good as unset.
    match theirs.filter(|brokers| !brokers.is_empty()) {
        Some(brokers) => Some(KafkaFrom::There(brokers.clone())),
        None => wanted.then_some(KafkaFrom::Here(KafkaPorts {
            broker: args.kafka_port,
            controller: args.kafka_port + 1,
        })),
    }
}

fn ten_apart(first: u16, count: u16) -> anyhow::Result<Vec<u16>> {
    let last = u32::from(first) + u32::from(count.saturating_sub(1)) * u32::from(ports::STEP);
    if last > u32::from(u16::MAX) {
        bail!("{count} services from port {first} on go beyond port {}", u16::MAX);
    }
    Ok((0..count).map(|nth| first + nth * ports::STEP).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        up: UpArgs,
    }

    fn parts(flags: &[&str]) -> anyhow::Result<Parts> {
        let flags = std::iter::once("up").chain(flags.iter().copied());
        let mut args = Cli::try_parse_from(flags)?.up;
        // The machine that runs the tests may have these set.
        if !flags_name(&args, "postgres://given") {
            args.database_url = None;
        }
        args.kafka_brokers = args.kafka_brokers.filter(|brokers| brokers.starts_with("given"));
        Parts::of(&args)
    }

    fn flags_name(args: &UpArgs, start: &str) -> bool {
        args.database_url.as_ref().is_some_and(|url| url.as_str().starts_with(start))
    }

    #[test]
    fn without_flags_everything_is_started_once_on_its_own_port() {
        let parts = parts(&[]).unwrap();
        assert!(matches!(parts.servers.postgres, Some(PostgresFrom::Here(54329))));
        let Some(KafkaFrom::Here(ports)) = parts.servers.kafka else {
            panic!("Kafka is not our own");
        };
        assert_eq!((ports.broker, ports.controller), (19092, 19093));
        assert_eq!(parts.command_ports, [8080]);
        assert_eq!(parts.query_ports, [8081]);
        assert!(matches!(parts.programs, ProgramsFrom::Cargo(Profile::Dev)));
    }

    #[test]
    fn more_services_stand_ten_ports_apart() {
        let parts = parts(&["--command-services", "3", "--query-services", "2"]).unwrap();
        assert_eq!(parts.command_ports, [8080, 8090, 8100]);
        assert_eq!(parts.query_ports, [8081, 8091]);
    }

    #[test]
    fn only_the_servers_is_without_any_program() {
        let parts = parts(&["--only", "postgres,kafka"]).unwrap();
        assert!(parts.programs_needed().is_empty());
        assert!(parts.servers.postgres.is_some() && parts.servers.kafka.is_some());
    }

    #[test]
    fn servers_of_others_are_used_instead_of_own_ones() {
        let flags = ["--only", "command", "--database-url", "postgres://given/postgres"];
        let parts = parts(&[&flags[..], &["--kafka-brokers", "given:9092"]].concat()).unwrap();
        assert!(matches!(parts.servers.postgres, Some(PostgresFrom::There(_))));
        assert!(matches!(parts.servers.kafka, Some(KafkaFrom::There(_))));
        assert_eq!(parts.programs_needed(), [Program::CommandService]);
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_starts() {
        for flags in [
            &["--only", "command"][..],
            &["--only", "postgres,kafka,query", "--demo"],
            &["--command-services", "20", "--command-port", "65530"],
            &["--command-services", "0"],
            &["--postgres-port", "19093"],
            &["--command-services", "2", "--query-port", "8090"],
            &["--only", "redis"],
        ] {
            assert!(parts(flags).is_err(), "{flags:?}");
        }
    }
}
