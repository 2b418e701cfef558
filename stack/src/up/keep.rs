//! Starts again what ends by itself.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::stop_signal::StopSignal;
use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::process::Process;
use crate::services::Service;

const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A part that ran so long did not end of what it ended of before.
const STEADY: Duration = Duration::from_secs(60);

/// A part that is kept running.
pub(super) enum Kept<'a> {
    Postgres(&'a mut Postgres),
    Kafka(&'a mut Kafka),
    Service(&'a mut Service),
}

impl Kept<'_> {
    async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        match self {
            Self::Postgres(postgres) => postgres.ended().await,
            Self::Kafka(kafka) => kafka.ended().await,
            Self::Service(service) => service.ended().await,
        }
    }

    async fn start_again(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Postgres(postgres) => postgres.start_again().await,
            Self::Kafka(kafka) => kafka.start_again().await,
            Self::Service(service) => service.start_again().await,
        }
    }

    fn process(&mut self) -> &mut Process {
        match self {
            Self::Postgres(postgres) => postgres.process(),
            Self::Kafka(kafka) => kafka.process(),
            Self::Service(service) => service.process(),
        }
    }
}

/// Starts the part again whenever it ends, after a pause that grows, until told to stop.
pub(super) async fn keep(mut part: Kept<'_>, mut stop: StopSignal) {
    tokio::select! {
        () = keep_for_ever(&mut part) => {}
        () = stop.asked() => {}
    }
}

async fn keep_for_ever(part: &mut Kept<'_>) {
    let name = part.process().name().to_owned();
    let mut failures = 0;
    let mut started = Instant::now();
    loop {
        let how = match part.ended().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() >= STEADY {
            failures = 0;
        }
        loop {
            let pause = pause(failures, rand::rng().random_range(0.8..1.2));
            tracing::warn!(
                "{name} ended ({how}) and is started again in {:.1} s; its log: {}",
                pause.as_secs_f64(),
                part.process().log().display()
            );
            tokio::time::sleep(pause).await;
            failures += 1;
            started = Instant::now();
            match part.start_again().await {
                Ok(()) => break,
                Err(error) => tracing::warn!("{name} cannot be started again: {error:#}"),
            }
        }
        tracing::info!("{name} is up again");
    }
}

/// Doubles with every failure up to half a minute; `jitter` around 1 keeps parts from going in step.
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
