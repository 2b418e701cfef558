//! The passwords of the database's roles, made at random once per data folder.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::whole::write_whole;

/// The superuser of a server that was made here.
pub const ADMIN: &str = "postgres";
/// Owns both databases and runs the migrations.
pub const OWNER: &str = "stockbook_owner";
/// The command-service, on the write database.
pub const COMMAND: &str = "stockbook_command";
/// The query-service, on the read database.
pub const QUERY: &str = "stockbook_query";

/// One password per role. No `Debug`: nothing prints it by accident.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// Of [`ADMIN`].
    pub admin: String,
    /// Of [`OWNER`].
    pub owner: String,
    /// Of [`COMMAND`].
    pub command: String,
    /// Of [`QUERY`].
    pub query: String,
}

impl Credentials {
    /// Reads those of a data folder; makes and keeps them, readable to this user only, when there
    /// are none yet.
    ///
    /// # Errors
    /// The file cannot be read or written, or is none of ours.
    pub fn keep(path: &Path) -> anyhow::Result<Self> {
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} cannot be understood", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = Self::random();
                let text = serde_json::to_vec(&made).context("passwords are always JSON")?;
                write_whole(path, &text, 0o600)?;
                Ok(made)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn random() -> Self {
        Self { admin: password(), owner: password(), command: password(), query: password() }
    }
}

/// 128 bits in hexadecimal: safe in a URL and in a shell.
fn password() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_stay_the_same_in_one_folder_and_differ_in_another() {
        let place = tempfile::tempdir().unwrap();
        let here = Credentials::keep(&place.path().join("a.json")).unwrap();
        let again = Credentials::keep(&place.path().join("a.json")).unwrap();
        let there = Credentials::keep(&place.path().join("b.json")).unwrap();
        assert_eq!(here.command, again.command);
        assert_ne!(here.command, there.command);
        assert_ne!(here.command, here.query);
    }
}
