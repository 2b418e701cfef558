//! Reads as most would write them: one `select` a request, on the table of the update-service. A
//! route that answers a constant shows how fast a JSON answer can be on this machine.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use baselines::{Settings, serve};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use sqlx::postgres::PgPool;
use sqlx::types::chrono::{DateTime, Utc};

const CONSTANT: &str = r#"{"sku":"sku-00001","location":"MAIN","on_hand":1000000,"reserved":0,"allocated":0,"available":1000000,"version":1,"position":"3:1042","updated_at":"2026-01-01T00:00:00.000000Z"}"#;

const LIMIT_MAX: i64 = 200;

#[derive(Serialize, FromRow)]
struct Level {
    sku: String,
    location: String,
    on_hand: i64,
    reserved: i64,
    available: i64,
    version: i64,
    updated_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    sku_prefix: String,
    limit: Option<i64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::read();
    let pool = settings.connect().await?;
    let routes = Router::new()
        .route("/v1/stock/{sku}/{location}", get(level))
        .route("/v1/stock", get(levels))
        .route("/static", get(async || ([(header::CONTENT_TYPE, "application/json")], CONSTANT)))
        .with_state(pool);
    serve(settings.listen, routes).await
}

async fn level(
    State(pool): State<PgPool>,
    Path((sku, location)): Path<(String, String)>,
) -> Result<Response, StatusCode> {
    let level: Option<Level> = sqlx::query_as(include_str!("../../queries/get_level.sql"))
        .bind(sku)
        .bind(location)
        .fetch_optional(&pool)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    level.map(|level| Json(level).into_response()).ok_or(StatusCode::NOT_FOUND)
}

async fn levels(
    State(pool): State<PgPool>,
    Query(page): Query<Page>,
) -> Result<Response, StatusCode> {
    let limit = page.limit.unwrap_or(50).clamp(1, LIMIT_MAX);
    let items: Vec<Level> = sqlx::query_as(include_str!("../../queries/list_levels.sql"))
        .bind(page.sku_prefix)
        .bind(limit)
        .fetch_all(&pool)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let next_cursor = items.last().map(|level| level.sku.clone());
    Ok(Json(json!({ "items": items, "next_cursor": next_cursor })).into_response())
}
