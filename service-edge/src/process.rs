//! The process: its arguments, logs, signals and exit code.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::error::ErrorKind;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::ListenAddress;
use crate::sign_in::config::SignInConfig;
use crate::tls::TlsConfig;

/// The exit code for settings that cannot be used (`EX_USAGE` of sysexits).
const EXIT_USAGE: u8 = 64;

/// How long the end of the process waits for blocking calls, such as one to an unreachable broker.
const BLOCKING_MAX: Duration = Duration::from_secs(1);

/// Arguments that stand alone, like the names of subcommands.
const ALONE: [&str; 5] = ["help", "--help", "-h", "--version", "-V"];

/// Puts the subcommand `default` in front of the flags where none of `command`'s is named.
pub fn with_default_action(
    command: &clap::Command,
    default: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let stands = |argument: &OsString| {
        ALONE.iter().any(|name| argument == name) || command.find_subcommand(argument).is_some()
    };
    if !arguments.iter().skip(1).any(stands) {
        arguments.insert(1.min(arguments.len()), default.into());
    }
    arguments
}

/// Runs a program with its settings to its end. Help goes to stdout and is a success; unusable settings
/// are reported on stderr.
pub fn run<C, F>(
    config: Result<C, clap::Error>,
    log: impl Fn(&C) -> &str,
    program: impl FnOnce(C) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let config = config.and_then(|config| start_logs(log(&config)).map(|()| config));
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            // Nothing is left to do if even this cannot be written.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let ended = Runtime::new().context("cannot start the runtime").and_then(|runtime| {
        let ended = runtime.block_on(program(config));
        runtime.shutdown_timeout(BLOCKING_MAX);
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Sends logs and panics to stderr, filtered by `RUST_LOG`.
fn start_logs(filter: &str) -> Result<(), clap::Error> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        clap::Error::raw(ErrorKind::ValueValidation, format!("RUST_LOG: {error}\n"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// Cancelled by the first SIGTERM or SIGINT. A second one ends the process at once.
pub fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let first = shutdown.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
        };
        next().await;
        first.cancel();
        next().await;
        tracing::warn!("a second signal: stopping at once");
        std::process::exit(1);
    });
    Ok(shutdown)
}

/// Binds the socket and prints its address as the only line on stdout, from which the starter of the
/// service learns the port. Without sign-in, a warning says what everybody who reaches an address beyond
/// loopback can do.
///
/// # Errors
/// The address is taken, or the service may not listen there with these settings.
pub fn listen(
    address: &ListenAddress,
    sign_in: &SignInConfig,
    tls: &TlsConfig,
    everybody_can: &str,
) -> anyhow::Result<TcpListener> {
    let address = address.as_str();
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let is_on = sign_in.is_on(address)?;
    tls.check(address)?;
    if !is_on && !address.ip().is_loopback() {
        tracing::warn!(%address, "listening beyond loopback without sign-in: everybody who \
             reaches this address can {everybody_can}");
    }
    writeln!(std::io::stdout().lock(), "listening on {}://{address}", tls.scheme())?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    fn read(arguments: &[&str]) -> Vec<OsString> {
        let command = Command::new("service").subcommands(["serve", "migrate"].map(Command::new));
        with_default_action(&command, "serve", arguments.iter().map(OsString::from))
    }

    #[test]
    fn flags_without_a_subcommand_belong_to_the_default() {
        assert_eq!(read(&["service"]), ["service", "serve"]);
        assert_eq!(read(&["service", "--lanes", "4"]), ["service", "serve", "--lanes", "4"]);
        assert_eq!(read(&["service", "--log", "debug", "migrate"])[1], "--log");
        for alone in ["serve", "migrate", "help", "--help", "-h", "--version", "-V"] {
            assert_eq!(read(&["service", alone]), ["service", alone]);
        }
    }
}
