//! Doing the jobs: one step after another through the writer, like any other command.
//!
//! A step's key is made of the job, the step and the pass, so one that was done before a crash is
//! recognised. That is what makes it safe; the lock of a job only spares instances doing it twice.

use std::pin::pin;
use std::time::Duration;

use futures::future::join_all;
use sha2::{Digest, Sha256};
use shared_events::values::Label;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep, timeout};

use super::Reversals;
use super::jobs::{self, Running, Waiting};
use super::steps::fitting;
use crate::backoff::Backoff;
use crate::inventory::{Command, Rejection, Request, Reverse, Target};
use crate::log::submission::{Decision, IdempotencyKey, NotExecuted, Outcome, Payload, Submission};
use crate::log::writer::Writer;

/// The first key of the jobs' advisory locks; the second is a hash of the job's id.
const LOCK_CLASS: i32 = 0x0053_4252;

/// Steps that are on their way to the writer together, and their events, unless one step alone has more.
/// They are decided in their order, unless one has to wait; what it should have come before meets it in
/// the next pass.
const STEPS_TOGETHER: i64 = 16;
const EVENTS_TOGETHER: usize = 2_000;

/// Between two looks for jobs that another instance left.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// How long a step may wait for its turn, and how often it is handed in before the job is put aside.
const STEP_MAX: Duration = Duration::from_secs(10);
const ATTEMPTS_MAX: u32 = 6;

/// The waits between attempts.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Whose the steps' keys are, beside the callers'.
const CALLER: &str = "stockbook-reversals";

/// How often the connection with a job's lock is spoken to, at least. One that falls silent loses the
/// lock, so that another instance can go on where one is paused.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
const SETTINGS: [(&str, &str); 6] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_session_timeout", "8s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "5"),
];

impl Reversals {
    /// Does the jobs that there are and those that come, for ever.
    pub async fn work(self, writer: Writer) {
        loop {
            if let Err(error) = self.do_all(&writer).await {
                tracing::warn!(%error, "reversals cannot be gone on with; trying again in {LOOK_AGAIN:?}");
            }
            tokio::select! {
                () = self.started.notified() => (),
                () = sleep(LOOK_AGAIN) => (),
            }
        }
    }

    async fn do_all(&self, writer: &Writer) -> sqlx::Result<()> {
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

/// Goes on with a job as far as it can: to its end, or to a step that nothing can be decided on now.
async fn run(connection: &mut PgConnection, job: &Running, writer: &Writer) -> sqlx::Result<()> {
    while let Some(pass) = jobs::pass(connection, &job.id).await? {
        if !run_pass(connection, job, pass, writer).await? {
            tracing::warn!(reversal = %job.id, pass, "not every step can be decided now");
            return Ok(());
        }
        jobs::end_pass(connection, &job.id, pass).await?;
    }
    tracing::info!(reversal = %job.id, "a reversal is done");
    Ok(())
}

/// Hands in the steps of a pass; says whether each was decided. One that is stuck stops no other.
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
        let settling = join_all(steps.iter().map(|step| settle(writer, job, pass, step)));
        let all_settled = keep_alive(connection, settling).await?;
        let mut is_postponed = false;
        let mut decided = Vec::with_capacity(steps.len());
        for (step, settled) in steps.iter().zip(all_settled) {
            match settled {
                Settled::Reversed => decided.push((step.nth, None)),
                Settled::Refused(rejection) => decided.push((step.nth, Some(rejection))),
                Settled::Stuck => all_decided = false,
                Settled::Postponed => is_postponed = true,
            }
        }
        let refused = decided.iter().filter(|(_, refusal)| refusal.is_some()).count();
        count("refused", refused);
        count("reversed", decided.len() - refused);
        jobs::save(connection, &job.id, pass, &decided).await?;
        if is_postponed {
            return Ok(false);
        }
    }
}

/// Waits for something, and keeps the connection with the job's lock from falling silent.
async fn keep_alive<T>(
    connection: &mut PgConnection,
    something: impl Future<Output = T>,
) -> sqlx::Result<T> {
    let mut something = pin!(something);
    loop {
        match timeout(SIGN_OF_LIFE, &mut something).await {
            Ok(done) => return Ok(done),
            Err(_) => connection.ping().await?,
        }
    }
}

fn count(how: &'static str, steps: usize) {
    metrics::counter!("stockbook_reversal_steps_total", "decided" => how).increment(steps as u64);
}

/// How a step ended.
#[derive(Debug)]
enum Settled {
    Reversed,
    Refused(Rejection),
    /// Nothing can be decided now; the same may be handed in again.
    Postponed,
    /// This binary, or its bounds, cannot decide it.
    Stuck,
}

/// Hands a step in until it is decided, a few times.
async fn settle(writer: &Writer, job: &Running, pass: i32, step: &Waiting) -> Settled {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    for _ in 0..ATTEMPTS_MAX {
        let outcome = writer.submit(submission(job, pass, step)).await;
        match outcome {
            Outcome::Decided(decision) | Outcome::Replayed(decision) => return settled(decision),
            Outcome::InProgress
            | Outcome::Unknown
            | Outcome::NotExecuted(
                NotExecuted::DeadlinePassed
                | NotExecuted::DatabaseUnavailable
                | NotExecuted::QueueFull { .. },
            ) => backoff.wait().await,
            Outcome::NotExecuted(NotExecuted::Stopping) => return Settled::Postponed,
            Outcome::NotExecuted(
                NotExecuted::TooLarge { .. }
                | NotExecuted::TooManyEvents { .. }
                | NotExecuted::Unreadable,
            )
            | Outcome::KeyReused
            | Outcome::Valid(_)
            | Outcome::ValidTogether(_) => {
                let step = step.nth;
                tracing::error!(reversal = %job.id, step, ?outcome, "a step cannot be decided");
                return Settled::Stuck;
            }
        }
    }
    Settled::Postponed
}

fn settled(decision: Decision) -> Settled {
    match decision {
        Decision::Accepted(_) | Decision::AcceptedTogether { .. } | Decision::Unchanged(_) => {
            Settled::Reversed
        }
        Decision::Rejected(rejection) => Settled::Refused(rejection),
        // A step is one command.
        Decision::RefusedTogether(_) => Settled::Stuck,
    }
}

fn submission(job: &Running, pass: i32, step: &Waiting) -> Submission {
    let reverse = Reverse {
        id: job.id.clone(),
        target: Target::Events(step.events.clone()),
        cause: job.cause.clone(),
    };
    let key = format!("{}/{}/{pass}", job.id, step.nth);
    Submission {
        payload: Payload::One(Request { command: Command::Reverse(reverse), occurred_at: None }),
        origin: job.origin.clone(),
        key: Some(IdempotencyKey {
            caller: label(CALLER),
            request_hash: Sha256::digest(&key).into(),
            key: label(&key),
        }),
        validate_only: false,
        deadline: Instant::now() + STEP_MAX,
    }
}

fn label(text: &str) -> Label {
    text.parse().expect("it is short and printable")
}
