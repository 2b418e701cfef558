//! Restarts parts that end by themselves.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::stop_signal::StopSignal;
use crate::process::Process;
use crate::server::Server;
use crate::services::Service;

const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A part that ran for this long starts again with the shortest pause.
const STEADY: Duration = Duration::from_secs(60);

/// A part that is kept running.
pub(crate) enum Kept<'a> {
    Server(&'a mut Server),
    Service(&'a mut Service),
}

impl Kept<'_> {
    async fn start_again(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Server(server) => server.start_again().await,
            Self::Service(service) => service.start_again().await,
        }
    }

    fn process(&mut self) -> &mut Process {
        match self {
            Self::Server(server) => server.process(),
            Self::Service(service) => service.process(),
        }
    }
}

/// Starts the part again whenever it ends, after a pause that grows, until a signal.
pub(crate) async fn keep(mut part: Kept<'_>, mut stop: StopSignal) {
    tokio::select! {
        () = keep_forever(&mut part) => {}
        () = stop.asked() => {}
    }
}

async fn keep_forever(part: &mut Kept<'_>) {
    let name = part.process().name().to_owned();
    let mut failures = 0;
    let mut started = Instant::now();
    loop {
        let how = match part.process().ended().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() >= STEADY {
            failures = 0;
        }
        loop {
            let pause = pause(failures, rand::rng().random_range(0.8..1.2));
            tracing::warn!(
                "{name} ended ({how}) and starts again in {:.1} s; its log: {}",
                pause.as_secs_f64(),
                part.process().log().display()
            );
            tokio::time::sleep(pause).await;
            failures += 1;
            started = Instant::now();
            match part.start_again().await {
                Ok(()) => break,
                Err(error) => tracing::warn!("{name} does not start: {error:#}"),
            }
        }
        tracing::info!("{name} is up again");
    }
}

/// Doubles with every failure, up to half a minute; a `jitter` around 1 spreads the parts.
fn pause(failures: u32, jitter: f64) -> Duration {
    let doubled = PAUSE_MIN.saturating_mul(1 << failures.min(10));
    doubled.min(PAUSE_MAX).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_half_a_minute() {
        assert_eq!(pause(0, 1.0), Duration::from_millis(500));
        assert_eq!(pause(1, 1.0), Duration::from_secs(1));
        assert_eq!(pause(3, 1.0), Duration::from_secs(4));
        assert_eq!(pause(1_000, 1.0), PAUSE_MAX);
    }
}
