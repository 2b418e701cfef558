//! Starts the command-service, or one of its errands.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use command_service::app::App;
use command_service::config::{Action, Config, ServeConfig};
use command_service::{migrate, topic, verify};
use mimalloc::MiMalloc;
use service_edge::healthcheck::healthcheck;
use service_edge::process;
use tokio::runtime::Runtime;

/// What a request takes is often given back on another thread, for which glibc's allocator takes longer:
/// a twelfth of all that a receipt costs the service.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long the end of the process waits for blocking calls, such as one to a broker that is away.
const BLOCKING_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(error) => return process::refuse(&error),
    };
    if let Err(error) = process::start_logs(&config.log) {
        return process::refuse(&error);
    }
    process::exit_code(start(config.action))
}

fn start(action: Action) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("no runtime")?;
    let ended = runtime.block_on(run(action));
    runtime.shutdown_timeout(BLOCKING_MAX);
    ended
}

async fn run(action: Action) -> anyhow::Result<()> {
    match action {
        Action::Serve(config) => serve(config).await,
        Action::Migrate(config) => migrate::migrate(config).await,
        Action::Verify(config) => verify::verify(config).await,
        Action::Healthcheck(config) => healthcheck(config.listen.as_str()).await,
        Action::CreateTopic(config) => topic::create(
            &config.kafka_brokers,
            &config.topic,
            config.lanes,
            config.replication_factor,
        )
        .await
        .with_context(|| format!("topic {} cannot be made", config.topic)),
    }
}

async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let shutdown = process::shutdown_on_signal()?;
    let listener = process::listen(config.listen.as_str(), "change the stock")?;
    App::build(config).run(listener, shutdown).await
}
