//! How much the check that runs all the time may do.

use clap::Args;

/// The check of the views against the log.
#[derive(Debug, Clone, Copy, Args)]
pub struct IntegrityConfig {
    /// Events a second that are checked all the time, by one instance; 0 checks only when asked to.
    #[arg(long, env = "INTEGRITY_EVENTS_PER_SECOND", default_value_t = 2_000)]
    pub integrity_events_per_second: u32,
}
