//! `healthcheck`: asks a running service whether it can do its work. For a container engine, whose image
//! has no HTTP client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::body::Bytes;
use axum::http::StatusCode;
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::config::ListenAddress;
use crate::tls::only_certificate;

/// How long the service may take. Its own check of the database takes two seconds at most.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// The part of the settings of `serve` that says how a service is reached on its own machine.
#[derive(Debug, Clone, Args)]
pub struct TlsOfService {
    /// The service's certificate, if it has TLS.
    #[arg(long, env = "TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
}

/// Asks `/readyz` of the service that listens on `listen`.
pub async fn healthcheck(listen: &ListenAddress, tls: &TlsOfService) -> anyhow::Result<()> {
    let address = reachable(listen.as_str());
    let (status, body) = timeout(ANSWER_MAX, ask(&address, tls.tls_cert.as_deref()))
        .await
        .with_context(|| format!("{address} does not answer within {ANSWER_MAX:?}"))?
        .with_context(|| format!("{address} does not answer"))?;
    ensure!(status == StatusCode::OK, "{address} is not ready: {}", String::from_utf8_lossy(&body));
    Ok(())
}

async fn ask(address: &str, certificate: Option<&Path>) -> anyhow::Result<(StatusCode, Bytes)> {
    let client = Client::builder(TokioExecutor::new());
    let answer = match certificate {
        None => {
            let client = client.build::<_, Empty<Bytes>>(HttpConnector::new());
            client.get(format!("http://{address}/readyz").parse()?).await?
        }
        Some(path) => {
            // The certificate need not be for the name of loopback.
            let https = HttpsConnectorBuilder::new().with_tls_config(only_certificate(path)?);
            let client = client.build::<_, Empty<Bytes>>(https.https_only().enable_http1().build());
            client.get(format!("https://{address}/readyz").parse()?).await?
        }
    };
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!(error))?;
    Ok((status, body.to_bytes()))
}

/// The address of a service on its own machine: one that listens on all addresses also listens on
/// loopback.
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
    use axum::Router;
    use axum::routing::get;
    use std::net::TcpListener;

    use super::*;
    use crate::server::Server;

    const PLAIN: TlsOfService = TlsOfService { tls_cert: None };

    async fn check(
        listener: TcpListener,
        answer: (StatusCode, &'static str),
    ) -> anyhow::Result<()> {
        let listen = listener.local_addr()?.to_string();
        let router = Router::new().route("/readyz", get(async move || answer));
        let _server = Server::start(listener, router, 9, None)?;
        healthcheck(&listen.parse().expect("an address"), &PLAIN).await
    }

    #[tokio::test]
    async fn a_service_is_healthy_when_it_is_ready() {
        let listener = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        check(listener(), (StatusCode::OK, "{}")).await.expect("healthy");
        let not_ready = (StatusCode::SERVICE_UNAVAILABLE, "no database");
        let error = check(listener(), not_ready).await.expect_err("not healthy");
        assert!(error.to_string().contains("no database"), "{error:#}");
        let address = listener().local_addr().expect("an address").to_string();
        let nobody = healthcheck(&address.parse().expect("an address"), &PLAIN).await;
        nobody.expect_err("nobody listens");
    }

    #[test]
    fn a_service_on_all_addresses_is_asked_on_loopback() {
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
