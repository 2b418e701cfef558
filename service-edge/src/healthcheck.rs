//! `healthcheck`: asks a running service whether it can do its work. For whoever watches a process
//! and has no HTTP client at hand, such as a container engine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the service may take. Its own look at the database takes a second at most.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Of an answer, no more than this is read.
const ANSWER_BYTES_MAX: u64 = 16 << 10;

/// Asks `/readyz` of the service that was told to listen at `listen`, host:port.
///
/// # Errors
/// It does not answer in time, or cannot do its work; the message says why.
pub async fn healthcheck(listen: &str) -> anyhow::Result<()> {
    let address = reachable(listen);
    let answer = timeout(ANSWER_MAX, ask(&address))
        .await
        .with_context(|| format!("{address} does not answer within {ANSWER_MAX:?}"))?
        .with_context(|| format!("{address} does not answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    ensure!(head.starts_with("HTTP/1.1 200 "), "{address} is not ready: {body}");
    Ok(())
}

/// One request, written out: a client would be more than the question.
async fn ask(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where a service that listens there is reached from its own machine: one that listens everywhere
/// listens on loopback, too.
fn reachable(listen: &str) -> String {
    let Ok(mut address) = listen.parse::<SocketAddr>() else {
        return listen.to_owned();
    };
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What the check says of a service that gives this answer.
    async fn checked(answer: &'static str) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap().to_string();
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut asked).await.unwrap();
            }
            assert!(asked.starts_with(b"GET /readyz "));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let said = healthcheck(&listen).await;
        answering.await.unwrap();
        said
    }

    #[tokio::test]
    async fn a_service_is_healthy_when_it_says_that_it_is_ready() {
        checked("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        let unready = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"reasons\":[\"no database\"]}";
        let error = checked(unready).await.unwrap_err();
        assert!(error.to_string().contains("no database"), "{error:#}");
        checked("").await.unwrap_err();
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_not_healthy() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        healthcheck(&listen).await.unwrap_err();
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("localhost:8080", "localhost:8080"),
        ] {
            assert_eq!(reachable(listen), asked);
        }
    }
}
