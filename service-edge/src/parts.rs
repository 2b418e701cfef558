//! The parts of a service: tasks that run as long as it does.

use std::time::Duration;

use anyhow::{Context, anyhow};
use futures::future::select_all;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// None of the parts ends by itself, unless it fails.
#[derive(Debug, Default)]
pub struct Parts(Vec<(&'static str, JoinHandle<()>)>);

impl Parts {
    pub fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.add(name, tokio::spawn(part));
    }

    pub fn add(&mut self, name: &'static str, task: JoinHandle<()>) {
        self.0.push((name, task));
    }

    /// Returns when a part ends, with the reason.
    pub async fn ended(&mut self) -> anyhow::Error {
        let (ended, index, _) = select_all(self.0.iter_mut().map(|(_, task)| task)).await;
        let (name, _) = self.0.swap_remove(index);
        match ended.with_context(|| format!("the {name} failed")) {
            Ok(()) => anyhow!("the {name} ended by itself"),
            Err(error) => error,
        }
    }

    /// Ends a part where it next waits.
    pub fn abort(&mut self, name: &str) {
        if let Some(task) = self.take(name) {
            task.abort();
        }
    }

    /// Waits until a part is done, and ends it after `max`.
    pub async fn finish(&mut self, name: &str, max: Duration) {
        let Some(mut task) = self.take(name) else {
            return;
        };
        match timeout(max, &mut task).await {
            Ok(Ok(())) => tracing::info!("the {name} is done"),
            Ok(Err(error)) => tracing::error!(%error, "the {name} failed"),
            Err(_) => {
                tracing::warn!("the {name} is not done after {max:?}; aborting it");
                task.abort();
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<JoinHandle<()>> {
        let index = self.0.iter().position(|(part, _)| *part == name)?;
        Some(self.0.swap_remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn the_first_part_to_end_is_an_error() {
        let mut parts = Parts::default();
        parts.spawn("clock", pending());
        parts.spawn("relay", async {});
        assert_eq!(parts.ended().await.to_string(), "the relay ended by itself");
        parts.spawn("writer", async { panic!("a fault") });
        let error = parts.ended().await;
        assert_eq!(error.to_string(), "the writer failed");
    }

    #[tokio::test]
    async fn a_part_that_takes_too_long_is_aborted() {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let mut parts = Parts::default();
        parts.spawn("writer", async move {
            let _held = held;
            pending::<()>().await;
        });
        parts.finish("writer", Duration::from_millis(1)).await;
        dropped.await.expect_err("it is dropped");
        parts.finish("writer", Duration::ZERO).await;
    }
}
