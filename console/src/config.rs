//! The settings, read once from flags and the environment. `--help` shows each with its comment.

use std::ffi::OsString;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use reqwest::Url;
use service_edge::callers::CallerConfig;
use service_edge::config::{ListenAddress, Milliseconds, Secret, at_least_one};
use service_edge::healthcheck::TlsOfService;
use service_edge::process::with_default_action;
use service_edge::sign_in::config::{SignInConfig, Switch};
use service_edge::tls::TlsConfig;

/// Web pages that show stock, time and the pipeline. Without a subcommand, it serves them.
#[derive(Debug, Clone, Parser)]
#[command(name = "console", version)]
pub struct Config {
    /// Which log lines are written, as in `info,console=debug`.
    #[arg(long = "log", env = "RUST_LOG", default_value = "info", global = true)]
    pub log: String,

    #[command(subcommand)]
    pub action: Action,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Serves the pages.
    Serve(Box<ServeConfig>),
    /// Asks a running console whether it can do its work.
    Healthcheck(HealthcheckConfig),
}

impl Config {
    /// Reads flags and environment.
    ///
    /// # Errors
    /// A setting is unknown, missing or cannot be used.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(with_default_action(&Self::command(), "serve", arguments))
    }
}

#[derive(Debug, Clone, Args)]
pub struct HealthcheckConfig {
    /// The address that the console listens on.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8082")]
    pub listen: ListenAddress,

    #[command(flatten)]
    pub tls: TlsOfService,
}

/// Settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeConfig {
    /// The address to listen on, host:port; port 0 takes a free port. Beyond loopback, AUTH must be
    /// said, and TLS=off unless there is a certificate.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8082")]
    pub listen: ListenAddress,

    /// `off`: it is meant that everybody who reaches the console may do what it may do.
    #[arg(long, env = "AUTH", value_enum)]
    pub auth: Option<Switch>,

    #[command(flatten)]
    pub tls: TlsConfig,

    #[command(flatten)]
    pub callers: CallerConfig,

    #[command(flatten)]
    pub services: ServicesConfig,

    /// Pages in progress; more are answered that the console is busy.
    #[arg(long, env = "REQUESTS_MAX", default_value_t = 256, value_parser = at_least_one())]
    pub requests_max: u32,

    /// Pages that show changes as they happen, each an open request; more refresh by hand.
    #[arg(long, env = "LIVE_MAX", default_value_t = 128, value_parser = at_least_one())]
    pub live_max: u32,

    /// Open connections; more wait in the system's backlog.
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = 1_024, value_parser = at_least_one())]
    pub connections_max: u32,

    /// How long a stop waits for pages in progress, in milliseconds.
    #[arg(long, env = "DRAIN_TIMEOUT_MS", default_value = "5000")]
    pub drain_timeout_ms: Milliseconds,
}

impl ServeConfig {
    pub(crate) fn sign_in(&self) -> SignInConfig {
        SignInConfig { auth: self.auth, ..SignInConfig::default() }
    }
}

/// The services whose API the pages show.
#[derive(Debug, Clone, Args)]
pub struct ServicesConfig {
    /// Base URL of the command-service, or of the gateway in front of several.
    #[arg(long, env = "COMMAND_URL", default_value = "http://127.0.0.1:8080")]
    pub command_url: Url,

    /// Base URL of the query-service, or of the gateway in front of several.
    #[arg(long, env = "QUERY_URL", default_value = "http://127.0.0.1:8081")]
    pub query_url: Url,

    /// What to sign in with at both services: an API key. Everybody who reaches the console has its rights. Not
    /// needed where the services have no sign-in.
    #[arg(long, env = "CONSOLE_KEY", hide_env_values = true)]
    pub console_key: Option<Secret>,

    /// Certificates, in PEM, of those who may issue the services'; by default those that this machine
    /// trusts. Read at the start.
    #[arg(long, env = "SERVICE_CA")]
    pub service_ca: Option<PathBuf>,

    /// How long one request to a service may take, in milliseconds.
    #[arg(long, env = "SERVICE_TIMEOUT_MS", default_value = "10000")]
    pub service_timeout_ms: Milliseconds,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_listens_on_loopback_unless_another_address_is_given() {
        let Action::Serve(config) = Config::read(["console".into()]).expect("settings").action
        else {
            panic!("it serves by default");
        };
        assert_eq!(config.listen.as_str(), "127.0.0.1:8082");
        let wrong = Config::read(["console", "--query-url", "nowhere"].map(OsString::from));
        assert!(wrong.is_err(), "a URL is checked when it is read");
    }
}
