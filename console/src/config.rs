//! The settings, read once from flags and the environment. `--help` shows each with its comment.

use std::ffi::OsString;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use reqwest::Url;
use service_edge::callers::CallerConfig;
use service_edge::config::{ListenAddress, Milliseconds, at_least_one};
use service_edge::healthcheck::TlsOfService;
use service_edge::process::with_default_action;
use service_edge::sign_in::config::{Seconds, SignInConfig, Switch};
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

    /// `on`: nothing is shown to visitors before they sign in. `off`: visitors of services without sign-in do
    /// not sign in either, and everybody who reaches the console may do everything. On loopback the console does
    /// by default as the services do; beyond it, it must be said.
    #[arg(long, env = "AUTH", value_enum)]
    pub auth: Option<Switch>,

    /// Visitors who are signed in; when there are more, the one who was away for longest signs in again.
    #[arg(long, env = "SESSIONS_MAX", default_value_t = 1_000, value_parser = at_least_one())]
    pub sessions_max: u32,

    /// After how many seconds a visitor signs in again; with a token of an issuer, no later than it ends.
    #[arg(long, env = "SESSION_AGE_MAX", default_value = "43200")]
    pub session_age_max: Seconds,

    #[command(flatten)]
    pub oidc: OidcConfig,

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

/// Settings of an issuer at which visitors sign in.
#[derive(Debug, Clone, Default, Args)]
pub struct OidcConfig {
    /// An issuer (OpenID Connect) at which visitors may sign in, next to API keys, as it writes itself. The services
    /// must trust its tokens: AUTH_ISSUER there.
    #[arg(long, env = "OIDC_ISSUER", requires_all = ["oidc_client_id", "oidc_redirect_url"])]
    pub oidc_issuer: Option<String>,

    /// What the issuer calls the console.
    #[arg(long, env = "OIDC_CLIENT_ID", requires = "oidc_issuer")]
    pub oidc_client_id: Option<String>,

    /// A file with the console's secret at the issuer, if it has one. Read at the start.
    #[arg(long, env = "OIDC_CLIENT_SECRET_FILE", requires = "oidc_issuer")]
    pub oidc_client_secret_file: Option<PathBuf>,

    /// Where the issuer sends visitors back to, as it knows it: the console's own address with
    /// `/sign-in/callback`.
    #[arg(long, env = "OIDC_REDIRECT_URL", requires = "oidc_issuer")]
    pub oidc_redirect_url: Option<Url>,

    /// What is asked for, separated by spaces. The issuer decides what each visitor gets.
    #[arg(
        long,
        env = "OIDC_SCOPES",
        default_value = "openid profile stock:read log:read stock:write catalogue:write \
                         reversals:write operate"
    )]
    pub oidc_scopes: String,

    /// The services as the issuer knows them (RFC 8707), where it wants that said to make tokens for them.
    #[arg(long, env = "OIDC_RESOURCE", requires = "oidc_issuer")]
    pub oidc_resource: Option<Url>,

    /// Certificates, in PEM, of those who may issue the issuer's; by default those that this machine trusts.
    /// Read at the start.
    #[arg(long, env = "OIDC_CA", requires = "oidc_issuer")]
    pub oidc_ca: Option<PathBuf>,
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
