//! The process: its arguments, logs, signals, and what it says at its start and end.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::net::TcpListener;
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The exit code for settings that cannot be used (`EX_USAGE` of sysexits).
const EXIT_USAGE: u8 = 64;

/// What stands for itself, beside the names of subcommands.
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

/// Sends logs and panics to stderr; `filter` is `RUST_LOG`'s.
///
/// # Errors
/// The filter cannot be read.
pub fn start_logs(filter: &str) -> Result<(), clap::Error> {
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
///
/// # Errors
/// The signals cannot be listened to.
pub fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
        };
        next().await;
        told.cancel();
        next().await;
        tracing::warn!("told to stop a second time: stopping at once");
        std::process::exit(1);
    });
    Ok(shutdown)
}

/// Binds the socket and says where on stdout, in the one line that stdout gets: whoever started the
/// service learns its port from it. There is no sign-in, so listening beyond loopback is warned of;
/// `reach` says what whoever comes can do.
///
/// # Errors
/// The address cannot be bound.
pub fn listen(address: &str, reach: &str) -> anyhow::Result<TcpListener> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "listening beyond loopback, without sign-in: whoever reaches this \
             address can {reach}");
    }
    writeln!(std::io::stdout().lock(), "listening on http://{address}")?;
    Ok(listener)
}

/// The exit code of what the process was started for; an error is logged.
pub fn exit_code(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Help goes to stdout and is a success; settings that cannot be used are told on stderr.
pub fn refuse(error: &clap::Error) -> ExitCode {
    // Nothing is left to do if even this cannot be written.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
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
    fn flags_alone_are_those_of_the_default() {
        assert_eq!(read(&["service"]), ["service", "serve"]);
        assert_eq!(read(&["service", "--lanes", "4"]), ["service", "serve", "--lanes", "4"]);
        assert_eq!(read(&["service", "--log", "debug", "migrate"])[1], "--log");
        for alone in ["serve", "migrate", "help", "--help", "-h", "--version", "-V"] {
            assert_eq!(read(&["service", alone]), ["service", alone]);
        }
    }
}
