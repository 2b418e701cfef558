//! What the programs of developers have in common: plain lines on standard error, and an exit code.

use std::process::ExitCode;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Writes plain lines to standard error. Messages of other crates are left out, such as those of a
/// Kafka client while the broker starts.
pub fn log_plainly(crates: &[&'static str]) {
    let words = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_level(false)
        .with_target(false)
        .without_time();
    let of_ours = Targets::new().with_targets(crates.iter().map(|name| (*name, LevelFilter::INFO)));
    tracing_subscriber::registry().with(of_ours).with(words).init();
}

/// Reports an error with its causes, without those that are already quoted.
pub fn exit_code(done: anyhow::Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        let mut words = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            if !words.contains(&cause) {
                words.push_str(": ");
                words.push_str(&cause);
            }
        }
        tracing::error!("error: {words}");
        ExitCode::FAILURE
    })
}
