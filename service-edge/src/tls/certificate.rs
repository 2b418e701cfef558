//! The certificate of a service and its private key: two files, which a tool renews while the service runs.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::tls::provider;

/// How often the files are read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Bytes of a file that are read. A certificate with its issuers has a few thousand.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a certificate and its key are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The certificate that new connections are answered with. Connections keep the one they began with. Cheap to
/// clone.
#[derive(Clone)]
pub struct Certificate(Arc<Shared>);

struct Shared {
    files: Files,
    /// What the files held when they were last used, or why they could not be read.
    opened: Contents,
    current: watch::Sender<Arc<ServerConfig>>,
}

type Contents = Result<Pair, String>;

/// What the files hold. No `Debug`: one is a private key.
#[derive(Clone, PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.files.fmt(out)
    }
}

impl Certificate {
    pub(super) fn open(files: Files) -> anyhow::Result<Self> {
        let opened = files.read();
        let current = watch::Sender::new(files.server_config(&opened)?);
        Ok(Self(Arc::new(Shared { files, opened, current })))
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current.borrow())
    }

    /// Takes the certificate again whenever the files change. One that cannot be used changes nothing. Never
    /// ends.
    pub async fn follow(self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Shared { files, opened, current } = &*self.0;
        let (mut used, mut seen) = (opened.clone(), opened.clone());
        loop {
            looks.tick().await;
            let read = tokio::task::spawn_blocking({
                let files = files.clone();
                move || files.read()
            });
            let now = read.await.expect("reading files does not panic");
            // One file is replaced before the other: both have to rest for a moment.
            let is_at_rest = now == seen;
            seen = now;
            if seen == used || !is_at_rest {
                continue;
            }
            match files.server_config(&seen) {
                Ok(config) => {
                    current.send_replace(config);
                    tracing::info!(?files, "new connections get the new certificate");
                }
                Err(error) => tracing::warn!(
                    "the new certificate cannot be used, so the old one stays; put a certificate and \
                     its own key there: {error:#}"
                ),
            }
            used = seen.clone();
        }
    }
}

impl Files {
    fn read(&self) -> Contents {
        let read = |path: &Path| {
            let mut bytes = Vec::new();
            let read =
                File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
            read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            Ok::<_, String>(bytes)
        };
        Ok(Pair { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn server_config(&self, contents: &Contents) -> anyhow::Result<Arc<ServerConfig>> {
        let Pair { certificate, key } =
            contents.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
        let path = self.certificate.display();
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.with_context(|| format!("{path} is not PEM"))?;
        ensure!(!chain.is_empty(), "{path} has no certificate in PEM");
        let key = PrivateKeyDer::from_pem_slice(key)
            .with_context(|| format!("{} has no private key in PEM", self.key.display()))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .with_context(|| format!("{path} and {} do not serve together", self.key.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
