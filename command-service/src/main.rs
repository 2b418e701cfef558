//! Starts the command-service, or one of its commands for operators.

use std::process::ExitCode;

use anyhow::Context;
use command_service::app::App;
use command_service::config::{Action, Config, CreateTopicConfig, ServeConfig, TopicAction};
use command_service::relay::remake::remake;
use command_service::{api_keys, migrate, publication, topic, verify};
use mimalloc::MiMalloc;
use service_edge::healthcheck::healthcheck;
use service_edge::process;
use service_edge::traces::Traces;

/// Memory of a request is often freed on another thread, for which glibc's allocator takes longer: a
/// twelfth of the whole cost of a receipt.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    process::run(Config::read(std::env::args_os()), |config| &config.log, run)
}

async fn run(config: Config) -> anyhow::Result<()> {
    match config.action {
        Action::Serve(config) => serve(*config).await,
        Action::Migrate(config) => migrate::migrate(config).await,
        Action::Verify(config) => verify::verify(config).await,
        Action::Healthcheck(config) => healthcheck(&config.listen, &config.tls).await,
        Action::Keys(config) => api_keys::operate::operate(config.action).await,
        Action::Publication(config) => publication::operate(config).await,
        Action::CreateTopic(config) => create_topics(&config).await,
        Action::Topic(config) => match config.action {
            TopicAction::Remake(config) => {
                config.brokers.check()?;
                remake(config).await
            }
        },
    }
}

async fn create_topics(config: &CreateTopicConfig) -> anyhow::Result<()> {
    let CreateTopicConfig { brokers, topic, payments, lanes, replication_factor } = config;
    brokers.check()?;
    topic::create(brokers, topic, *lanes, *replication_factor)
        .await
        .with_context(|| format!("topic {topic} cannot be created"))?;
    let topics = payments.all();
    topic::create_for_payments(brokers, topics.clone(), *lanes, *replication_factor)
        .await
        .with_context(|| format!("the topics {} cannot be created", topics.join(", ")))
}

async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let shutdown = process::shutdown_on_signal()?;
    config.brokers.check()?;
    let ServeConfig { listen, sign_in, tls, .. } = &config;
    let listener = process::listen(listen, sign_in, tls, "change the stock")?;
    let traces = Traces::start(&config.traces, "command-service")?;
    let ended = App::build(config).run(listener, shutdown).await;
    traces.stop().await;
    ended
}
