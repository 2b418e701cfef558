//! `cargo stack up`: starts everything, keeps it running, and stops it in order.

pub mod parts;
mod running;
mod secure;
mod keep;
mod alarms;
mod announce;
mod demo;
pub mod stop_signal;

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
    /// Replay the shipped sample, one day of a real shop, when everything is up.
    #[arg(long)]
    demo: bool,
    /// Start the services with TLS and sign-in, with certificates and an API key of this machine's own. Who
    /// visits the console signs in with that key.
    #[arg(long)]
    secure: bool,
    /// Start only these parts; the services need both servers, and the console needs both services.
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
    /// Port of Postgres.
    #[arg(long, value_name = "PORT", default_value_t = ports::POSTGRES)]
    postgres_port: u16,
    /// Port of Kafka; its controller uses the next one.
    #[arg(long, value_name = "PORT", default_value_t = ports::KAFKA, value_parser = clap::value_parser!(u16).range(1..65535))]
    kafka_port: u16,
    /// Port of the first command-service.
    #[arg(long, value_name = "PORT", default_value_t = ports::COMMAND)]
    command_port: u16,
    /// Port of the first query-service.
    #[arg(long, value_name = "PORT", default_value_t = ports::QUERY)]
    query_port: u16,
    /// Port of the console.
    #[arg(long, value_name = "PORT", default_value_t = ports::CONSOLE)]
    console_port: u16,
    /// The URL of a superuser on a Postgres server to use instead of our own.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<Url>,
    /// Kafka brokers to use instead of our own, as host:port with commas.
    #[arg(long, value_name = "BROKERS", env = "KAFKA_BROKERS")]
    kafka_brokers: Option<String>,
}

/// Runs `cargo stack up` until a signal.
pub async fn run(args: UpArgs) -> anyhow::Result<ExitCode> {
    let mut stop = StopSignal::listen()?;
    let parts = Parts::of(&args)?;

    // 1. Take the folder and stop the leftovers of an earlier run. A port that is still taken
    //    belongs to another program.
    let folder = DataFolder::open(&args.places.data()?)?;
    let mut running = Running::open(folder, &parts).await?;
    parts.check_ports()?;

    // 2. Start, unless a signal comes first.
    let started = tokio::select! {
        started = Box::pin(running.start(&args.places, &parts)) => started.map(Some),
        () = stop.asked() => Ok(None),
    };

    // 3. Announce it, and keep it running until a signal.
    let followed = match started {
        Ok(Some(ready)) => Box::pin(follow(&mut running, &ready, &args, stop)).await,
        Ok(None) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
    };

    // 4. Stop everything that was started, also after an error.
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
    announce::print(ready)?;
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
    // The stack stays up after a failed demo, so that the failure can be examined.
    let demo = async {
        demo.await.unwrap_or_else(|error: anyhow::Error| {
            tracing::error!("the demo failed: {error:#}");
            ExitCode::FAILURE
        })
    };
    let ((), code) = tokio::join!(running.keep(stop), demo);
    Ok(code)
}
