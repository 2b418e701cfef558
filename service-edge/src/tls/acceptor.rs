//! The beginning of a connection: the handshake, within a limit.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use axum_server::accept::Accept;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::Certificate;

/// How long a handshake may take. It holds the permit of its connection, so their number is bounded, too.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The first byte of a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// What a caller gets that speaks HTTP without TLS.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 35\r\n\
    connection: close\r\n\r\nthis port speaks HTTPS, not HTTP.\r\n";

/// Bytes of such a caller that are read only to be dropped.
const DROPPED_BYTES_MAX: u64 = 64 << 10;

impl<S: Send + 'static> Accept<TcpStream, S> for Certificate {
    type Stream = TlsStream<TcpStream>;
    type Service = S;
    type Future = BoxFuture<'static, Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let acceptor = TlsAcceptor::from(self.current());
        async move {
            let peer = stream.peer_addr();
            let done = timeout(HANDSHAKE_MAX, handshake(acceptor, stream)).await;
            let done = done.unwrap_or_else(|_| Err(Error::from(ErrorKind::TimedOut)));
            if let Err(error) = &done {
                tracing::debug!(?peer, %error, "no TLS connection");
            }
            Ok((done?, service))
        }
        .boxed()
    }
}

async fn handshake(acceptor: TlsAcceptor, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
    // The first answer must not wait until the caller has acknowledged the end of the handshake.
    stream.set_nodelay(true)?;
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    if first != [HANDSHAKE] {
        refuse(stream).await?;
        return Err(Error::new(ErrorKind::InvalidData, "the caller does not speak TLS"));
    }
    acceptor.accept(stream).await
}

/// Says why. What the caller still sends is read, or it would get a reset instead of the answer.
async fn refuse(mut stream: TcpStream) -> Result<()> {
    stream.write_all(PLAIN).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(DROPPED_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}
