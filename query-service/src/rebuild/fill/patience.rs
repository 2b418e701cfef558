//! What is away comes back, or the fill is given up: what is stored by then stays.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// How long the log or the database may be away before the fill is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long the log and the database may still be away.
pub(super) struct Patience {
    backoff: Backoff,
    until: Instant,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { backoff: Backoff::up_to(PAUSE_MAX), until: Instant::now() + PATIENCE }
    }

    pub(super) fn begin_anew(&mut self) {
        *self = Self::new();
    }

    pub(super) async fn wait(&mut self, error: String) -> anyhow::Result<()> {
        if Instant::now() > self.until {
            bail!("given up after {} s: {error}; started again, it goes on", PATIENCE.as_secs());
        }
        tracing::warn!(error, "trying again");
        // Nothing stops it but the end of the process.
        let _ = self.backoff.pause(&CancellationToken::new()).await;
        Ok(())
    }
}
