//! Ctrl-C, SIGTERM, or the terminal gone: all mean "stop in order".

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells everyone who holds a clone that the stack was asked to stop.
#[derive(Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Begins to listen; from now on a signal no longer ends the process by itself.
    ///
    /// # Errors
    /// The operating system refuses.
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
            // Kept to the end of the process: a dropped sender would read as a signal.
            asked.send_replace(true);
            asked.closed().await;
        });
        Ok(Self(receiver))
    }

    /// Waits until the stack is asked to stop; at once when it was already.
    pub async fn asked(&mut self) {
        // Nobody left to send it is the end of the runtime, so of everything.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}
