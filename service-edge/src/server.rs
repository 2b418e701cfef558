//! The listening socket and its limits: connections, time for a header, time for a stop.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::{Context, Poll, ready as ready_or_wait};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::PollSemaphore;
use tower::Service;

use crate::tls::Certificate;

/// When a client closes an idle connection: before the service does, or its next request may meet the close.
pub const CLIENT_IDLE_MAX: Duration = Duration::from_secs(5);

/// How long a connection may take to send the header of its next request, including idle time.
const HEADER_MAX: Duration = Duration::from_secs(10);

/// A running HTTP server.
#[derive(Debug)]
pub struct Server {
    handle: Handle<SocketAddr>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Serves `router` on a listener that is already bound, over TLS if there is a certificate.
    pub fn start(
        listener: TcpListener,
        router: Router,
        connections_max: u32,
        certificate: Option<Certificate>,
    ) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let handle = Handle::new();
        let server = axum_server::from_tcp(listener)?.handle(handle.clone());
        let connections_max = usize::try_from(connections_max).unwrap_or(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(connections_max));
        let connections = Connections { router, free: PollSemaphore::new(free), permit: None };
        let serving = match certificate {
            None => tokio::spawn(limited(server).serve(connections)),
            Some(certificate) => {
                tokio::spawn(limited(server.acceptor(certificate)).serve(connections))
            }
        };
        Ok(Self { handle, serving })
    }

    /// Returns when the server ends by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        Ok((&mut self.serving).await??)
    }

    /// Accepts no more connections, answers the requests in progress, and closes the remaining
    /// connections after `drain_max`.
    pub async fn stop(self, drain_max: Duration) -> anyhow::Result<()> {
        if self.serving.is_finished() {
            return Ok(());
        }
        self.handle.graceful_shutdown(Some(drain_max));
        Ok(self.serving.await??)
    }
}

fn limited<A>(server: axum_server::Server<SocketAddr, A>) -> axum_server::Server<SocketAddr, A> {
    let mut server = server.http1_only();
    // axum's own server has no such timeout: half a header would hold a connection forever.
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADER_MAX);
    server
}

/// Makes the service of each connection. Beyond the limit, the next connection is not accepted and
/// waits in the system's backlog.
struct Connections {
    router: Router,
    free: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
}

impl Service<SocketAddr> for Connections {
    type Response = Connection;
    type Error = Infallible;
    type Future = Ready<Result<Connection, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.permit.is_none() {
            self.permit = ready_or_wait!(self.free.poll_acquire(context));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _peer: SocketAddr) -> Self::Future {
        let permit = Arc::new(self.permit.take());
        ready(Ok(Connection { router: self.router.clone(), _permit: permit }))
    }
}

/// The service of one connection, which holds its permit.
#[derive(Clone)]
struct Connection {
    router: Router,
    _permit: Arc<Option<OwnedSemaphorePermit>>,
}

impl<R> Service<R> for Connection
where
    Router: Service<R>,
{
    type Response = <Router as Service<R>>::Response;
    type Error = <Router as Service<R>>::Error;
    type Future = <Router as Service<R>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<R>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        Service::<R>::call(&mut self.router, request)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::extract::Path;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// The requested paths, in order.
    type Asked = Arc<Mutex<Vec<String>>>;

    fn router(asked: &Asked) -> Router {
        let asked = Arc::clone(asked);
        let note = move |Path(name): Path<String>| async move {
            asked.lock().expect("no test panics with it").push(name);
        };
        Router::new().route("/{name}", get(note))
    }

    async fn ask(connection: &mut TcpStream, name: &str) {
        let request = format!("GET /{name} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("a request can be sent");
    }

    async fn read_answer(connection: &mut TcpStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(connection.read_u8().await.expect("an answer"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_is_served_once_another_closes() {
        let asked = Asked::default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Server::start(listener, router(&asked), 1, None).expect("a server");

        let mut first = TcpStream::connect(address).await.expect("the first connection");
        ask(&mut first, "first").await;
        read_answer(&mut first).await;
        let mut second = TcpStream::connect(address).await.expect("the system accepts it");
        ask(&mut second, "second").await;
        for _ in 0..50 {
            ask(&mut first, "first").await;
            read_answer(&mut first).await;
        }
        drop(first);
        read_answer(&mut second).await;
        drop(second);

        let asked = asked.lock().expect("no test panics with it").clone();
        assert_eq!(asked.iter().position(|name| name == "second"), Some(51), "{asked:?}");
        server.stop(Duration::from_secs(1)).await.expect("the server stops");
    }
}
