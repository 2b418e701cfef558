//! Starts the query-service, or one of its errands.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use query_service::app::App;
use query_service::config::{Action, Config, ServeConfig};
use query_service::{migrate, rebuild, skip};
use service_edge::healthcheck::healthcheck;
use service_edge::process;

/// What a request takes is often given back on another thread, for which glibc's allocator takes longer.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(error) => return process::refuse(&error),
    };
    if let Err(error) = process::start_logs(&config.log) {
        return process::refuse(&error);
    }
    process::exit_code(match config.action {
        Action::Serve(config) => serve(*config).await,
        Action::Migrate(config) => migrate::migrate(config).await,
        Action::Rebuild(config) => rebuild::rebuild(config).await,
        Action::Skip(config) => skip::skip(config).await,
        Action::Healthcheck(config) => healthcheck(config.listen.as_str()).await,
    })
}

async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let shutdown = process::shutdown_on_signal()?;
    let listener = process::listen(config.listen.as_str(), "see the stock")?;
    App::build(config)?.run(listener, shutdown).await
}
