//! `--secure`: certificates and API keys of this machine's own, which are kept in the data folder.

use std::path::{Path, PathBuf};

use anyhow::Context;
use reqwest::Url;

use crate::access::Access;
use crate::certificates::{Certificates, NAMES};
use crate::folder::DataFolder;
use crate::services::settings::Settings;
use crate::services::task_output;
use crate::whole::write_whole;

/// What query-service needs at command-service.
const READER: [&str; 4] = ["--name", "query-service", "--scope", "log:read,operate"];

/// Everything.
const ADMIN: [&str; 4] = [
    "--name",
    "admin",
    "--scope",
    "stock:read,stock:write,reservations:write,orders:write,transfers:write,catalogue:write,\
     reversals:write,log:read,personal:read,subjects:forget,act_as,operate",
];

#[derive(Clone)]
pub(crate) struct Secure {
    folder: PathBuf,
    certificates: Certificates,
}

impl Secure {
    pub(crate) fn prepare(folder: &DataFolder) -> anyhow::Result<Self> {
        let folder = folder.secure();
        let certificates = Certificates::make(&folder, &NAMES)?;
        Ok(Self { folder, certificates })
    }

    /// Makes both keys, unless the database still has those of the folder.
    pub(crate) async fn make_keys(&self, program: &Path, owner: &Url) -> anyhow::Result<()> {
        let settings = Settings::migrate(owner);
        let listed = task_output(program, &["keys", "list"], &settings).await?;
        for (file, options) in [(self.admin_key(), ADMIN), (self.reader_key(), READER)] {
            let kept = std::fs::read_to_string(&file).unwrap_or_default();
            let is_valid = |line: &&str| {
                let id = kept.split('_').nth(1).unwrap_or("-");
                line.contains(&format!("\"id\":\"{id}\"")) && line.contains("\"revoked_at\":null")
            };
            if listed.lines().find(is_valid).is_none() {
                let create = [&["keys", "create"][..], &options].concat();
                let key = task_output(program, &create, &settings).await?;
                write_whole(&file, key.as_bytes(), 0o600)?;
            }
        }
        Ok(())
    }

    pub(crate) fn command_service(&self, settings: Settings) -> Settings {
        settings.with("AUTH", "on").with_tls(&self.certificates)
    }

    pub(crate) fn query_service(&self, settings: Settings) -> anyhow::Result<Settings> {
        let file = self.reader_key();
        let key = std::fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let ca = self.certificates.ca().display().to_string();
        let settings = settings.with("COMMAND_KEY", key.trim()).with("COMMAND_CA", ca);
        Ok(self.command_service(settings))
    }

    /// It has no key: who visits it signs in.
    pub(crate) fn console(&self, settings: Settings) -> Settings {
        let ca = self.certificates.ca().display().to_string();
        self.command_service(settings).with("SERVICE_CA", ca)
    }

    /// How the services are asked, with the key that may do everything.
    pub(crate) fn access(&self) -> Access {
        Access { ca: Some(self.certificates.ca()), key_file: Some(self.admin_key()) }
    }

    fn admin_key(&self) -> PathBuf {
        self.folder.join("admin-key")
    }

    fn reader_key(&self) -> PathBuf {
        self.folder.join("query-service-key")
    }
}
