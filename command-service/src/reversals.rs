//! Reversals of a window: reverse the events between two moments, one correlation after another, the
//! newest first.
//!
//! - A request becomes a job in Postgres: `window` selects its events, as far as they are recorded by
//!   then, and puts them into steps; `jobs` stores them.
//! - `worker` sends one step after another to the writer, and continues jobs of other instances.
//! - `dry_run` reports what a reversal would do.

mod window;
mod jobs;
mod worker;
mod dry_run;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_events::event::Cause;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReversalId, Sku};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::Notify;

use self::jobs::Inserted;
pub use self::jobs::{Progress, REFUSALS_MAX, Refusal, Status};
use crate::config::DatabaseUrl;
use crate::log::idempotency::KnownOutcomes;
use crate::log::read::ReadError;
use crate::log::submission::{IdempotencyKey, Origin};
use crate::personal::{PersonalData, PersonalVault};

/// A request to reverse the events of a window.
#[derive(Debug, Clone)]
pub struct WindowRequest {
    /// The id of the reversal, unless it has an idempotency key, which then determines the id.
    pub id: ReversalId,
    /// Which time of an event has to be in the window.
    pub by: WindowBy,
    /// The first moment of the window.
    pub from: Timestamp,
    /// The first moment after the window.
    pub to: Timestamp,
    /// Only events of this item.
    pub sku: Option<Sku>,
    /// Only events at this location.
    pub location: Option<LocationCode>,
    /// Only events of this actor.
    pub actor: Option<Label>,
    /// Whether available may become negative.
    pub accept_shortage: bool,
    pub cause: Cause,
    /// What every event of the reversal has.
    pub personal: Option<PersonalData>,
    pub origin: Origin,
    pub key: Option<IdempotencyKey>,
}

impl WindowRequest {
    /// The id of the reversal. The same key gives the same id, so one key has one job.
    fn reversal_id(&self) -> ReversalId {
        let Some(key) = &self.key else {
            return self.id.clone();
        };
        let digest = key.digest();
        let (bytes, _) = digest.split_first_chunk().expect("a digest is longer than a UUID");
        ReversalId::new(uuid::Builder::from_custom_bytes(*bytes).into_uuid())
    }
}

/// Which time of an event has to be in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowBy {
    RecordedAt,
    OccurredAt,
}

/// The progress of a reversal that was asked for.
#[derive(Debug)]
pub enum Started {
    Now(Progress),
    /// By an earlier request with the same key.
    Before(Progress),
}

#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    #[error("the key was used for another request")]
    KeyReused,
    #[error("holds more than {limit} events that match; ask for a smaller one")]
    TooLarge { limit: usize },
    #[error(transparent)]
    Log(#[from] ReadError),
}

impl From<sqlx::Error> for WindowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

/// Connections for requests; one is held while a window is read.
const CONNECTIONS_MAX: u32 = 3;

/// How long a request waits for a connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// A large window takes a while. Statements are planned with their values, which differ in how much
/// they match.
const SETTINGS: [(&str, &str); 5] = [
    ("statement_timeout", "60s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("plan_cache_mode", "force_custom_plan"),
    ("jit", "off"),
];

/// Starts reversals of windows and reports their progress. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WindowReversals {
    database: DatabaseUrl,
    pool: PgPool,
    /// Wakes the worker after a new job.
    started: Arc<Notify>,
}

impl WindowReversals {
    /// Does not connect yet. To be called inside a runtime.
    pub fn new(database: DatabaseUrl) -> Self {
        let name = "command-service reversals";
        let options = database.options().application_name(name).options(SETTINGS);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_lazy_with(options);
        Self { database, pool, started: Arc::default() }
    }

    /// Starts a reversal. A repeated request with the same key gets the progress of the first one.
    /// Dropping the future cancels nothing.
    pub async fn start(
        &self,
        request: WindowRequest,
        vault: Option<PersonalVault>,
    ) -> Result<Started, WindowError> {
        // In its own task, so that no transaction is left open when the client disconnects.
        let this = self.clone();
        let started = tokio::spawn(async move { this.begin(request, vault).await }).await;
        started.unwrap_or_else(|error| {
            tracing::error!(%error, "a reversal could not be started");
            Err(sqlx::Error::WorkerCrashed.into())
        })
    }

    async fn begin(
        &self,
        mut request: WindowRequest,
        vault: Option<PersonalVault>,
    ) -> Result<Started, WindowError> {
        // 1. Answer a repeated request from its job.
        let id = request.reversal_id();
        if let Some(progress) = self.started_before(&id, &request).await? {
            return Ok(Started::Before(progress));
        }
        // 2. Select the events recorded by now.
        let window = window::select(&self.pool, &request).await?;
        // 3. Seal its personal data, unless the key was used: a refusal makes no key of a subject.
        if let (Some(vault), Some(personal)) = (vault, request.personal.take()) {
            if self.is_used(request.key.as_ref()).await? {
                let progress = self.started_before(&id, &request).await?;
                return progress.map(Started::Before).ok_or(WindowError::KeyReused);
            }
            let correlation_id = &request.origin.correlation_id;
            request.personal = Some(vault.seal_for_later(personal, correlation_id).await?);
        }
        // 4. Store the job; a request with the same key may have been faster.
        match jobs::insert(&self.pool, &id, &request, &window).await? {
            Inserted::New => {
                self.started.notify_one();
                Ok(Started::Now(window.progress(id, window.status(), false)))
            }
            Inserted::Known => {
                let progress = self.started_before(&id, &request).await?;
                progress.map(Started::Before).ok_or(WindowError::KeyReused)
            }
            Inserted::KeyUsed => Err(WindowError::KeyReused),
        }
    }

    async fn is_used(&self, key: Option<&IdempotencyKey>) -> sqlx::Result<bool> {
        let Some(key) = key else { return Ok(false) };
        let mut connection = self.pool.acquire().await?;
        Ok(KnownOutcomes::find(&mut connection, &[key]).await?.of(key).is_some())
    }

    async fn started_before(
        &self,
        id: &ReversalId,
        request: &WindowRequest,
    ) -> Result<Option<Progress>, WindowError> {
        let Some(key) = &request.key else {
            return Ok(None);
        };
        match jobs::find(&self.pool, id).await? {
            Some(job)
                if job.request_hash.as_ref().is_some_and(|stored| key.request_hash.is(stored)) =>
            {
                Ok(Some(job.progress))
            }
            Some(_) => Err(WindowError::KeyReused),
            None => Ok(None),
        }
    }

    /// The progress that a reversal would end with if it were started now. Records nothing.
    pub async fn dry_run(&self, request: &WindowRequest) -> Result<Progress, WindowError> {
        let window = window::select(&self.pool, request).await?;
        dry_run::run(&self.pool, request, window).await
    }

    pub async fn progress(&self, id: &ReversalId) -> Result<Option<Progress>, WindowError> {
        Ok(jobs::find(&self.pool, id).await?.map(|job| job.progress))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::submission::RequestHash;

    fn request(key: Option<&str>) -> WindowRequest {
        let origin = Origin {
            actor: None,
            caller: None,
            correlation_id: "c".parse().unwrap(),
            causation_id: None,
            traceparent: None,
        };
        WindowRequest {
            id: "019a9f3c-5a3e-7cc1-8a05-0242ac120003".parse().unwrap(),
            by: WindowBy::RecordedAt,
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::UNIX_EPOCH,
            sku: None,
            location: None,
            actor: None,
            accept_shortage: false,
            cause: Cause::default(),
            personal: None,
            origin,
            key: key.map(|key| IdempotencyKey {
                caller: "somebody".parse().unwrap(),
                key: key.parse().unwrap(),
                request_hash: RequestHash::of([0; 32]),
            }),
        }
    }

    #[test]
    fn one_key_gives_one_id_and_without_a_key_the_request_gives_it() {
        let id = |key| request(key).reversal_id();
        assert_eq!(id(None), request(None).id);
        assert_eq!(id(Some("a")), id(Some("a")));
        assert_ne!(id(Some("a")), id(Some("b")));
        assert_eq!(id(Some("a")).as_str().parse(), Ok(id(Some("a"))));
    }
}
