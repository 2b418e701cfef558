//! One HTTP/1.1 connection, kept open: bytes that were rendered beforehand go out, as little as
//! possible is read of what comes back. It costs a fraction of what a general client costs, which
//! on a machine that runs both sides is what the measured service would lose.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More headers than this no service of ours sends.
const HEADERS_MAX: usize = 32;

/// The largest answer that is read.
const ANSWER_MAX: usize = 32 << 20;

/// What is looked at of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's word.
    pub status: u16,
    /// Whether it says when to try again.
    pub has_retry_after: bool,
    /// The position that it reflects.
    pub position: Option<String>,
}

/// An open connection with no request under way.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// The start of an answer: what is looked at, and how long head and body are.
struct Head {
    answer: Answer,
    length: usize,
    body: usize,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn open(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(16 << 10) })
    }

    /// Sends a whole request and reads its answer to the end.
    ///
    /// # Errors
    /// The connection broke, or the answer is of a form that is not read here.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        Ok(self.exchange_for_body(request).await?.0)
    }

    /// The same, with the answer's body.
    ///
    /// # Errors
    /// As [`Connection::exchange`].
    pub async fn exchange_for_body(&mut self, request: &[u8]) -> io::Result<(Answer, &[u8])> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(head) = head(&self.received)? {
                break head;
            }
            self.receive().await?;
        };
        let end = head.length + head.body;
        while self.received.len() < end {
            self.receive().await?;
        }
        Ok((head.answer, &self.received[head.length..end]))
    }

    async fn receive(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.received.len() > ANSWER_MAX {
            return Err(io::Error::other("the answer is too large"));
        }
        Ok(())
    }
}

/// Reads the head of an answer; nothing while it is not all there.
fn head(received: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(received).map_err(io::Error::other)?
    else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    let mut answer = Answer { status, has_retry_after: false, position: None };
    let mut body = None;
    for header in response.headers.iter() {
        let text = || String::from_utf8_lossy(header.value);
        if header.name.eq_ignore_ascii_case("content-length") {
            body = text().trim().parse().ok();
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            answer.has_retry_after = true;
        } else if header.name.eq_ignore_ascii_case("stock-position") {
            answer.position = Some(text().into_owned());
        }
    }
    let body = match (body, status) {
        (Some(body), _) => body,
        (None, 204 | 304) => 0,
        (None, _) => return Err(io::Error::other("the answer does not say how long it is")),
    };
    Ok(Some(Head { answer, length, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 5\r\n\
            Stock-Position: 3:7\r\n\r\nbusy!";
        let head_length = text.len() - 5;
        assert!(head(&text[..head_length - 1]).unwrap().is_none());
        let head = head(text).unwrap().unwrap();
        assert_eq!((head.length, head.body), (head_length, 5));
        let position = Some("3:7".to_owned());
        assert_eq!(head.answer, Answer { status: 503, has_retry_after: true, position });
    }

    #[test]
    fn an_answer_without_a_length_is_refused_rather_than_misread() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(head(chunked).is_err());
    }
}
