//! One HTTP/1.1 connection that stays open. Requests are rendered beforehand and as little as
//! possible of an answer is read: a general client costs several times as much, and on a machine
//! that runs both sides the measured service would pay for it.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More headers than any of the services sends.
const HEADERS_MAX: usize = 32;

const ANSWER_MAX: usize = 32 << 20;

/// The parts of an answer that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) has_retry_after: bool,
    /// The position token that it reflects.
    pub(crate) position: Option<String>,
}

/// An open connection with no request under way.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(16 << 10) })
    }

    /// Sends a whole request and reads its answer to the end.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let (answer, length) = loop {
            if let Some(head) = head(&self.received)? {
                break head;
            }
            self.receive().await?;
        };
        while self.received.len() < length {
            self.receive().await?;
        }
        Ok(answer)
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

/// Reads the head of an answer, and the length of head and body together; nothing while part of
/// the head is missing.
fn head(received: &[u8]) -> io::Result<Option<(Answer, usize)>> {
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
            body = text().trim().parse::<usize>().ok();
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            answer.has_retry_after = true;
        } else if header.name.eq_ignore_ascii_case("stock-position") {
            answer.position = Some(text().into_owned());
        }
    }
    let body = match (body, status) {
        (Some(body), _) => body,
        (None, 204 | 304) => 0,
        (None, _) => return Err(io::Error::other("the answer has no Content-Length")),
    };
    Ok(Some((answer, length + body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let text = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 5\r\n\
            Stock-Position: 3:7\r\n\r\nbusy!";
        assert!(head(&text[..text.len() - 6]).unwrap().is_none());
        let (answer, length) = head(text).unwrap().unwrap();
        assert_eq!(length, text.len());
        let position = Some("3:7".to_owned());
        assert_eq!(answer, Answer { status: 503, has_retry_after: true, position });
    }

    #[test]
    fn an_answer_without_a_length_is_refused_rather_than_misread() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(head(chunked).is_err());
    }
}
