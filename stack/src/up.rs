//! `cargo stack up`: everything, started, watched over, and stopped in order.

pub mod parts;
mod running;
mod keep;
mod alarms;
mod announce;
mod demo;
pub mod stop_signal;

use std::path::PathBuf;
use std::process::ExitCode;

use reqwest::Url;

use crate::folder::DataFolder;
use crate::places::Places;
use crate::ports;
use parts::{Part, Parts};
use running::Running;
use stop_signal::StopSignal;

/// Starts Postgres, Kafka and Stockbook's services, and keeps them running until Ctrl-C.
///
/// The data stays from run to run; `cargo stack reset` removes it.
#[derive(clap::Args)]
pub struct UpArgs {
    #[command(flatten)]
    places: Places,
    /// Replay the shipped sample, a real shop's day, when everything is up.
    #[arg(long)]
    demo: bool,
    /// Start only these; the services among them need both servers.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,…")]
    only: Vec<Part>,
    /// How many command-services, on ports ten apart.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=20))]
    command_services: u16,
    /// How many query-services, on ports ten apart.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=20))]
    query_services: u16,
    /// Build the services with full optimisation: this takes minutes, and they are faster.
    #[arg(long)]
    release: bool,
    /// Use the services' programs in this folder instead of building them.
    #[arg(long, value_name = "DIR", conflicts_with = "release")]
    binaries: Option<PathBuf>,
    /// Port of Postgres.
    #[arg(long, value_name = "PORT", default_value_t = ports::POSTGRES)]
    postgres_port: u16,
    /// Port of Kafka; its controller takes the one after.
    #[arg(long, value_name = "PORT", default_value_t = ports::KAFKA, value_parser = clap::value_parser!(u16).range(1..65535))]
    kafka_port: u16,
    /// Port of the first command-service.
    #[arg(long, value_name = "PORT", default_value_t = ports::COMMAND)]
    command_port: u16,
    /// Port of the first query-service.
    #[arg(long, value_name = "PORT", default_value_t = ports::QUERY)]
    query_port: u16,
    /// A superuser's URL of a Postgres server to use instead of an own one.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<Url>,
    /// Kafka brokers to use instead of an own one, as host:port with commas.
    #[arg(long, value_name = "BROKERS", env = "KAFKA_BROKERS")]
    kafka_brokers: Option<String>,
}

/// Runs `cargo stack up`: 0 when it was asked to stop and stopped everything.
///
/// # Errors
/// Something cannot be started; what was started is stopped again.
pub async fn run(args: UpArgs) -> anyhow::Result<ExitCode> {
    let mut stop = StopSignal::listen()?;
    let parts = Parts::of(&args)?;

    // 1. The folder is ours, and nothing of an earlier run is left, so what holds a port now is
    //    somebody else.
    let folder = DataFolder::open(&args.places.data()?)?;
    let mut running = Running::open(folder, &parts).await?;
    parts.check_ports()?;

    // 2. Start, unless told to stop meanwhile.
    let started = tokio::select! {
        started = Box::pin(running.start(&args.places, &parts)) => started.map(Some),
        () = stop.asked() => Ok(None),
    };

    // 3. Say so, and keep it running until told to stop.
    let followed = match started {
        Ok(Some(ready)) => Box::pin(follow(&mut running, &ready, &args, stop)).await,
        Ok(None) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
    };

    // 4. Stop what was started, however it went.
    if followed.is_ok() {
        tracing::info!("stopping");
    }
    let stopped = running.stop().await;
    let code = followed?;
    stopped?;
    Ok(code)
}

async fn follow(
    running: &mut Running,
    ready: &announce::Ready,
    args: &UpArgs,
    stop: StopSignal,
) -> anyhow::Result<ExitCode> {
    announce::say(ready)?;
    let mut stop_demo = stop.clone();
    let demo = async {
        if !args.demo {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            code = Box::pin(demo::run(ready)) => code,
            () = stop_demo.asked() => Ok(ExitCode::SUCCESS),
        }
    };
    // A demo that fails does not take the stack away: what it says can be looked into.
    let demo = async {
        demo.await.unwrap_or_else(|error: anyhow::Error| {
            tracing::error!("the demo failed: {error:#}");
            ExitCode::FAILURE
        })
    };
    let ((), code) = tokio::join!(running.keep(stop), demo);
    Ok(code)
}
