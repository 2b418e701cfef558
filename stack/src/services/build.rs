//! Builds the services' programs with cargo, and finds them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::process::Command;

/// One of the services' programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Decides and records.
    CommandService,
    /// Answers.
    QueryService,
    /// Takes part in orders, as an example.
    PaymentService,
    /// Shows all of it in a browser.
    Console,
}

impl Program {
    /// The name of its package, and of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CommandService => "command-service",
            Self::QueryService => "query-service",
            Self::PaymentService => "payment-service",
            Self::Console => "console",
        }
    }
}

/// What this program was built with, the services are, too.
const FEATURES: &[&str] =
    if cfg!(feature = "kafka-tls") { &["--features", "kafka-tls"] } else { &[] };

/// How a program is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Fast to run.
    Release,
    /// Fast to build.
    Dev,
}

/// A cargo that does not inherit the variables which `cargo run` and `cargo test` set: build scripts
/// compare them, and some dependencies would be compiled again.
pub fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_LINKS", "CARGO_PKG_NAME"] {
        cargo.env_remove(name);
    }
    for part in ["MAJOR", "MINOR", "PATCH", "PRE"] {
        cargo.env_remove(format!("CARGO_PKG_VERSION_{part}"));
    }
    cargo.stdin(Stdio::null()).kill_on_drop(true);
    cargo
}

/// Builds programs of this workspace with cargo, unless they are up to date, and returns their
/// paths in the same order. Cargo's messages go to standard error.
pub async fn build<const N: usize>(
    profile: Profile,
    programs: [Program; N],
) -> anyhow::Result<[PathBuf; N]> {
    let built = build_all(profile, &programs).await?;
    Ok(built.try_into().expect("one path for each program"))
}

pub(crate) async fn build_all(
    profile: Profile,
    programs: &[Program],
) -> anyhow::Result<Vec<PathBuf>> {
    let mut cargo = cargo();
    // The whole workspace is selected, as it is for `cargo test` and `cargo stack`: with another
    // selection, cargo would compile some dependencies again with other features.
    cargo
        .args(["build", "--workspace", "--message-format", "json-render-diagnostics"])
        .args(FEATURES)
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .stdout(Stdio::piped());
    for program in programs {
        cargo.args(["--bin", program.name()]);
    }
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    // Not `output()`, which would also capture standard error.
    let output = cargo.spawn().context("cannot run cargo")?.wait_with_output();
    let output = output.await.context("cannot wait for cargo")?;
    if !output.status.success() {
        bail!("the services cannot be built");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let find = |program: &Program| {
        executable(&messages, program.name())
            .with_context(|| format!("cargo built no {}", program.name()))
    };
    programs.iter().map(find).collect()
}

/// The program of this name in cargo's messages, one JSON document a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| Some(message["executable"].as_str()?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"command-service"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"command-service"},"executable":"/t/release/command-service"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "command-service"),
            Some(PathBuf::from("/t/release/command-service"))
        );
        assert_eq!(executable(messages, "query-service"), None);
    }
}
