//! A run on servers of its own: whatever happens, what was started is stopped.

use anyhow::Context as _;
use stack::up::stop_signal::StopSignal;

use crate::world::World;

/// Starts the servers, does the work, and stops the servers; nothing when it was told to stop
/// before the work was done. What the work started ends when it is dropped.
///
/// # Errors
/// The work failed, or a server cannot be started or stopped.
pub async fn within<T>(
    mut world: World,
    work: impl AsyncFnOnce(&World) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    let mut stop = StopSignal::listen()?;
    let done = tokio::select! {
        done = Box::pin(async {
            world.start().await?;
            work(&world).await.map(Some)
        }) => done,
        () = stop.asked() => Ok(None),
    };
    let stopped = world.stop().await.context("the servers cannot be stopped");
    let done = done?;
    stopped?;
    Ok(done)
}
