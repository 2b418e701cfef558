//! Makes a log long, as fast as large commands do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::stockbook::{Stockbook, receive};
use crate::drive::connection::Connection;
use crate::keys::sku;

/// Lines in one command.
const LINES: i64 = 2_500;

/// Commands under way at once.
const CLIENTS: u64 = 4;

/// Receives single units of items drawn evenly, until the log has so many events.
///
/// # Errors
/// Something is refused.
pub async fn extend(log: &Stockbook, items: u32, events: i64) -> anyhow::Result<()> {
    let missing = Arc::new(AtomicI64::new(events - log.recorded().await?));
    let mut clients = JoinSet::new();
    for seed in 0..CLIENTS {
        let mut wire = Connection::open(log.command()?).await?;
        let missing = Arc::clone(&missing);
        let mut rng = SmallRng::seed_from_u64(seed);
        clients.spawn(async move {
            loop {
                let lines = missing.fetch_sub(LINES, Ordering::Relaxed).min(LINES);
                if lines <= 0 {
                    return anyhow::Ok(());
                }
                let skus: Vec<String> =
                    (0..lines).map(|_| sku(rng.random_range(0..items))).collect();
                receive(&mut wire, skus.iter().map(String::as_str), 1).await?;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.context("a client broke")??;
    }
    Ok(())
}
