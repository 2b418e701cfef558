//! Starts the query-service, or one of its errands.

use std::io::{IsTerminal, Write};
use std::net::TcpListener;
use std::process::ExitCode;

use anyhow::Context;
use query_service::app::App;
use query_service::config::{Action, Config, ServeConfig};
use query_service::{healthcheck, migrate, rebuild, skip};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The exit code for settings that cannot be used (`EX_USAGE` of sysexits).
const EXIT_USAGE: u8 = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    if let Err(error) = start_logs(&config.log) {
        return refuse(&error);
    }
    let outcome = match config.action {
        Action::Serve(config) => serve(*config).await,
        Action::Migrate(config) => migrate::migrate(config).await,
        Action::Rebuild(config) => rebuild::rebuild(config).await,
        Action::Skip(config) => skip::skip(config).await,
        Action::Healthcheck(config) => healthcheck::healthcheck(config).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let shutdown = shutdown_on_signal()?;
    let listen = config.listen.as_str();
    let listener =
        TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let app = App::build(config)?;
    // The one line on stdout: whoever started the service learns where it listens.
    writeln!(std::io::stdout().lock(), "listening on http://{address}")?;
    app.run(listener, shutdown).await
}

/// Cancelled by the first SIGTERM or SIGINT. A second one ends the process at once.
fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
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

fn start_logs(filter: &str) -> Result<(), clap::Error> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("RUST_LOG: {error}\n"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// Help goes to stdout and is a success; settings that cannot be used are told on stderr.
fn refuse(error: &clap::Error) -> ExitCode {
    // Nothing is left to do if even this cannot be written.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
}
