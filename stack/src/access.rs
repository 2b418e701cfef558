//! How services are asked: whom to trust, and what to sign in with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The services close a connection that was idle for ten seconds; one that closes now takes no request.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Neither TLS nor sign-in, unless it says so.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Access {
    /// Certificates, in PEM, of those who may issue the services'. Nobody else is trusted.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A file with the API key to sign in with.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl Access {
    /// A client that reaches them, and that no proxy comes between: one does not know this machine's
    /// services.
    pub fn client(&self) -> anyhow::Result<reqwest::ClientBuilder> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ca {
            let cannot = || format!("{} cannot be read", path.display());
            for certificate in CertificateDer::pem_file_iter(path).with_context(cannot)? {
                roots.add(certificate.with_context(cannot)?).with_context(cannot)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut headers = HeaderMap::new();
        if let Some(path) = &self.key_file {
            let key = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim()))
                .with_context(|| format!("{} holds no key", path.display()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = reqwest::Client::builder().no_proxy().pool_idle_timeout(IDLE_MAX);
        Ok(client.default_headers(headers).tls_backend_preconfigured(tls))
    }
}
