//! The table of API keys: what services may know of it, and how they learn of changes.
//!
//! Changes are looked for, not waited for: a message can be lost with its connection, and then a revoked key
//! would stay valid.

pub mod operate;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use service_edge::outage::Outage;
use service_edge::sign_in::api_key::{KeyHash, StoredKey};
use service_edge::sign_in::keys::{KeyList, Keys};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{FromRow, Row};
use tokio::time::sleep;

/// The pause between two looks at the table.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Reads the table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiKeyTable(PgPool);

impl ApiKeyTable {
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    pub async fn version(&self) -> sqlx::Result<i64> {
        let statement = include_str!("../queries/read_api_key_version.sql");
        sqlx::query_scalar(statement).fetch_one(&self.0).await
    }

    /// All keys that are valid now.
    pub async fn list(&self) -> sqlx::Result<KeyList> {
        let statement = include_str!("../queries/list_api_keys.sql");
        let rows = sqlx::query(statement).fetch_all(&self.0).await?;
        let version = rows.first().map(|row| row.try_get("version")).transpose()?;
        let listed = rows
            .iter()
            .filter(|row| row.try_get::<Option<&str>, _>("id").is_ok_and(|id| id.is_some()));
        let keys: Vec<StoredKey> =
            listed.map(|row| Ok(Listed::from_row(row)?.0)).collect::<sqlx::Result<_>>()?;
        Ok(KeyList { version, keys: keys.into() })
    }

    /// Keeps `keys` up to date. Never ends.
    pub async fn follow(self, keys: Keys) {
        let outage = Outage::none();
        loop {
            match self.look(&keys).await {
                Ok(()) if outage.is_over() => tracing::info!("the API keys are known again"),
                Ok(()) => {}
                Err(error) => {
                    if let Some(failures) = outage.failed() {
                        tracing::warn!(%error, failures, "the API keys cannot be read; looking again");
                    }
                }
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn look(&self, keys: &Keys) -> sqlx::Result<()> {
        let asked_at = Instant::now();
        if keys.version() == Some(self.version().await?) {
            keys.confirm(asked_at);
        } else {
            keys.replace(self.list().await?, asked_at);
        }
        Ok(())
    }
}

struct Listed(StoredKey);

impl<'r> FromRow<'r, PgRow> for Listed {
    fn from_row(row: &'r PgRow) -> sqlx::Result<Self> {
        let decoded = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
        let hash: Vec<u8> = row.try_get("hash")?;
        let hash = <[u8; 32]>::try_from(hash).map_err(|_| decoded("a hash has 32 bytes".into()))?;
        let scopes: Vec<String> = row.try_get("scopes")?;
        let rate: Option<i32> = row.try_get("rate")?;
        let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
        Ok(Self(StoredKey {
            id: row.try_get("id")?,
            hash: KeyHash::from(hash),
            name: row.try_get("name")?,
            // A scope that a later version knows is none here.
            scopes: scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
            locations: row.try_get("locations")?,
            expires_at,
            rate: rate.and_then(|rate| u32::try_from(rate).ok()?.try_into().ok()),
        }))
    }
}
