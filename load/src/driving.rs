//! `cargo load drive`: the load generator alone, on a service that somebody else runs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;

use crate::drive::pace::Pace;
use crate::drive::{Load, drive};
use crate::keys::{Keys, Spread};
use crate::report::{self, Report, Round};
use crate::requests::{Ask, Orders, Requests, address};

/// Drives one service: by default as fast as its clients are answered, with --rate at fixed moments
/// whatever it answers.
#[derive(Debug, clap::Args)]
pub struct DriveArgs {
    /// The service, as http://ADDRESS:PORT.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// What is asked.
    #[arg(long, value_enum, default_value = "receive")]
    ask: What,
    /// How requests spread over items.
    #[arg(long, value_enum, default_value = "uniform")]
    keys: Spread,
    /// Items, sku-00000 and so on; they must be registered, unless orders are asked.
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
    /// Seconds before that.
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    warm_up: f64,
    /// Times that this is done.
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u32,
    /// Write the rounds as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take real orders from these trade files instead of the shipped day.
    #[arg(long, value_name = "FILE,…", value_delimiter = ',')]
    trade: Vec<PathBuf>,
}

/// What can be asked by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Receive,
    Issue,
    Reserve,
    Batch,
    Order,
    Point,
    List,
}

/// Runs `cargo load drive`.
///
/// # Errors
/// The service cannot be reached.
pub async fn run(args: DriveArgs) -> anyhow::Result<ExitCode> {
    let ask = match args.ask {
        What::Receive => Ask::Receive,
        What::Issue => Ask::Issue,
        What::Reserve => Ask::Reserve,
        What::Batch => Ask::Batch(100),
        What::Order => Ask::Order(Orders::read(&args.trade)?),
        What::Point => Ask::Point,
        What::List => Ask::List,
    };
    let keys = Keys::new(args.keys, args.items);
    let requests = Requests { ask, keys, keyed: args.keyed };
    let load = Load {
        clients: args.clients,
        pace: args
            .rate
            .map_or(Pace::Closed, |from| Pace::Open { from, to: args.ramp_to.unwrap_or(from) }),
        warm_up: Duration::try_from_secs_f64(args.warm_up)?,
        duration: Duration::try_from_secs_f64(args.seconds)?,
    };
    let target = address(&args.url)?;
    let mut report = Report::default();
    for _ in 0..args.rounds {
        let measured = drive(target, &load, requests.renderers()).await?;
        report.rounds.push(Round::of(&format!("{:?}", args.ask), &args.url, &measured));
    }
    report::show(&report)?;
    if let Some(file) = &args.json {
        report::write_json(file, &report.rounds)?;
    }
    Ok(ExitCode::SUCCESS)
}
