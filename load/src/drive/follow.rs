//! Following a command to the views: the position that it returned is asked for at once.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::connection::Connection;
use super::pace::Window;
use crate::requests::{LOCATION, get};

/// How often each client follows a command: 128 clients follow 200 a second, which costs little.
const FOLLOW_AGAIN: Duration = Duration::from_millis(640);

pub(super) struct Follower {
    query: SocketAddr,
    connection: Option<Connection>,
    next: Instant,
}

impl Follower {
    /// `part`, from 0 to 1, spreads the clients evenly over the time between two follow-ups.
    pub(super) fn new(query: SocketAddr, window: Window, part: f64) -> Self {
        Self { query, connection: None, next: window.start + FOLLOW_AGAIN.mul_f64(part) }
    }

    /// Waits until the item of a command shows the position, if it is time to follow one again.
    /// Returns the time since the answer to the command.
    pub(super) async fn follow(
        &mut self,
        command: &[u8],
        position: &str,
        answered: Instant,
    ) -> anyhow::Result<Option<Duration>> {
        // Opened by the first command of the warm-up, so that no measured time includes it.
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(Connection::open(self.query).await?),
        };
        if answered < self.next {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(command);
        let sku = text.split("\"sku\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let sku = sku.context("a followed command must name its item")?;
        let path = format!("/v1/stock/{sku}/{LOCATION}?min_position={position}&wait_ms=30000");
        let mut request = Vec::new();
        get(&path, &mut request);
        let answer = connection.exchange(&request).await?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        self.next = answered + FOLLOW_AGAIN;
        Ok(Some(answered.elapsed()))
    }
}
