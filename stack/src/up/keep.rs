//! Restarts parts that end by themselves.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::services::Service;

/// A part that ran for this long starts again with the shortest pause.
const STEADY: Duration = Duration::from_secs(60);

/// The pause doubles with every failure, up to half a minute.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(30))
    .with_jitter()
    .without_max_times();

/// Starts the part again whenever it ends, after a pause.
pub(crate) async fn keep(part: &mut Service) {
    let name = part.process().name().to_owned();
    let mut pauses = BACKOFF.build();
    let mut started = Instant::now();
    loop {
        let how = match part.process().ended().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() >= STEADY {
            pauses = BACKOFF.build();
        }
        for pause in &mut pauses {
            tracing::warn!(
                "{name} ended ({how}) and starts again in {:.1} s; its log: {}",
                pause.as_secs_f64(),
                part.process().log().display()
            );
            tokio::time::sleep(pause).await;
            started = Instant::now();
            match part.start_again().await {
                Ok(()) => break,
                Err(error) => tracing::warn!("{name} does not start: {error:#}"),
            }
        }
        tracing::info!("{name} is up again");
    }
}
