//! `cargo load drive`: the load generator alone, on a service that is already running.

use std::path::PathBuf;
use std::time::Duration;

use super::pace::Pace;
use super::{Load, drive};
use crate::report::{self, Report, Round};
use crate::requests::{Ask, Keys, Orders, Requests, Spread, address};

/// Drives one service: by default as fast as its clients are answered, with --rate at fixed moments
/// however slow its answers are.
#[derive(Debug, clap::Args)]
pub(crate) struct DriveArgs {
    /// The service, as http://ADDRESS:PORT.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The request.
    #[arg(long, value_enum, default_value = "receive")]
    ask: Ask,
    /// How requests spread over items.
    #[arg(long, value_enum, default_value = "uniform")]
    keys: Spread,
    /// Items, sku-00000 and so on; they must be registered, except for --ask order.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    items: u32,
    /// An Idempotency-Key on each request.
    #[arg(long)]
    keyed: bool,
    /// Clients, each with one connection.
    #[arg(long, value_name = "N", default_value_t = 64)]
    clients: usize,
    /// Requests a second, at moments fixed beforehand; latency counts from those.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Requests a second at the end; the rate goes evenly from --rate to this.
    #[arg(long, value_name = "N", requires = "rate")]
    ramp_to: Option<f64>,
    /// Seconds that are measured.
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    seconds: f64,
    /// Seconds of warm-up before that.
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    warm_up: f64,
    /// How often to repeat it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u32,
    /// Write the rounds as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take real orders from these trade files instead of the shipped day.
    #[arg(long, value_name = "FILE,…", value_delimiter = ',')]
    trade: Vec<PathBuf>,
}

/// Runs `cargo load drive`.
pub(crate) async fn run(args: DriveArgs) -> anyhow::Result<()> {
    let orders = match args.ask {
        Ask::Order => Orders::read(&args.trade)?,
        _ => Orders::default(),
    };
    let keys = Keys::new(args.keys, args.items);
    let requests = Requests { ask: args.ask, keys, keyed: args.keyed, orders };
    let load = Load {
        clients: args.clients,
        pace: args
            .rate
            .map_or(Pace::Closed, |from| Pace::Open { from, to: args.ramp_to.unwrap_or(from) }),
        warm_up: Duration::try_from_secs_f64(args.warm_up)?,
        duration: Duration::try_from_secs_f64(args.seconds)?,
        follow: None,
    };
    let target = address(&args.url)?;
    let mut report = Report::default();
    for _ in 0..args.rounds {
        let measured = drive(target, &load, requests.renderers()).await?;
        report.rounds.push(Round::of(&format!("{:?}", args.ask), &args.url, &measured));
    }
    report.show()?;
    if let Some(file) = &args.json {
        report::write_json(file, &report.rounds)?;
    }
    Ok(())
}
