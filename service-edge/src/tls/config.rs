//! The settings, and the rule that no service is without TLS by accident.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::Args;

use crate::sign_in::config::Switch;
use crate::tls::certificate::{Certificate, Files};

/// Settings of TLS.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsConfig {
    /// Whether callers speak TLS, `on` or `off`; on where TLS_CERT is set. Beyond loopback `off` must be said
    /// if it is meant, as behind a gateway that has TLS.
    #[arg(long, env = "TLS", value_enum)]
    pub tls: Option<Switch>,

    /// The service's certificate and those that lead to the issuer, in PEM. It is taken again when the file
    /// changes.
    #[arg(long, env = "TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM.
    #[arg(long, env = "TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

impl TlsConfig {
    fn files(&self) -> Option<Files> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(Files { certificate, key })
    }

    /// How an address of this service begins.
    pub fn scheme(&self) -> &'static str {
        if self.files().is_some() { "https" } else { "http" }
    }

    /// # Errors
    /// Secrets of callers would cross a network in clear, and nobody said that this is meant; or settings
    /// contradict each other.
    pub fn check(&self, address: SocketAddr) -> anyhow::Result<()> {
        match (self.files(), self.tls) {
            (Some(_), Some(Switch::Off)) => bail!("TLS=off and TLS_CERT contradict each other"),
            (None, Some(Switch::On)) => bail!("TLS=on needs TLS_CERT and TLS_KEY"),
            (Some(_), None | Some(Switch::On)) | (None, Some(Switch::Off)) => Ok(()),
            (None, None) => {
                ensure!(
                    address.ip().is_loopback(),
                    "{address} is beyond loopback and would be served without TLS: set TLS_CERT and \
                     TLS_KEY, or TLS=off if that is meant, as behind a gateway that has it"
                );
                Ok(())
            }
        }
    }

    /// The certificate to serve with, if there is one.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn certificate(&self) -> anyhow::Result<Option<Certificate>> {
        self.files().map(Certificate::open).transpose()
    }
}
