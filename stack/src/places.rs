//! The data folder, the cache and Java on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

/// The folders of this user, from flags and the environment.
#[derive(Debug, Clone, clap::Args)]
pub struct Places {
    /// The folder of the data [default: `stockbook` in the user's data folder].
    #[arg(long, env = "STOCKBOOK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    #[arg(long, env = "JAVA_HOME", hide = true)]
    java_home: Option<OsString>,
}

impl Places {
    /// Reads the environment only, for a program without these flags.
    pub fn from_environment() -> anyhow::Result<Self> {
        #[derive(Parser)]
        struct Environment {
            #[command(flatten)]
            places: Places,
        }
        Ok(Environment::try_parse_from(["stack"])?.places)
    }

    /// The data folder: the given one, or `stockbook` in the user's data folder.
    pub fn data(&self) -> anyhow::Result<PathBuf> {
        let Some(data) = &self.data else {
            let base = Xdg::new().context("no folder for the data: give --data DIR")?;
            return Ok(base.data_dir().join("stockbook"));
        };
        std::path::absolute(data)
            .with_context(|| format!("{} is not the name of a folder", data.display()))
    }

    /// The folder for files that can be fetched again.
    pub fn cache(&self) -> anyhow::Result<PathBuf> {
        let base = Xdg::new().context("no folder for the cache: set HOME")?;
        Ok(base.cache_dir().join("stockbook"))
    }

    /// The Java in `JAVA_HOME`, or the first one in the `PATH`.
    #[must_use]
    pub fn java(&self) -> PathBuf {
        let home = self.java_home.as_ref().filter(|home| !home.is_empty());
        home.map_or_else(|| PathBuf::from("java"), |home| Path::new(home).join("bin/java"))
    }
}
