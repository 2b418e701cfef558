//! The services that Stockbook is compared with, on the same Postgres.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;
use sqlx::{Connection as _, PgConnection};
use stack::services::Service;
use stack::services::settings::Settings;

use super::{Environment, POOL};
use crate::requests::{LOCATION, address};

const READY_MAX: Duration = Duration::from_secs(30);

pub(crate) struct Baseline {
    service: Service,
    pub(crate) address: SocketAddr,
    pub(crate) database: Url,
}

impl Baseline {
    pub(crate) async fn start(
        environment: &Environment,
        program: &str,
        database: Url,
    ) -> anyhow::Result<Self> {
        let settings = Settings::default()
            .with("LISTEN", "127.0.0.1:0")
            .with("DATABASE_URL", database.as_str())
            .with("POOL", POOL);
        let name = environment.unique_name("baseline");
        let folder = environment.servers.folder();
        let program = environment.program(program);
        let mut service = Service::start(folder, &name, &program, &settings).await?;
        service.ready(READY_MAX).await?;
        let address = address(&service.url())?;
        Ok(Self { service, address, database })
    }

    pub(crate) async fn fill(&self, skus: &[String], quantity: i64) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(self.database.as_str()).await?;
        sqlx::query(include_str!("../../queries/fill_stock.sql"))
            .bind(skus)
            .bind(LOCATION)
            .bind(quantity)
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.service.stop().await.map(drop)
    }
}
