//! The others: plain services and a peer, on the same Postgres.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use sqlx::{Connection as _, PgConnection};
use stack::services::Service;
use stack::services::settings::Settings;

use super::World;
use crate::keys::sku;
use crate::requests::{LOCATION, address};

const READY_MAX: Duration = Duration::from_secs(30);

/// A service that is not ours.
pub struct Rival {
    service: Service,
    /// Where it listens.
    pub address: SocketAddr,
    database: Url,
}

impl Rival {
    /// The service that updates rows, on a database of its own.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn update(world: &World) -> anyhow::Result<Self> {
        let database = world.database("update").await?;
        Self::start(world, &world.programs.update_service, database).await
    }

    /// The service that reads what another one updates.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn select(world: &World, of: &Self) -> anyhow::Result<Self> {
        Self::start(world, &world.programs.select_service, of.database.clone()).await
    }

    /// The peer, on a database of its own.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn cqrs_es(world: &World) -> anyhow::Result<Self> {
        let database = world.database("cqrs_es").await?;
        Self::start(world, &world.programs.cqrs_es_service, database).await
    }

    async fn start(world: &World, program: &Path, database: Url) -> anyhow::Result<Self> {
        let settings = Settings::default()
            .with("LISTEN", "127.0.0.1:0")
            .with("DATABASE_URL", database.as_str())
            .with("POOL", world.args.pool.to_string());
        let name = world.unique_name("rival");
        let mut service = Service::start(world.servers.folder(), &name, program, &settings).await?;
        service.ready(READY_MAX).await?;
        let address = address(&service.url())?;
        Ok(Self { service, address, database })
    }

    /// Puts so much of every item there, and of others by name.
    ///
    /// # Errors
    /// Its database refuses.
    pub async fn fill(&self, items: u32, more: &[String], quantity: i64) -> anyhow::Result<()> {
        let mut skus: Vec<String> = (0..items).map(sku).collect();
        skus.extend_from_slice(more);
        let mut connection = PgConnection::connect(self.database.as_str()).await?;
        sqlx::query(include_str!("../../queries/fill_stock.sql"))
            .bind(skus)
            .bind(LOCATION)
            .bind(quantity)
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }

    /// Ends it.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.service.stop().await.map(drop)
    }
}
