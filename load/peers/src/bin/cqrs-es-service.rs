//! Stock by cqrs-es and postgres-es, behind axum: an aggregate per item and location.
//!
//! As their book shows it, with the plain event store, which is the fastest for short histories.
//! No view is kept and no key is stored: less work than Stockbook does for the same answer. A
//! conflict is tried again, as a caller would.

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

/// More conflicts than this in a row, and the caller hears of it.
const ATTEMPTS_MAX: usize = 100;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stock {
    on_hand: i64,
}

#[derive(Debug, Clone, Copy)]
enum Command {
    Receive(i64),
    Issue(i64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    StockReceived { quantity: i64, on_hand: i64 },
    StockIssued { quantity: i64, on_hand: i64 },
}

#[derive(Debug, thiserror::Error)]
#[error("there is not that much")]
struct NotEnough;

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        match self {
            Self::StockReceived { .. } => "StockReceived".to_owned(),
            Self::StockIssued { .. } => "StockIssued".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Stock {
    const TYPE: &'static str = "stock";
    type Command = Command;
    type Event = Event;
    type Error = NotEnough;
    type Services = ();

    async fn handle(
        &mut self,
        command: Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), NotEnough> {
        let event = match command {
            Command::Receive(quantity) => {
                Event::StockReceived { quantity, on_hand: self.on_hand + quantity }
            }
            Command::Issue(quantity) if quantity > self.on_hand => return Err(NotEnough),
            Command::Issue(quantity) => {
                Event::StockIssued { quantity, on_hand: self.on_hand - quantity }
            }
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::StockReceived { on_hand, .. } | Event::StockIssued { on_hand, .. } => {
                self.on_hand = on_hand;
            }
        }
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

type Answer = (StatusCode, Json<serde_json::Value>);
type Shared = Arc<PostgresCqrs<Stock>>;

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
    let framework: Shared = Arc::new(postgres_cqrs(pool, Vec::new(), ()));
    let routes = Router::new()
        .route("/v1/receipts", post(receive))
        .route("/v1/issues", post(issue))
        .with_state(framework);
    serve(settings.listen, routes).await
}

async fn receive(State(framework): State<Shared>, Json(request): Json<Request>) -> Answer {
    execute(&framework, &request, Command::Receive).await
}

async fn issue(State(framework): State<Shared>, Json(request): Json<Request>) -> Answer {
    execute(&framework, &request, Command::Issue).await
}

async fn execute(framework: &Shared, request: &Request, command: fn(i64) -> Command) -> Answer {
    let [line] = &request.lines;
    let id = format!("{}/{}", line.sku, line.location);
    for _ in 0..ATTEMPTS_MAX {
        match framework.execute(&id, command(line.quantity)).await {
            Ok(()) => return (StatusCode::OK, Json(json!({ "stream": id }))),
            Err(AggregateError::AggregateConflict) => {}
            Err(AggregateError::UserError(refusal)) => {
                return (StatusCode::CONFLICT, Json(json!({ "title": refusal.to_string() })));
            }
            Err(error) => {
                let body = Json(json!({ "title": error.to_string() }));
                return (StatusCode::INTERNAL_SERVER_ERROR, body);
            }
        }
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "title": "too many conflicts" })))
}
