//! The parts that one `up` starts, decided from the flags before anything starts.

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

pub(crate) struct Parts {
    pub(crate) servers: Wanted,
    /// One port for each command-service.
    pub(crate) command_ports: Vec<u16>,
    /// One port for each query-service.
    pub(crate) query_ports: Vec<u16>,
    /// The command-service that a query-service reads from, even if it is not started here.
    pub(crate) command_port: u16,
    pub(crate) programs: ProgramsFrom,
}

/// Where the services' programs come from.
#[derive(Debug, Clone)]
pub(crate) enum ProgramsFrom {
    /// Cargo builds them.
    Cargo(Profile),
    /// They are in a folder.
    Folder(PathBuf),
}

/// A part that needs a port, and the flag that changes the port.
#[derive(Debug, Clone, Copy)]
struct PortUser {
    port: u16,
    user: &'static str,
    flag: &'static str,
}

impl Parts {
    pub(crate) fn of(args: &UpArgs) -> anyhow::Result<Self> {
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

    pub(crate) fn programs_needed(&self) -> Vec<Program> {
        let command = (!self.command_ports.is_empty()).then_some(Program::CommandService);
        let query = (!self.query_ports.is_empty()).then_some(Program::QueryService);
        command.into_iter().chain(query).collect()
    }

    /// Checks that every port is free, before anything starts.
    pub(crate) fn check_ports(&self) -> anyhow::Result<()> {
        self.ports().iter().try_for_each(|port_user| {
            ports::check_free(port_user.port, port_user.user, port_user.flag)
        })
    }

    fn ports(&self) -> Vec<PortUser> {
        let port_user = |user, flag| move |port: &u16| PortUser { port: *port, user, flag };
        let mut users = Vec::new();
        if let Some(PostgresFrom::Own(port)) = &self.servers.postgres {
            users.extend([port].map(port_user("Postgres", "--postgres-port")));
        }
        if let Some(KafkaFrom::Own(KafkaPorts { broker, controller })) = &self.servers.kafka {
            users.extend([broker].map(port_user("Kafka", "--kafka-port")));
            users.extend([controller].map(port_user("Kafka's controller", "--kafka-port")));
        }
        let command = port_user("the command-service", "--command-port");
        users.extend(self.command_ports.iter().map(command));
        let query = port_user("the query-service", "--query-port");
        users.extend(self.query_ports.iter().map(query));
        users
    }

    fn check(&self, demo: bool) -> anyhow::Result<()> {
        let services = !self.programs_needed().is_empty();
        if services && (self.servers.postgres.is_none() || self.servers.kafka.is_none()) {
            bail!(
                "a service needs postgres and kafka: add them to --only, or use your own servers \
                 with DATABASE_URL and KAFKA_BROKERS"
            );
        }
        let users = self.ports();
        for (place, port_user) in users.iter().enumerate() {
            if let Some(other) = users[..place].iter().find(|other| other.port == port_user.port) {
                let (PortUser { port, user, flag }, first) = (port_user, other.user);
                bail!("{first} and {user} cannot both use port {port}; change it with {flag}");
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
        Some(url) => Some(PostgresFrom::External(url.clone())),
        None => wanted.then_some(PostgresFrom::Own(args.postgres_port)),
    }
}

fn kafka(theirs: Option<&String>, wanted: bool, args: &UpArgs) -> Option<KafkaFrom> {
    // An empty variable counts as unset.
    match theirs.filter(|brokers| !brokers.is_empty()) {
        Some(brokers) => Some(KafkaFrom::External(brokers.clone())),
        None => wanted.then_some(KafkaFrom::Own(KafkaPorts {
            broker: args.kafka_port,
            controller: args.kafka_port + 1,
        })),
    }
}

fn ten_apart(first: u16, count: u16) -> anyhow::Result<Vec<u16>> {
    let last = u32::from(first) + u32::from(count.saturating_sub(1)) * u32::from(ports::STEP);
    if last > u32::from(u16::MAX) {
        bail!("{count} services from port {first} exceed port {}", u16::MAX);
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
        assert!(matches!(parts.servers.postgres, Some(PostgresFrom::Own(54329))));
        let Some(KafkaFrom::Own(ports)) = parts.servers.kafka else {
            panic!("Kafka is not our own");
        };
        assert_eq!((ports.broker, ports.controller), (19092, 19093));
        assert_eq!(parts.command_ports, [8080]);
        assert_eq!(parts.query_ports, [8081]);
        assert!(matches!(parts.programs, ProgramsFrom::Cargo(Profile::Dev)));
    }

    #[test]
    fn services_of_a_kind_are_ten_ports_apart() {
        let parts = parts(&["--command-services", "3", "--query-services", "2"]).unwrap();
        assert_eq!(parts.command_ports, [8080, 8090, 8100]);
        assert_eq!(parts.query_ports, [8081, 8091]);
    }

    #[test]
    fn the_servers_alone_need_no_program() {
        let parts = parts(&["--only", "postgres,kafka"]).unwrap();
        assert!(parts.programs_needed().is_empty());
        assert!(parts.servers.postgres.is_some() && parts.servers.kafka.is_some());
    }

    #[test]
    fn external_servers_replace_our_own() {
        let flags = ["--only", "command", "--database-url", "postgres://given/postgres"];
        let parts = parts(&[&flags[..], &["--kafka-brokers", "given:9092"]].concat()).unwrap();
        assert!(matches!(parts.servers.postgres, Some(PostgresFrom::External(_))));
        assert!(matches!(parts.servers.kafka, Some(KafkaFrom::External(_))));
        assert_eq!(parts.programs_needed(), [Program::CommandService]);
    }

    #[test]
    fn flags_that_cannot_work_are_refused_before_anything_starts() {
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
