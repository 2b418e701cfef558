//! Driving Kafka before anything is measured: Java compiles what is done often, and what is measured
//! before that is too slow.

use std::time::Duration;

use crate::drive::{Load, drive};
use crate::keys::{Keys, Spread};
use crate::requests::{Ask, Requests};
use crate::world::World;
use crate::world::stockbook::Stockbook;

const CLIENTS: usize = 64;

/// Drives a Stockbook of its own for so long, so that the logs that are measured stay as short as they
/// are meant to be.
///
/// # Errors
/// It does not come up, or breaks.
pub async fn heat_up(world: &World, duration: Duration) -> anyhow::Result<()> {
    let items = world.args.items;
    let ours = Stockbook::start(world, &[]).await?;
    ours.fill(items, &[], 1).await?;
    let receipts = Requests::new(Ask::Receive, Keys::new(Spread::Uniform, items));
    let load = Load::closed(CLIENTS, Duration::ZERO, duration);
    drive(ours.command()?, &load, receipts.renderers()).await?;
    ours.stop().await
}
