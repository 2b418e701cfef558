//! What may come in: how many requests at once, and how long each may take.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use service_edge::answered::Arrived;
use tokio::sync::Semaphore;

use crate::http::problem::Problem;

/// How many requests may be in work, and how long each may take.
#[derive(Debug, Clone)]
pub struct Gate {
    places: Arc<Semaphore>,
    longest: Duration,
}

impl Gate {
    /// A gate for `requests_max` at once.
    pub fn new(requests_max: usize, longest: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(requests_max)), longest }
    }
}

/// What operators ask is answered while everybody else waits: a busy service is not a dead one.
const OPERATORS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Lets a request in if there is a place, ends it when its time is up, and tells how long it took.
pub async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let arrived = Arrived::now(&request);
    let place = gate.places.try_acquire();
    let response = match place {
        Err(_) if !OPERATORS.contains(&arrived.route()) => Problem::Overloaded.into_response(),
        _ => match tokio::time::timeout(gate.longest, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                let detail = "the answer took too long".to_owned();
                Problem::ProjectionUnavailable(detail).into_response()
            }
        },
    };
    arrived.answered(response.status());
    response
}
