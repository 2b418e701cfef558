//! Limits on requests: how many at once, and how long each may take.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::http::problem::Problem;

#[derive(Debug, Clone)]
pub struct Gate {
    permits: Arc<Semaphore>,
    answer_max: Duration,
}

impl Gate {
    pub fn new(requests_max: usize, answer_max: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(requests_max)), answer_max }
    }
}

/// Refuses a request beyond the limit, and ends one that takes too long.
pub async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Ok(_permit) = gate.permits.try_acquire() else {
        return Problem::overloaded().into_response();
    };
    let answer = timeout(gate.answer_max, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::unavailable("the answer took too long").into_response())
}
