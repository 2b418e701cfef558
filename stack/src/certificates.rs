//! Certificates of our own: an authority that nobody else trusts, and a certificate of it for services and
//! servers of this machine.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{Datelike, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::whole::{make_folder, write_whole};

/// The names of this machine's own services.
pub const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A folder with `ca.pem`, `cert.pem` and `key.pem`.
#[derive(Debug, Clone)]
pub struct Certificates(PathBuf);

impl Certificates {
    /// Makes a certificate for these names in a folder. It is for a year, which some clients demand. The authority stays the
    /// same as long as its key is there.
    pub fn make(folder: &Path, names: &[&str]) -> anyhow::Result<Self> {
        make_folder(folder, 0o711)?;
        let certificates = Self(folder.to_owned());
        let authority = authority(&certificates.path("ca-key.pem"))?;
        let key = KeyPair::generate()?;
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, "Stockbook");
        params.not_after = date_time_ymd(Utc::now().year() + 1, 1, 1);
        let certificate = params.signed_by(&key, &authority)?;
        write_whole(&certificates.ca(), authority.pem().as_bytes(), 0o644)?;
        write_whole(&certificates.key(), key.serialize_pem().as_bytes(), 0o600)?;
        write_whole(&certificates.certificate(), certificate.pem().as_bytes(), 0o644)?;
        Ok(certificates)
    }

    /// The authority's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path("cert.pem")
    }

    /// The certificate's private key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.path("key.pem")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// The authority of a key that is kept.
fn authority(kept: &Path) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let key = match std::fs::read_to_string(kept) {
        Ok(pem) => {
            KeyPair::from_pem(&pem).with_context(|| format!("{} is damaged", kept.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            write_whole(kept, key.serialize_pem().as_bytes(), 0o600)?;
            key
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", kept.display())),
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "Stockbook on this machine");
    Ok(CertifiedIssuer::self_signed(params, key)?)
}
