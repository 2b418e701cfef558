//! Starts the query-service, or one of its commands for operators.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use query_service::app::App;
use query_service::cli::{Action, Config};
use query_service::config::ServeConfig;
use query_service::{export, migrate, rebuild, sink, skip};
use service_edge::healthcheck::healthcheck;
use service_edge::process;
use service_edge::traces::Traces;

/// Memory of a request is often freed on another thread, for which glibc's allocator takes longer.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    process::run(Config::read(std::env::args_os()), |config| &config.log, run)
}

async fn run(config: Config) -> anyhow::Result<()> {
    match config.action {
        Action::Serve(config) => serve(*config).await,
        Action::Migrate(config) => migrate::migrate(config).await,
        Action::Rebuild(config) => rebuild::rebuild(config).await,
        Action::Skip(config) => skip::skip(config).await,
        Action::Export(config) => export::export(*config).await,
        Action::Sink(config) => sink::sink(*config).await,
        Action::Healthcheck(config) => healthcheck(&config.listen, &config.tls).await,
    }
}

async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let shutdown = process::shutdown_on_signal()?;
    config.kafka.brokers.check()?;
    let ServeConfig { listen, sign_in, tls, .. } = &config;
    let listener = process::listen(listen, sign_in, tls, "see the stock")?;
    let traces = Traces::start(&config.traces, "query-service")?;
    let ended = App::build(config)?.run(listener, shutdown).await;
    traces.stop().await;
    ended
}
