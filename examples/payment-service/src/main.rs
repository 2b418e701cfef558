//! An example of a service that takes part in Stockbook's orders and holds, over Kafka and nothing else.
//!
//! It keeps no database. What it has said is what it knows: a request or an event that comes again leads to the
//! same, also after a crash. So one instance runs at a time.

mod book;
mod config;
mod holds;
mod messages;
mod orders;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use service_edge::process;
use service_edge::retry::Backoff;
use tokio_util::sync::CancellationToken;

use self::config::Config;

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    process::run(Config::try_parse(), |config| &config.log, serve)
}

/// Takes part until a signal.
async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = process::shutdown_on_signal()?;
    let orders = again_and_again(&shutdown, async || orders::reply_all(&config).await);
    let holds = async {
        if let Some(topic) = &config.choreography_topic {
            again_and_again(&shutdown, async || holds::act_on_all(&config, topic).await).await;
        }
    };
    tokio::join!(orders, holds);
    Ok(())
}

/// Works until a signal. After a failure it begins again with what it has said.
async fn again_and_again(shutdown: &CancellationToken, work: impl AsyncFn() -> anyhow::Result<()>) {
    let mut backoff = Backoff::up_to(PAUSE_MAX);
    loop {
        match shutdown.run_until_cancelled(work()).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!("beginning again: {error:#}"),
        }
        if backoff.pause(shutdown).await.is_err() {
            return;
        }
    }
}
