//! The passwords of the database roles, made at random once per data folder.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::whole::write_whole;

/// The superuser of our own server.
pub(crate) const ADMIN: &str = "postgres";
/// Owns both databases and runs the migrations.
pub(crate) const OWNER: &str = "stockbook_owner";
/// The command-service, on the write database.
pub(crate) const COMMAND: &str = "stockbook_command";
/// The query-service, on the read database.
pub(crate) const QUERY: &str = "stockbook_query";

/// Owns the function that redacts events. Nobody logs in as it.
pub(crate) const REDACTOR: &str = "stockbook_redactor";

/// One password per role. No `Debug`, so that nothing prints it by accident.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) admin: String,
    pub(crate) owner: String,
    pub(crate) command: String,
    pub(crate) query: String,
}

impl Credentials {
    /// Reads the passwords of a data folder, or makes them, readable only by this user.
    pub(crate) fn keep(path: &Path) -> anyhow::Result<Self> {
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = Self::random();
                let text = serde_json::to_vec(&made).context("passwords are always JSON")?;
                write_whole(path, &text, 0o600)?;
                Ok(made)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// New ones.
    pub(crate) fn random() -> Self {
        Self { admin: password(), owner: password(), command: password(), query: password() }
    }
}

/// Makes a file with one master key, readable only by this user, unless it is there.
pub fn keep_master_key(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let line = format!(
        "{}:{}\n",
        hex::encode(rand::random::<[u8; 4]>()),
        hex::encode(rand::random::<[u8; 32]>())
    );
    write_whole(path, line.as_bytes(), 0o600)
}

/// 128 bits in hexadecimal: safe in a URL and in a shell.
fn password() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
