//! The parts that one `up` starts, decided from the flags before anything starts.

use anyhow::{Context, ensure};
use clap::ValueEnum;

use super::UpArgs;
use crate::kafka::{Compiling, Extras};
use crate::ports::{self, PortUse};
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
    /// The console.
    Console,
}

pub(crate) struct Parts {
    pub(crate) servers: Wanted,
    /// One port for each command-service.
    pub(crate) command_ports: Vec<u16>,
    /// One port for each query-service.
    pub(crate) query_ports: Vec<u16>,
    /// The console's port, if there is one.
    pub(crate) console_port: Option<u16>,
    /// The command-service that a query-service reads from, even if it is not started here.
    pub(crate) command_port: u16,
    pub(crate) profile: Profile,
    /// Whether the services have TLS and sign-in.
    pub(crate) secure: bool,
    /// Whether the example of a payment service takes part.
    pub(crate) payments: bool,
}

impl Parts {
    pub(crate) fn of(args: &UpArgs) -> anyhow::Result<Self> {
        let wanted = |part| args.only.is_empty() || args.only.contains(&part);
        let ports = |part, first, count| ten_apart(first, if wanted(part) { count } else { 0 });
        let own_postgres = wanted(Part::Postgres).then_some(PostgresFrom::Own(args.postgres_port));
        let own_kafka = wanted(Part::Kafka).then_some(KafkaFrom::Own(args.kafka_port));
        // An empty variable counts as unset.
        let brokers = args.kafka_brokers.clone().filter(|brokers| !brokers.is_empty());
        let parts = Self {
            servers: Wanted {
                postgres: args.database_url.clone().map(PostgresFrom::External).or(own_postgres),
                kafka: brokers.map(KafkaFrom::External).or(own_kafka),
                compiling: Compiling::Quickly,
                kafka_extras: Extras::default(),
            },
            command_ports: ports(Part::Command, args.command_port, args.command_services)?,
            query_ports: ports(Part::Query, args.query_port, args.query_services)?,
            console_port: wanted(Part::Console).then_some(args.console_port),
            command_port: args.command_port,
            profile: if args.release { Profile::Release } else { Profile::Dev },
            secure: args.secure,
            payments: args.demo,
        };
        let servers = parts.servers.postgres.is_some() && parts.servers.kafka.is_some();
        let services = [&parts.command_ports, &parts.query_ports].map(|ports| !ports.is_empty());
        ensure!(
            servers || services == [false, false],
            "a service needs postgres and kafka: add them to --only, or use your own servers with \
             DATABASE_URL and KAFKA_BROKERS"
        );
        ensure!(
            parts.console_port.is_none() || services == [true, true],
            "the console needs both services: add command and query to --only"
        );
        ensure!(
            !args.demo || services == [true, true],
            "the demo needs both services: leave out --only"
        );
        ensure!(
            !args.secure || services[0],
            "--secure needs a command-service, which makes the API keys: add command to --only"
        );
        Ok(parts)
    }

    pub(crate) fn programs_needed(&self) -> Vec<Program> {
        let command = (!self.command_ports.is_empty()).then_some(Program::CommandService);
        let query = (!self.query_ports.is_empty()).then_some(Program::QueryService);
        let payments = self.payments.then_some(Program::PaymentService);
        let console = self.console_port.map(|_| Program::Console);
        command.into_iter().chain(query).chain(payments).chain(console).collect()
    }

    /// Where services on these ports answer.
    pub(crate) fn urls_of(&self, ports: &[u16]) -> Vec<String> {
        let scheme = if self.secure { "https" } else { "http" };
        ports.iter().map(|port| format!("{scheme}://127.0.0.1:{port}")).collect()
    }

    /// Checks that every port is free, before anything starts.
    pub(crate) fn check_ports(&self) -> anyhow::Result<()> {
        let mut uses: Vec<PortUse> = Vec::new();
        if let Some(PostgresFrom::Own(port)) = self.servers.postgres {
            uses.push((port, "Postgres", "--postgres-port"));
        }
        if let Some(KafkaFrom::Own(port)) = self.servers.kafka {
            uses.push((port, "Kafka", "--kafka-port"));
            uses.push((port + 1, "Kafka's controller", "--kafka-port"));
        }
        let command = |port: &u16| (*port, "the command-service", "--command-port");
        let query = |port: &u16| (*port, "the query-service", "--query-port");
        uses.extend(self.command_ports.iter().map(command));
        uses.extend(self.query_ports.iter().map(query));
        uses.extend(self.console_port.map(|port| (port, "the console", "--console-port")));
        ports::check_free(&uses)
    }
}

fn ten_apart(first: u16, count: u16) -> anyhow::Result<Vec<u16>> {
    (0..count)
        .map(|nth| first.checked_add(nth * ports::STEP))
        .collect::<Option<_>>()
        .with_context(|| format!("{count} services from port {first} exceed port {}", u16::MAX))
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
        let mut args = Cli::try_parse_from(["up"].iter().chain(flags))?.up;
        // The machine that runs the tests may have the variables of external servers.
        if !flags.contains(&"--database-url") {
            (args.database_url, args.kafka_brokers) = (None, None);
        }
        Parts::of(&args)
    }

    #[test]
    fn without_flags_everything_is_started_once_on_its_own_port() {
        let parts = parts(&[]).unwrap();
        assert!(matches!(parts.servers.postgres, Some(PostgresFrom::Own(54329))));
        assert!(matches!(parts.servers.kafka, Some(KafkaFrom::Own(19092))));
        assert_eq!(parts.command_ports, [8080]);
        assert_eq!(parts.query_ports, [8081]);
        assert_eq!(parts.console_port, Some(8082));
        assert!(parts.profile == Profile::Dev);
    }

    #[test]
    fn services_of_a_kind_are_ten_ports_apart() {
        let parts = parts(&["--command-services", "3", "--query-services", "2"]).unwrap();
        assert_eq!(parts.command_ports, [8080, 8090, 8100]);
        assert_eq!(parts.query_ports, [8081, 8091]);
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
            &["--only", "postgres,kafka,query,console"],
            &["--command-services", "20", "--command-port", "65530"],
            &["--command-services", "0"],
            &["--only", "redis"],
            &["--only", "postgres,kafka", "--secure"],
        ] {
            assert!(parts(flags).is_err(), "{flags:?}");
        }
    }
}
