//! TLS of a service: its settings, whom it trusts, and its certificate, which is taken again when the files
//! change.

mod acceptor;
mod certificate;
mod config;
#[cfg(test)]
mod tests;
mod trust;

pub use self::certificate::Certificate;
pub use self::config::TlsConfig;
pub(crate) use self::trust::only_certificate;
pub use self::trust::{trusting, trusting_nobody};

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The one cryptography of this program; that of its connections to Postgres, too.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
