//! The service most would write: a row of stock per item and location, changed by `update`.
//!
//! Made as good as its kind gets. One statement a command, also with an Idempotency-Key, whose
//! outcome is stored in the same transaction; several lines lock their rows in key order. No unit
//! is oversold. It keeps no history, tells nobody what changed, and answers no question about
//! yesterday.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use baselines::{Settings, serve};
use serde::Deserialize;
use serde_json::json;
use sqlx::postgres::PgPool;
use sqlx::types::Json as Stored;
use uuid::Uuid;

const UNIQUE_VIOLATION: &str = "23505";

#[derive(Deserialize)]
struct Command {
    lines: Vec<Line>,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    ttl_seconds: i32,
}

#[derive(Deserialize)]
struct Line {
    sku: String,
    location: String,
    quantity: i64,
}

/// How a command ended: a status and a body.
type Outcome = (StatusCode, serde_json::Value);

enum Failure {
    Database(sqlx::Error),
    Invalid(&'static str),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Database(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
            }
            Self::Invalid(reason) => (StatusCode::UNPROCESSABLE_ENTITY, reason).into_response(),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::read();
    let pool = settings.connect().await?;
    sqlx::raw_sql(include_str!("../../schema.sql")).execute(&pool).await?;
    let routes = Router::new()
        .route("/v1/receipts", post(receive))
        .route("/v1/issues", post(issue))
        .route("/v1/reservations", post(reserve))
        .with_state(pool);
    serve(settings.listen, routes).await
}

async fn receive(
    State(pool): State<PgPool>,
    headers: HeaderMap,
    Json(command): Json<Command>,
) -> Result<Response, Failure> {
    book(&pool, &headers, &command, 1).await
}

async fn issue(
    State(pool): State<PgPool>,
    headers: HeaderMap,
    Json(command): Json<Command>,
) -> Result<Response, Failure> {
    book(&pool, &headers, &command, -1).await
}

/// Goods in or out, all lines or none.
async fn book(
    pool: &PgPool,
    headers: &HeaderMap,
    command: &Command,
    sign: i64,
) -> Result<Response, Failure> {
    let key = key(headers);
    let booked = match command.lines.as_slice() {
        [] => return Err(Failure::Invalid("there are no lines")),
        [line] => change_stock(pool, line, sign, key).await,
        lines => book_lines(pool, lines, sign, key).await,
    };
    answer(pool, key, booked).await
}

/// One statement, with the outcome stored beside the change where there is a key.
async fn change_stock(
    pool: &PgPool,
    line: &Line,
    sign: i64,
    key: Option<&str>,
) -> sqlx::Result<Outcome> {
    let statement = match key {
        None => include_str!("../../queries/change_stock.sql"),
        Some(_) => include_str!("../../queries/change_stock_once.sql"),
    };
    let query = sqlx::query_scalar(statement)
        .bind(&line.sku)
        .bind(&line.location)
        .bind(sign * line.quantity);
    let query = match key {
        None => query,
        Some(key) => query.bind(key),
    };
    let changed: Option<Stored<serde_json::Value>> = query.fetch_optional(pool).await?;
    match changed {
        Some(Stored(body)) => Ok((StatusCode::OK, body)),
        None => refuse(pool, key).await,
    }
}

/// One transaction: the rows locked in key order, all checked, all changed.
async fn book_lines(
    pool: &PgPool,
    lines: &[Line],
    sign: i64,
    key: Option<&str>,
) -> sqlx::Result<Outcome> {
    let skus: Vec<&str> = lines.iter().map(|line| line.sku.as_str()).collect();
    let locations: Vec<&str> = lines.iter().map(|line| line.location.as_str()).collect();
    let deltas: Vec<i64> = lines.iter().map(|line| sign * line.quantity).collect();
    let mut transaction = pool.begin().await?;
    let possible: bool = sqlx::query_scalar(include_str!("../../queries/lock_stock.sql"))
        .bind(&skus)
        .bind(&locations)
        .bind(&deltas)
        .fetch_one(&mut *transaction)
        .await?;
    if !possible {
        transaction.rollback().await?;
        return refuse(pool, key).await;
    }
    let Stored(body): Stored<serde_json::Value> =
        sqlx::query_scalar(include_str!("../../queries/change_stock_lines.sql"))
            .bind(&skus)
            .bind(&locations)
            .bind(&deltas)
            .fetch_one(&mut *transaction)
            .await?;
    if let Some(key) = key {
        sqlx::query(include_str!("../../queries/save_outcome.sql"))
            .bind(key)
            .bind(200_i16)
            .bind(Stored(&body))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok((StatusCode::OK, body))
}

async fn reserve(
    State(pool): State<PgPool>,
    headers: HeaderMap,
    Json(command): Json<Command>,
) -> Result<Response, Failure> {
    let [line] = command.lines.as_slice() else {
        return Err(Failure::Invalid("a reservation has one line here"));
    };
    let key = key(&headers);
    let statement = match key {
        None => include_str!("../../queries/reserve_stock.sql"),
        Some(_) => include_str!("../../queries/reserve_stock_once.sql"),
    };
    let query = sqlx::query_scalar(statement)
        .bind(&line.sku)
        .bind(&line.location)
        .bind(line.quantity)
        .bind(Uuid::now_v7())
        .bind(&command.owner)
        .bind(command.ttl_seconds);
    let query = match key {
        None => query,
        Some(key) => query.bind(key),
    };
    let reserved: sqlx::Result<Option<Stored<serde_json::Value>>> =
        query.fetch_optional(&pool).await;
    let outcome = match reserved {
        Ok(Some(Stored(body))) => Ok((StatusCode::CREATED, body)),
        Ok(None) => refuse(&pool, key).await,
        Err(error) => Err(error),
    };
    answer(&pool, key, outcome).await
}

fn key(headers: &HeaderMap) -> Option<&str> {
    headers.get("idempotency-key")?.to_str().ok()
}

/// There is too little, or nothing known. A refusal is an outcome too, so it is kept for its key.
async fn refuse(pool: &PgPool, key: Option<&str>) -> sqlx::Result<Outcome> {
    let status = StatusCode::CONFLICT;
    let body = json!({ "title": "There is not that much" });
    if let Some(key) = key {
        sqlx::query(include_str!("../../queries/save_outcome.sql"))
            .bind(key)
            .bind(409_i16)
            .bind(Stored(&body))
            .execute(pool)
            .await?;
    }
    Ok((status, body))
}

/// The outcome, or the one that was stored earlier under the same key.
async fn answer(
    pool: &PgPool,
    key: Option<&str>,
    outcome: sqlx::Result<Outcome>,
) -> Result<Response, Failure> {
    let repeated = |error: &sqlx::Error| {
        error.as_database_error().and_then(|error| error.code()).as_deref()
            == Some(UNIQUE_VIOLATION)
    };
    let (status, body) = match (outcome, key) {
        (Err(error), Some(key)) if repeated(&error) => {
            let (status, Stored(body)): (i16, Stored<serde_json::Value>) =
                sqlx::query_as(include_str!("../../queries/find_outcome.sql"))
                    .bind(key)
                    .fetch_one(pool)
                    .await?;
            let status = u16::try_from(status).unwrap_or_default();
            (StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body)
        }
        (outcome, _) => outcome?,
    };
    Ok((status, Json(body)).into_response())
}
