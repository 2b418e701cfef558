//! The common part of all baselines and peers: settings, a connection pool, and a socket.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use clap::Parser;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::net::TcpListener;

/// Settings, read like those of Stockbook's own services.
#[derive(Parser)]
pub struct Settings {
    /// The only task is to serve.
    #[arg(value_parser = ["serve"])]
    task: String,
    /// Where to listen, host:port; port 0 takes a free one.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Database connections.
    #[arg(long, env = "POOL", default_value_t = 16)]
    pub pool: u32,
}

impl Settings {
    /// Ends the process with a message if arguments or environment are wrong.
    #[must_use]
    pub fn read() -> Self {
        Self::parse()
    }

    /// Connections to the database, all of them open from the start.
    pub async fn connect(&self) -> anyhow::Result<PgPool> {
        PgPoolOptions::new()
            .max_connections(self.pool)
            .min_connections(self.pool)
            .connect(&self.database_url)
            .await
            .context("cannot reach the database")
    }
}

/// Prints its address on one line, and answers until the process ends.
pub async fn serve(listen: SocketAddr, routes: Router) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout().lock(), "listening on http://{address}")?;
    let routes = routes.route("/readyz", axum::routing::get(async || "ready"));
    Ok(axum::serve(listener, routes).await?)
}
