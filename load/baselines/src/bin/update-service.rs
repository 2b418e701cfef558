//! The service most would write: a row of stock per item and location, changed by `update`.
//!
//! Made as good as its kind gets. One statement a command, also with an Idempotency-Key, whose
//! outcome is stored in the same transaction; several lines lock their rows in key order. No unit
//! is oversold. It keeps no history, publishes nothing, and cannot answer questions about the past.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use baselines::{Settings, serve};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgPool};
use sqlx::query::QueryScalar;
use sqlx::types::Json as Stored;
use uuid::Uuid;

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

/// How a command ended.
type Outcome = (StatusCode, Value);

type Change<'q> = QueryScalar<'q, Postgres, Stored<Value>, PgArguments>;

struct Failure(StatusCode, String);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

fn invalid(reason: &str) -> Failure {
    Failure(StatusCode::UNPROCESSABLE_ENTITY, reason.to_owned())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::read();
    let pool = settings.connect().await?;
    sqlx::raw_sql(include_str!("../../schema.sql")).execute(&pool).await?;
    let routes = Router::new()
        .route("/v1/receipts", post(|pool, headers, command| move_stock(pool, headers, command, 1)))
        .route("/v1/issues", post(|pool, headers, command| move_stock(pool, headers, command, -1)))
        .route("/v1/reservations", post(reserve))
        .with_state(pool);
    serve(settings.listen, routes).await
}

async fn reserve(
    State(pool): State<PgPool>,
    headers: HeaderMap,
    Json(command): Json<Command>,
) -> Result<Response, Failure> {
    let [line] = command.lines.as_slice() else {
        return Err(invalid("a reservation has one line here"));
    };
    let key = key(&headers);
    let statement = match key {
        None => include_str!("../../queries/reserve_stock.sql"),
        Some(_) => include_str!("../../queries/reserve_stock_once.sql"),
    };
    let change = sqlx::query_scalar(statement)
        .bind(&line.sku)
        .bind(&line.location)
        .bind(line.quantity)
        .bind(Uuid::now_v7())
        .bind(&command.owner)
        .bind(command.ttl_seconds);
    let reserved = run(&pool, change, key, StatusCode::CREATED).await;
    answer(&pool, key, reserved).await
}

/// Moves goods in or out, all lines or none.
async fn move_stock(
    State(pool): State<PgPool>,
    headers: HeaderMap,
    Json(command): Json<Command>,
    sign: i64,
) -> Result<Response, Failure> {
    let key = key(&headers);
    let moved = match command.lines.as_slice() {
        [] => return Err(invalid("there are no lines")),
        [line] => {
            let statement = match key {
                None => include_str!("../../queries/change_stock.sql"),
                Some(_) => include_str!("../../queries/change_stock_once.sql"),
            };
            let change = sqlx::query_scalar(statement)
                .bind(&line.sku)
                .bind(&line.location)
                .bind(sign * line.quantity);
            run(&pool, change, key, StatusCode::OK).await
        }
        lines => move_lines(&pool, lines, sign, key).await,
    };
    answer(&pool, key, moved).await
}

/// Runs one statement. If there is a key, it is the one that stores the outcome as well.
async fn run<'q>(
    pool: &PgPool,
    change: Change<'q>,
    key: Option<&'q str>,
    status: StatusCode,
) -> sqlx::Result<Outcome> {
    let change = match key {
        None => change,
        Some(key) => change.bind(key),
    };
    match change.fetch_optional(pool).await? {
        Some(Stored(body)) => Ok((status, body)),
        None => refuse(pool, key).await,
    }
}

/// One transaction: locks the rows in key order, checks all, changes all.
async fn move_lines(
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
    let Stored(body): Stored<Value> =
        sqlx::query_scalar(include_str!("../../queries/change_stock_lines.sql"))
            .bind(&skus)
            .bind(&locations)
            .bind(&deltas)
            .fetch_one(&mut *transaction)
            .await?;
    if let Some(key) = key {
        save_outcome(key, 200, &body).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok((StatusCode::OK, body))
}

fn key(headers: &HeaderMap) -> Option<&str> {
    headers.get("idempotency-key")?.to_str().ok()
}

/// There is too little stock, or none is known. A refusal is an outcome too, so it is stored
/// under the key.
async fn refuse(pool: &PgPool, key: Option<&str>) -> sqlx::Result<Outcome> {
    let body = json!({ "title": "There is not that much" });
    if let Some(key) = key {
        save_outcome(key, 409, &body).execute(pool).await?;
    }
    Ok((StatusCode::CONFLICT, body))
}

fn save_outcome<'q>(
    key: &'q str,
    status: i16,
    body: &'q Value,
) -> sqlx::query::Query<'q, Postgres, PgArguments> {
    let statement = include_str!("../../queries/save_outcome.sql");
    sqlx::query(statement).bind(key).bind(status).bind(Stored(body))
}

/// The outcome, or the one that was stored earlier under the same key.
async fn answer(
    pool: &PgPool,
    key: Option<&str>,
    outcome: sqlx::Result<Outcome>,
) -> Result<Response, Failure> {
    let is_repeated = |error: &sqlx::Error| {
        error.as_database_error().is_some_and(|error| error.is_unique_violation())
    };
    let (status, body) = match (outcome, key) {
        (Err(error), Some(key)) if is_repeated(&error) => {
            let (status, Stored(body)): (i16, Stored<Value>) =
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
