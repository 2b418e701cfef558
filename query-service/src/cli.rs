//! The program's subcommands.

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};
use service_edge::config::MigrateConfig;
use service_edge::process::with_default_action;

use crate::config::{HealthcheckConfig, ServeConfig};
use crate::export::ExportConfig;
use crate::rebuild::RebuildConfig;
use crate::sink::SinkConfig;
use crate::skip::SkipConfig;

/// Stockbook's query-service: follows the log and answers stock queries.
#[derive(Debug, Clone, Parser)]
#[command(name = "query-service", version)]
pub struct Config {
    /// The command; `serve` by default.
    #[command(subcommand)]
    pub action: Action,

    /// The filter of the log on stderr, such as `info` or `query_service=debug,info`.
    #[arg(long = "log", env = "RUST_LOG", default_value = "info,sqlx=warn", global = true)]
    pub log: String,
}

/// The commands of the program.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Keep the views up to date and answer from them.
    Serve(Box<ServeConfig>),
    /// Migrate the read database to this version. The first migration fixes the number of lanes.
    Migrate(MigrateConfig),
    /// Fill a new version of a projection from the log, then switch answers to it. If it is killed,
    /// it continues at the next start.
    Rebuild(RebuildConfig),
    /// Let a lane skip the one event at which it stopped. The skipped event stays on record.
    Skip(SkipConfig),
    /// Write the log in order as Parquet files, for analysts and other systems, or check such files. If it is
    /// killed, it goes on at the next start.
    Export(Box<ExportConfig>),
    /// Copy the log to somewhere that is not Kafka.
    Sink(Box<SinkConfig>),
    /// Ask a running service whether it is ready; fail if it is not.
    Healthcheck(HealthcheckConfig),
}

impl Config {
    /// Reads the arguments, program name first, and the environment. A request for help is an error,
    /// too.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(with_default_action(&Self::command(), "serve", arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::RebuildStep;

    const DATABASE: &str = "--read-database-url=postgres://stockbook_query:secret@localhost/read";
    const BROKERS: &str = "--kafka-brokers=localhost:9092";

    fn read(arguments: &[&str]) -> Result<Config, clap::Error> {
        let program = std::iter::once(OsString::from("query-service"));
        Config::read(program.chain(arguments.iter().map(OsString::from)))
    }

    #[test]
    fn the_definition_is_sound() {
        Config::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_command() {
        let config = read(&[DATABASE, BROKERS]).expect("settings");
        assert!(matches!(config.action, Action::Serve(_)), "{config:?}");
    }

    #[test]
    fn several_command_services_are_separated_by_commas() {
        let urls = "--command-url=http://localhost:8080,http://localhost:8090";
        let config = read(&[DATABASE, BROKERS, urls]).expect("settings");
        let Action::Serve(serve) = config.action else { panic!("not serve") };
        assert_eq!(serve.log.command_url.len(), 2);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for bad in ["--listen=8081", "--requests-max=0", "--heads-interval-ms=0", "--command-url=x"]
        {
            assert!(read(&[DATABASE, BROKERS, bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_of_a_rebuild_exclude_each_other_and_a_skip_needs_a_reason() {
        const OWNER: &str = "--migrate-database-url=postgres://owner:secret@localhost/read";
        let step = |flags: &[&str]| {
            let config = read(&[&["rebuild", "low_stock", OWNER], flags].concat()).ok()?;
            let Action::Rebuild(rebuild) = config.action else { panic!("not rebuild") };
            Some(rebuild.step())
        };
        assert_eq!(step(&[]), Some(RebuildStep::Swap));
        assert_eq!(step(&["--compare"]), Some(RebuildStep::Compare));
        assert_eq!(step(&["--back"]), Some(RebuildStep::Back));
        assert_eq!(step(&["--drop"]), Some(RebuildStep::Drop));
        assert_eq!(step(&["--replace"]), Some(RebuildStep::Replace));
        assert_eq!(step(&["--back", "--drop"]), None);
        assert_eq!(step(&["--drop", "--replace"]), None);
        assert!(read(&["rebuild", "prices", OWNER]).is_err());
        let skip = ["skip", "--lane=3", "--position=7", OWNER];
        assert!(read(&skip).is_err(), "without a reason");
        assert!(read(&[&skip[..], &["--reason=double"]].concat()).is_ok());
    }
}
