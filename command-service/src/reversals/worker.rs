//! Runs the jobs: sends one step after another to the writer, like any other command.
//!
//! The idempotency key of a step consists of the job, the step and the pass, so a step that was decided
//! before a crash is recognised. The lock of a job only avoids that two instances do the same work.

use std::pin::pin;
use std::time::Duration;

use futures::future::join_all;
use service_edge::retry::Backoff;
use sha2::{Digest, Sha256};
use shared_events::values::Label;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep, timeout};

use super::WindowReversals;
use super::jobs::{self, Running, Waiting};
use super::window::fitting;
use crate::inventory::{Command, Irreversible, Rejection, Request, Reverse, Target};
use crate::log::submission::{
    Decision, IdempotencyKey, NotExecuted, Outcome, Payload, RequestHash, Submission,
};
use crate::log::writer::Writer;
use crate::metrics;

/// The first key of the advisory locks of jobs; the second is a hash of the job id.
const LOCK_CLASS: i32 = 0x0053_4252;

/// Steps sent to the writer together, and their events, unless one step has more. The writer decides
/// them in order unless one has to wait; steps that depend on it are decided again in the next pass.
const STEPS_TOGETHER: i64 = 16;
const EVENTS_TOGETHER: usize = 2_000;

/// The pause between two searches for jobs of other instances.
const POLL_INTERVAL: Duration = Duration::from_secs(3);

/// How long the writer may take for a step, and how often a step is sent before the job is postponed.
const STEP_MAX: Duration = Duration::from_secs(10);
const ATTEMPTS_MAX: u32 = 6;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The caller of the idempotency keys of steps.
const CALLER: &str = "stockbook-reversals";

/// How often the connection with the lock of a job is used, at least. A silent one loses the lock, so
/// that another instance can continue when this one is paused.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
const SETTINGS: [(&str, &str); 6] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_session_timeout", "8s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "5"),
];

impl WindowReversals {
    /// Runs all jobs, and never returns.
    pub async fn work(self, writer: Writer) {
        loop {
            if let Err(error) = self.run_all(&writer).await {
                tracing::warn!(%error, "reversals failed, trying again in {POLL_INTERVAL:?}");
            }
            tokio::select! {
                () = self.started.notified() => (),
                () = sleep(POLL_INTERVAL) => (),
            }
        }
    }

    async fn run_all(&self, writer: &Writer) -> sqlx::Result<()> {
        for job in jobs::running(&self.pool).await? {
            let name = "command-service reversal";
            let options = self.database.options().application_name(name).options(SETTINGS);
            let connecting = timeout(CONNECT_MAX, options.connect()).await;
            let mut connection = connecting.map_err(|_| sqlx::Error::PoolTimedOut)??;
            let is_ours: bool = sqlx::query_scalar(include_str!("../../queries/lock_reversal.sql"))
                .bind(LOCK_CLASS)
                .bind(job.id.as_str())
                .fetch_one(&mut connection)
                .await?;
            if is_ours {
                run(&mut connection, &job, writer).await?;
            }
            connection.close().await?;
        }
        Ok(())
    }
}

/// Runs a job to its end, or to the end of a pass in which a step could not be decided.
async fn run(connection: &mut PgConnection, job: &Running, writer: &Writer) -> sqlx::Result<()> {
    while let Some(pass) = jobs::pass(connection, &job.id).await? {
        if !run_pass(connection, job, pass, writer).await? {
            tracing::warn!(reversal = %job.id, pass, "not every step could be decided");
            return Ok(());
        }
        jobs::end_pass(connection, &job.id, pass).await?;
    }
    tracing::info!(reversal = %job.id, "a reversal is done");
    Ok(())
}

/// Sends the steps of a pass; returns whether all were decided. A stuck step does not stop the others.
async fn run_pass(
    connection: &mut PgConnection,
    job: &Running,
    pass: i32,
    writer: &Writer,
) -> sqlx::Result<bool> {
    let mut all_decided = true;
    let mut after = 0;
    loop {
        let mut steps = jobs::waiting(connection, &job.id, after, pass, STEPS_TOGETHER).await?;
        steps.truncate(fitting(steps.iter().map(|step| step.events.len()), EVENTS_TOGETHER));
        let Some(last) = steps.last() else {
            return Ok(all_decided);
        };
        after = last.nth;
        let deciding = join_all(steps.iter().map(|step| decide(writer, job, pass, step)));
        let results = keep_alive(connection, deciding).await?;
        let mut is_postponed = false;
        let mut decided = Vec::with_capacity(steps.len());
        for (step, result) in steps.iter().zip(results) {
            match result {
                StepResult::Reversed => decided.push((step.nth, None)),
                StepResult::Refused(rejection) => decided.push((step.nth, Some(rejection))),
                StepResult::Stuck => all_decided = false,
                StepResult::Postponed => is_postponed = true,
            }
        }
        let refused = decided.iter().filter(|(_, refusal)| refusal.is_some()).count();
        metrics::reversal_steps("refused", refused);
        metrics::reversal_steps("reversed", decided.len() - refused);
        jobs::save(connection, &job.id, pass, &decided).await?;
        if is_postponed {
            return Ok(false);
        }
    }
}

/// Waits for something while it keeps the connection with the lock alive.
async fn keep_alive<T>(
    connection: &mut PgConnection,
    something: impl Future<Output = T>,
) -> sqlx::Result<T> {
    let mut something = pin!(something);
    loop {
        match timeout(KEEP_ALIVE, &mut something).await {
            Ok(done) => return Ok(done),
            Err(_) => connection.ping().await?,
        }
    }
}

#[derive(Debug)]
enum StepResult {
    Reversed,
    Refused(Rejection),
    /// Nothing can be decided now; the step may be sent again.
    Postponed,
    /// The settings of this instance do not let it be decided.
    Stuck,
}

/// Sends a step until it is decided, a few times.
async fn decide(writer: &Writer, job: &Running, pass: i32, step: &Waiting) -> StepResult {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    for _ in 0..ATTEMPTS_MAX {
        let outcome = writer.submit(submission(job, pass, step)).await;
        match outcome {
            Outcome::Decided(decision) | Outcome::Replayed(decision) => return result(decision),
            Outcome::InProgress
            | Outcome::Unknown
            | Outcome::NotExecuted(
                NotExecuted::DeadlinePassed
                | NotExecuted::DatabaseUnavailable
                | NotExecuted::QueueFull { .. },
            ) => backoff.wait().await,
            Outcome::NotExecuted(NotExecuted::Stopping) => return StepResult::Postponed,
            // It stays so, and a job has to end. A later version may reverse it by another job.
            Outcome::NotExecuted(
                NotExecuted::TooLarge { .. }
                | NotExecuted::TooManyEvents { .. }
                | NotExecuted::Unreadable,
            ) => {
                let step = step.nth;
                tracing::error!(reversal = %job.id, step, ?outcome, "a step is refused, because it cannot be decided");
                let why = Irreversible::Undecidable;
                return StepResult::Refused(Rejection::NotReversible {
                    why,
                    dependents: Vec::new(),
                });
            }
            Outcome::NotExecuted(NotExecuted::PersonalNotKept)
            | Outcome::KeyReused
            | Outcome::Valid(_)
            | Outcome::ValidTogether(_) => {
                let step = step.nth;
                tracing::error!(reversal = %job.id, step, ?outcome, "a step cannot be decided");
                return StepResult::Stuck;
            }
        }
    }
    StepResult::Postponed
}

fn result(decision: Decision) -> StepResult {
    match decision {
        Decision::Accepted(_) | Decision::AcceptedTogether { .. } | Decision::Unchanged(_) => {
            StepResult::Reversed
        }
        Decision::Rejected(rejection) => StepResult::Refused(rejection),
        // A step is one command.
        Decision::RefusedTogether(_) => StepResult::Stuck,
    }
}

fn submission(job: &Running, pass: i32, step: &Waiting) -> Submission {
    let reverse = Reverse {
        id: job.id.clone(),
        target: Target::Events(step.events.clone()),
        accept_shortage: job.accept_shortage,
        cause: job.cause.clone(),
    };
    let key = format!("{}/{}/{pass}", job.id, step.nth);
    Submission {
        payload: Payload::One(Request { command: Command::Reverse(reverse), occurred_at: None }),
        personal: job.personal.clone().map(Some).into_iter().collect(),
        origin: job.origin.clone(),
        key: Some(IdempotencyKey {
            caller: Label::known(CALLER),
            request_hash: RequestHash::of(Sha256::digest(&key).into()),
            key: Label::known(&key),
        }),
        validate_only: false,
        deadline: Instant::now() + STEP_MAX,
    }
}
