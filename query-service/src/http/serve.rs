//! Serving: time and number of everything bounded, and an end that is graceful but not endless.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::http::problem::Problem;
use crate::metrics;

/// How long a connection may take to send the header of its next request, idle time included.
const HEADER_MAX: Duration = Duration::from_secs(10);

/// A running HTTP server.
#[derive(Debug)]
pub struct Server {
    handle: Handle<SocketAddr>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Serves `router` on a listener that is bound already.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn start(listener: TcpListener, router: Router) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(listener)?.handle(handle.clone()).http1_only();
        // axum's own server has no such timeout: half a header would hold a connection for ever.
        server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADER_MAX);
        let serving = tokio::spawn(server.serve(router.into_make_service()));
        Ok(Self { handle, serving })
    }

    /// Returns when the server ends by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        Ok((&mut self.serving).await??)
    }

    /// Accepts no more, answers what is being worked on, and after `drain_max` closes what is left.
    pub async fn stop(self, drain_max: Duration) -> anyhow::Result<()> {
        if self.serving.is_finished() {
            return Ok(());
        }
        self.handle.graceful_shutdown(Some(drain_max));
        Ok(self.serving.await??)
    }
}

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
    let started = Instant::now();
    let method = request.method().clone();
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned(),
        None => "none".to_owned(),
    };
    let place = gate.places.try_acquire();
    let response = match place {
        Err(_) if !OPERATORS.contains(&route.as_str()) => Problem::Overloaded.into_response(),
        _ => match tokio::time::timeout(gate.longest, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                let detail = "the answer took too long".to_owned();
                Problem::ProjectionUnavailable(detail).into_response()
            }
        },
    };
    metrics::request_answered(&method, &route, response.status(), started.elapsed());
    response
}
