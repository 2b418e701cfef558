//! Learns from command-service which API keys are valid, over HTTP, whatever becomes of Kafka.

use std::time::{Duration, Instant};

use service_edge::outage::Outage;
use service_edge::sign_in::keys::Keys;
use tokio::time::sleep;

use crate::pipeline::log_client::LogClient;

/// How long command-service waits for a change before it answers that there is none.
const WAIT: Duration = Duration::from_secs(5);

/// The pause before it is asked again, if it answered at once.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// Keeps `keys` up to date. Never ends.
pub async fn follow(log: LogClient, keys: Keys) {
    let outage = Outage::none();
    loop {
        let asked_at = Instant::now();
        let answered = log.api_keys(keys.version(), WAIT).await;
        if answered.is_ok() && outage.is_over() {
            tracing::info!("the API keys are known again");
        }
        let mut is_new = false;
        match answered {
            Ok(Some(list)) => {
                is_new = keys.version() != list.version;
                keys.replace(list, Instant::now());
            }
            Ok(None) => keys.confirm(Instant::now()),
            Err(error) => {
                if let Some(failures) = outage.failed() {
                    tracing::warn!(
                        %error,
                        failures,
                        "command-service does not say which API keys are valid; asking again. It wants \
                         COMMAND_KEY with the scopes log:read and operate"
                    );
                }
            }
        }
        if !is_new && asked_at.elapsed() < ASK_AGAIN {
            sleep(ASK_AGAIN).await;
        }
    }
}
