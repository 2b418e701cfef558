//! `cargo load drive`: the load generator alone, on a service that is already running.

use std::path::PathBuf;
use std::time::Duration;

use crate::drive::pace::Pace;
use crate::drive::{Load, drive};
use crate::report::{Report, Round};
use crate::requests::{Ask, Orders, Requests, address};

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
    let requests = Requests { keyed: args.keyed, orders, ..Requests::new(args.ask, 0..args.items) };
    let warm_up = Duration::try_from_secs_f64(args.warm_up)?;
    let duration = Duration::try_from_secs_f64(args.seconds)?;
    let mut load = Load::closed(args.clients, warm_up, duration);
    if let Some(from) = args.rate {
        load.pace = Pace::Open { from, to: args.ramp_to.unwrap_or(from) };
    }
    let measured = drive(address(&args.url)?, &load, requests.renderers()).await?;
    let mut report = Report::default();
    report.rounds.push(Round::of(&format!("{:?}", args.ask), &args.url, &measured));
    report.show()
}
