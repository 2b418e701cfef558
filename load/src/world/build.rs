//! Builds what is measured, with cargo.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use stack::services::build::{Profile, Program, build};
use tokio::process::Command;

/// The programs that are started.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Ours, which decides and records.
    pub command_service: PathBuf,
    /// Ours, which answers.
    pub query_service: PathBuf,
    /// A row of stock, changed by `update`.
    pub update_service: PathBuf,
    /// One `select` a request, and a constant.
    pub select_service: PathBuf,
    /// cqrs-es with postgres-es.
    pub cqrs_es_service: PathBuf,
}

/// Builds them all, optimised, unless they lie ready in a folder.
///
/// # Errors
/// Cargo is missing, a build fails, or the folder lacks one.
pub async fn programs(ready: Option<&Path>) -> anyhow::Result<Programs> {
    let programs = match ready {
        Some(folder) => Programs::found(
            ["command-service", "query-service"].map(|name| folder.join(name)),
            folder,
        ),
        None => {
            let ours = [Program::CommandService, Program::QueryService];
            Programs::found(build(Profile::Release, ours).await?, &build_theirs().await?)
        }
    };
    for program in programs.all() {
        ensure!(program.is_file(), "there is no {}", program.display());
    }
    Ok(programs)
}

impl Programs {
    fn found([command_service, query_service]: [PathBuf; 2], theirs: &Path) -> Self {
        Self {
            command_service,
            query_service,
            update_service: theirs.join("update-service"),
            select_service: theirs.join("select-service"),
            cqrs_es_service: theirs.join("cqrs-es-service"),
        }
    }

    fn all(&self) -> [&Path; 5] {
        [
            &self.command_service,
            &self.query_service,
            &self.update_service,
            &self.select_service,
            &self.cqrs_es_service,
        ]
    }
}

/// Builds the others' programs, and answers the folder that they lie in: beside this program, as
/// they are of the same workspace.
async fn build_theirs() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("this program does not know where it is")?;
    let folder = this.parent().context("this program lies in no folder")?.to_owned();
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--locked", "--package", "baselines", "--package", "peers"])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.status().await.context("cannot run cargo")?;
    ensure!(built.success(), "the baselines cannot be built");
    Ok(folder)
}
