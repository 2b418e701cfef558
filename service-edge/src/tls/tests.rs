//! Real handshakes on real sockets.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::acceptor::HANDSHAKE_MAX;
use super::*;
use crate::healthcheck::{TlsOfService, healthcheck};
use crate::server::Server;
use crate::sign_in::config::Switch;

/// How long what should happen may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A folder with a certificate authority, and with a certificate and key of it.
struct Place {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Place {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let folder = tempfile::tempdir().expect("a folder");
        let place = Self { folder, authority: authority.expect("a certificate") };
        fs::write(place.path("ca.pem"), place.authority.pem()).expect("it is written");
        let (certificate, key) = place.issue();
        place.put(&certificate, &key);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another certificate and its key.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn put(&self, certificate: &str, key: &str) {
        fs::write(self.path("cert.pem"), certificate).expect("it is written");
        fs::write(self.path("key.pem"), key).expect("it is written");
    }

    fn config(&self) -> TlsConfig {
        let (cert, key) = (Some(self.path("cert.pem")), Some(self.path("key.pem")));
        TlsConfig { tls: None, tls_cert: cert, tls_key: key }
    }

    /// A server with this certificate, and the certificate.
    fn serve(&self, connections_max: u32) -> (Server, SocketAddr, Certificate) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/readyz", get(async || "yes"));
        let certificate = self.config().certificate().expect("a pair").expect("it is set");
        let server = Server::start(listener, router, connections_max, Some(certificate.clone()));
        (server.expect("a server"), address, certificate)
    }
}

async fn connect(address: SocketAddr, ca: &Path) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(trusting(Some(ca)).expect("issuers")));
    let stream = TcpStream::connect(address).await?;
    connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await
}

/// The head of an answer on a connection that stays open.
async fn ask(connection: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> String {
    connection.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"yes") {
        answer.push(connection.read_u8().await.expect("an answer"));
    }
    String::from_utf8(answer).expect("text")
}

/// The certificate that a new connection sees.
async fn seen(address: SocketAddr, ca: &Path) -> Vec<u8> {
    let connection = connect(address, ca).await.expect("a connection");
    connection.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec()
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_one_that_cannot_be_used_is_not() {
    let place = Place::new();
    let (server, address, certificate) = place.serve(9);
    let following = tokio::spawn(certificate.follow());
    let ca = place.path("ca.pem");
    let first = seen(address, &ca).await;
    let mut open = connect(address, &ca).await.expect("a connection");
    ask(&mut open).await;

    let (certificate, _) = place.issue();
    let (_, key_of_another) = place.issue();
    place.put(&certificate, &key_of_another);
    // It would have been taken after two looks.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert_eq!(seen(address, &ca).await, first);
        tokio::task::yield_now().await;
    }
    let (certificate, key) = place.issue();
    place.put(&certificate, &key);
    let until = Instant::now() + DEADLINE;
    while seen(address, &ca).await == first {
        assert!(Instant::now() < until, "the new certificate is not taken");
        assert!(!following.is_finished());
    }
    assert!(ask(&mut open).await.starts_with("HTTP/1.1 200"), "the open connection goes on");
    following.abort();
    drop(open);
    server.stop(DEADLINE).await.expect("the server stops");
}

#[tokio::test]
async fn a_caller_that_never_ends_its_handshake_loses_its_place() {
    let place = Place::new();
    let (_server, address, _) = place.serve(1);
    let since = Instant::now();
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    let mut next = connect(address, &place.path("ca.pem")).await.expect("it gets the place");
    ask(&mut next).await;
    assert!(since.elapsed() >= HANDSHAKE_MAX - Duration::from_secs(1), "{:?}", since.elapsed());
    assert!(since.elapsed() < DEADLINE, "{:?}", since.elapsed());
    assert_eq!(silent.read(&mut [0]).await.expect("an end"), 0);
}

#[tokio::test]
async fn http_without_tls_gets_an_answer_that_says_so() {
    let place = Place::new();
    let (_server, address, _) = place.serve(9);
    let mut plain = TcpStream::connect(address).await.expect("a connection");
    plain.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.expect("an answer and an end");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
}

#[tokio::test]
async fn nobody_else_is_trusted() {
    let place = Place::new();
    let (_server, address, _) = place.serve(9);
    let other = Place::new();
    let error = connect(address, &other.path("ca.pem")).await.expect_err("another issuer");
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    let listen = address.to_string().parse().expect("an address");
    let tls = |place: &Place| TlsOfService { tls_cert: Some(place.path("cert.pem")) };
    healthcheck(&listen, &tls(&place)).await.expect("healthy");
    healthcheck(&listen, &tls(&other)).await.expect_err("another certificate");
}

#[test]
fn files_that_are_no_pair_are_refused() {
    let place = Place::new();
    let (certificate, key) = place.issue();
    let (other, _) = place.issue();
    for (certificate, key) in [(&other, &key), (&key, &key), (&certificate, &certificate)] {
        place.put(certificate, key);
        place.config().certificate().expect_err("no pair");
    }
    fs::remove_file(place.path("key.pem")).expect("it is removed");
    let error = place.config().certificate().expect_err("no key").to_string();
    assert!(error.contains("key.pem"), "{error}");
    let debug = format!("{:?}", Place::new().config().certificate());
    assert!(!debug.contains("PRIVATE"), "{debug}");
}

#[test]
fn no_service_is_without_tls_by_accident() {
    let place = Place::new();
    let allowed = |tls: Option<Switch>, with_files: bool, address: &str| {
        let files = if with_files { place.config() } else { TlsConfig::default() };
        TlsConfig { tls, ..files }.check(address.parse().expect("an address")).is_ok()
    };
    for address in ["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080", "10.0.0.1:8080"] {
        assert_eq!(allowed(None, false, address), address.starts_with("127."), "{address}");
        assert!(allowed(Some(Switch::Off), false, address));
        assert!(!allowed(Some(Switch::On), false, address));
        assert!(allowed(None, true, address));
        assert!(allowed(Some(Switch::On), true, address));
        assert!(!allowed(Some(Switch::Off), true, address));
    }
}
