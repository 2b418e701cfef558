//! Request bodies that no handler read to the end.
//!
//! A handler may answer before it has read the whole body, because the body is too large, has another
//! media type, or the service is overloaded. A caller that is still sending when the connection closes
//! gets a reset and never sees the answer; a caller that does not know of the end sends its next
//! request into a closing connection. So a small rest is read and dropped before the answer goes out;
//! with a larger rest, the answer says that the connection closes (RFC 9112 §9.3, §9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// Bytes that are read only to be dropped.
const DROPPED_BYTES_MAX: u64 = 16 << 20;

/// How long an answer waits for them.
const DROPPING_MAX: Duration = Duration::from_secs(2);

/// Answers a request. Then reads and drops what `answer` left of the body, or announces that the
/// connection closes.
pub(crate) async fn drop_unread(
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if request.body().is_end_stream() {
        return answer(request).await;
    }
    let asks_first = request.headers().contains_key(EXPECT);
    let (head, body) = request.into_parts();
    let mut body = SharedBody(Arc::new(Mutex::new(Reading { body, is_begun: false })));
    let mut response = answer(Request::from_parts(head, Body::new(body.clone()))).await;
    // With `Expect: 100-continue` the caller has not sent the body yet; do not ask for it.
    let may_read = body.lock().is_begun || !asks_first;
    let is_read = body.is_end_stream()
        || (may_read && timeout(DROPPING_MAX, body.reaches_its_end()).await == Ok(true));
    if !is_read {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that can still be read after the handler has dropped it.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Reading>>);

struct Reading {
    body: Body,
    is_begun: bool,
}

impl SharedBody {
    fn lock(&self) -> MutexGuard<'_, Reading> {
        // The body can still be read after a handler has panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the rest; true if the end came before the limit.
    async fn reaches_its_end(&mut self) -> bool {
        let mut dropped = 0;
        while dropped + self.size_hint().lower() <= DROPPED_BYTES_MAX {
            match self.frame().await {
                Some(Ok(frame)) => dropped += frame.data_ref().map_or(0, |data| data.len() as u64),
                Some(Err(_)) => return false,
                None => return true,
            }
        }
        false
    }
}

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut reading = self.lock();
        reading.is_begun = true;
        Pin::new(&mut reading.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::{Next, from_fn};
    use axum::routing::post;
    use std::net::TcpListener;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::server::Server;

    async fn service() -> (Server, TcpStream) {
        let refusing = post(async || StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let reading = post(async |body: Bytes| body.len().to_string());
        let router = Router::new().route("/refusing", refusing).route("/reading", reading);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let layer = from_fn(async |request, next: Next| {
            drop_unread(request, async |request| next.run(request).await).await
        });
        let server = Server::start(listener, router.layer(layer), 9, None).unwrap();
        (server, TcpStream::connect(address).await.unwrap())
    }

    fn head(path: &str, more: &str) -> Vec<u8> {
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n\r\n").into_bytes()
    }

    /// The head of the next answer, in lower case.
    async fn answer(connection: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(connection.read_u8().await.expect("an answer"));
        }
        String::from_utf8(answer).unwrap().to_lowercase()
    }

    #[tokio::test]
    async fn a_caller_that_sends_everything_first_gets_the_refusal_and_keeps_its_connection() {
        let (_server, mut connection) = service().await;
        for _ in 0..3 {
            let bytes = 4 << 20;
            let mut request = head("/refusing", &format!("content-length: {bytes}"));
            request.resize(request.len() + bytes, b'x');
            connection.write_all(&request).await.unwrap();
            let answer = answer(&mut connection).await;
            assert!(answer.starts_with("http/1.1 415 "), "{answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_body_that_was_read_keeps_its_connection() {
        let (_server, mut connection) = service().await;
        for more in
            ["content-length: 3\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0"]
        {
            connection.write_all(&head("/reading", more)).await.unwrap();
            let answer = answer(&mut connection).await;
            assert!(answer.starts_with("http/1.1 200 ok"), "{answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
            connection.read_u8().await.expect("the length");
        }
    }

    #[tokio::test]
    async fn a_rest_that_is_too_large_or_not_yet_sent_closes_the_connection_and_the_answer_says_so()
    {
        for more in ["content-length: 99999999999", "expect: 100-continue\r\ncontent-length: 3"] {
            let (_server, mut connection) = service().await;
            connection.write_all(&head("/refusing", more)).await.unwrap();
            let answer = answer(&mut connection).await;
            assert!(answer.starts_with("http/1.1 415 "), "{more}: {answer}");
            assert!(answer.contains("connection: close"), "{more}: {answer}");
        }
    }
}
