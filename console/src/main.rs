//! Starts the console.

use std::process::ExitCode;

use console::app;
use console::config::{Action, Config};
use service_edge::healthcheck::healthcheck;
use service_edge::process;

fn main() -> ExitCode {
    process::run(Config::read(std::env::args_os()), |config| &config.log, run)
}

async fn run(config: Config) -> anyhow::Result<()> {
    match config.action {
        Action::Serve(config) => app::serve(*config).await,
        Action::Healthcheck(config) => healthcheck(&config.listen, &config.tls).await,
    }
}
