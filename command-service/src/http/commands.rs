//! The commands: read, hand to the writer, answer.

pub(super) mod catalogue;
pub(super) mod stock;
pub(super) mod reservation;
pub(super) mod reversal;
pub(super) mod batch;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout_at};

use super::answer;
use super::problem::Problem;
use super::request::{self, Form};
use super::{AppState, WriterState};
use crate::log::submission::{Outcome, Submission};
use crate::log::writer::Writer;

impl AppState {
    /// One command, from request to response.
    async fn execute(&self, form: Form, request: Request) -> Response {
        // 1. Turn it away where too many wait.
        if let Some(problem) = self.overload() {
            return problem.into_response();
        }
        // 2. Read it; what is wrong with it is told before anything else.
        match request::read(form, request, &self.config).await {
            Ok(submission) => self.answer(submission).await,
            Err(problem) => problem.into_response(),
        }
    }

    /// One command that is read, on to its response.
    async fn answer(&self, submission: Submission) -> Response {
        // 3. Hand it to the writer, if there is one.
        let writer = match self.writer() {
            Ok(writer) => writer,
            Err(problem) => return problem.into_response(),
        };
        // 4. Answer.
        let correlation_id = submission.origin.correlation_id.clone();
        let outcome = submit(&writer, submission, self.answer_by()).await;
        answer::render(outcome, &correlation_id)
    }

    /// Why no command is taken at the moment, where too many wait. Asked before anything is read: what
    /// a refusal costs is taken from what is done.
    fn overload(&self) -> Option<Problem> {
        match &*self.writer.borrow() {
            WriterState::Running(writer) => writer.overload().map(Problem::from),
            WriterState::Starting | WriterState::Stopped => None,
        }
    }

    fn writer(&self) -> Result<Writer, Problem> {
        match &*self.writer.borrow() {
            WriterState::Running(writer) => Ok(writer.clone()),
            WriterState::Starting | WriterState::Stopped => Err(Problem::nothing_recorded()),
        }
    }

    /// When an answer that begins now must be there.
    fn answer_by(&self) -> Instant {
        Instant::now() + self.config.answer_timeout
    }
}

/// Waits for how a submission ends. Giving up the wait, as when the client hangs up, cancels nothing.
async fn submit(writer: &Writer, submission: Submission, until: Instant) -> Outcome {
    let waited = timeout_at(until, writer.submit(submission)).await;
    waited.unwrap_or(Outcome::Unknown)
}
