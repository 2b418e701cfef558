//! Stock by cqrs-es and postgres-es, behind axum: one aggregate per item and location, and
//! receipts only, which is what is measured.
//!
//! As in their book, with the plain event store, which is the fastest for short histories. It keeps
//! no view and stores no key, so it does less work than Stockbook for the same answer. It retries
//! conflicts, as a caller would.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use baselines::{Settings, serve};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateError, DomainEvent};
use postgres_es::{PostgresCqrs, postgres_cqrs};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::postgres::PgPoolOptions;

/// After so many conflicts in a row the caller gets an error.
const ATTEMPTS_MAX: usize = 100;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stock {
    on_hand: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    StockReceived { quantity: i64, on_hand: i64 },
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "StockReceived".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Stock {
    const TYPE: &'static str = "stock";
    /// The quantity to receive.
    type Command = i64;
    type Event = Event;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        quantity: i64,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        let on_hand = self.on_hand + quantity;
        sink.write(Event::StockReceived { quantity, on_hand }, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        let Event::StockReceived { on_hand, .. } = event;
        self.on_hand = on_hand;
    }
}

#[derive(Deserialize)]
struct Request {
    lines: [Line; 1],
}

#[derive(Deserialize)]
struct Line {
    sku: String,
    location: String,
    quantity: i64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::read();
    let pool = PgPoolOptions::new()
        .max_connections(settings.pool)
        .min_connections(settings.pool)
        .connect(&settings.database_url)
        .await
        .context("cannot reach the database")?;
    sqlx::raw_sql(include_str!("../../schema.sql")).execute(&pool).await?;
    let framework = Arc::new(postgres_cqrs(pool, Vec::new(), ()));
    let routes = Router::new().route("/v1/receipts", post(receive)).with_state(framework);
    serve(settings.listen, routes).await
}

async fn receive(
    State(framework): State<Arc<PostgresCqrs<Stock>>>,
    Json(Request { lines: [line] }): Json<Request>,
) -> (StatusCode, Json<serde_json::Value>) {
    let id = format!("{}/{}", line.sku, line.location);
    for _ in 0..ATTEMPTS_MAX {
        match framework.execute(&id, line.quantity).await {
            Ok(()) => return (StatusCode::OK, Json(json!({ "stream": id }))),
            Err(AggregateError::AggregateConflict) => {}
            Err(error) => {
                let body = Json(json!({ "title": error.to_string() }));
                return (StatusCode::INTERNAL_SERVER_ERROR, body);
            }
        }
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "title": "too many conflicts" })))
}
