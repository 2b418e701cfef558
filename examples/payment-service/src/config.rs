//! The settings, read once from flags and the environment.

use clap::Parser;
use shared_events::payment::{REPLIES_TOPIC, REQUESTS_TOPIC};
use shared_events::record::TOPIC;

/// An example of a payment service: takes requests about orders from Kafka and replies there. It moves no money.
#[derive(Debug, Clone, Parser)]
#[command(name = "payment-service", version)]
pub(crate) struct Config {
    /// Kafka's bootstrap servers, host:port, separated by commas.
    #[arg(long, env = "KAFKA_BROKERS")]
    pub(crate) kafka_brokers: String,

    /// The topic of requests.
    #[arg(long, env = "PAYMENT_REQUESTS_TOPIC", default_value = REQUESTS_TOPIC)]
    pub(crate) requests_topic: String,

    /// The topic of replies, which is also what it remembers by.
    #[arg(long, env = "PAYMENT_REPLIES_TOPIC", default_value = REPLIES_TOPIC)]
    pub(crate) replies_topic: String,

    /// Its consumer group.
    #[arg(long, env = "PAYMENT_GROUP", default_value = "payment-service")]
    pub(crate) group: String,

    /// The topic of Stockbook's events, for taking part in holds without an orchestrator.
    #[arg(long, env = "TOPIC", default_value = TOPIC)]
    pub(crate) events_topic: String,

    /// The topic on which it says what it did with holds, and which is what it remembers them by. Without it, it
    /// takes part in orders only.
    #[arg(long, env = "CHOREOGRAPHY_TOPIC")]
    pub(crate) choreography_topic: Option<String>,

    /// Which part of the orders it and holds it declines, 0 to 1.
    #[arg(long, env = "DECLINE_RATE", default_value_t = 0.0, value_parser = rate)]
    pub(crate) decline_rate: f64,

    /// How long it takes for a reply, in milliseconds.
    #[arg(long, env = "DELAY_MS", default_value_t = 0)]
    pub(crate) delay_ms: u64,

    /// Which part of the replies it sends twice, 0 to 1.
    #[arg(long, env = "DUPLICATE_RATE", default_value_t = 0.0, value_parser = rate)]
    pub(crate) duplicate_rate: f64,

    /// Which part of the requests and holds it leaves without a reply, 0 to 1. Requests are asked again; holds
    /// expire.
    #[arg(long, env = "SILENCE_RATE", default_value_t = 0.0, value_parser = rate)]
    pub(crate) silence_rate: f64,

    /// The filter of the log on stderr.
    #[arg(long = "log", env = "RUST_LOG", default_value = "info")]
    pub(crate) log: String,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}
