//! Ctrl-C, SIGTERM and a closed terminal all stop the stack in order.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Every clone learns of a signal.
#[derive(Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Starts to listen; from now on a signal does not end the process by itself.
    pub fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hang_up = listen(SignalKind::hangup())?;
        let (asked, receiver) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            // Kept to the end of the process, because a dropped sender would look like a signal.
            asked.send_replace(true);
            asked.closed().await;
        });
        Ok(Self(receiver))
    }

    /// Waits for a signal; returns at once after one.
    pub async fn asked(&mut self) {
        // Without a sender the runtime ends, and so does everything.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}
