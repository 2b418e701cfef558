//! The data folder, the cache and Java on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;

/// The folders of this user, from flags and the environment.
#[derive(Debug, Clone, clap::Args)]
pub struct Places {
    /// The folder of the data [default: `stockbook` in the user's data folder].
    #[arg(long, env = "STOCKBOOK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    #[arg(long, env = "XDG_DATA_HOME", hide = true)]
    xdg_data_home: Option<OsString>,
    #[arg(long, env = "XDG_CACHE_HOME", hide = true)]
    xdg_cache_home: Option<OsString>,
    #[arg(long, env = "HOME", hide = true)]
    home: Option<OsString>,
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
        if let Some(data) = &self.data {
            return std::path::absolute(data)
                .with_context(|| format!("{} is not the name of a folder", data.display()));
        }
        self.base(self.xdg_data_home.as_ref(), ".local/share")
            .context("no folder for the data: give --data DIR")
    }

    /// The folder for files that can be fetched again.
    pub fn cache(&self) -> anyhow::Result<PathBuf> {
        self.base(self.xdg_cache_home.as_ref(), ".cache")
            .context("no folder for the cache: set XDG_CACHE_HOME")
    }

    /// The Java in `JAVA_HOME`, or the first one in the `PATH`.
    #[must_use]
    pub fn java(&self) -> PathBuf {
        self.java_home
            .as_ref()
            .filter(|home| !home.is_empty())
            .map_or_else(|| PathBuf::from("java"), |home| Path::new(home).join("bin/java"))
    }

    /// An XDG folder counts only when it is absolute, as its specification says.
    fn base(&self, xdg: Option<&OsString>, under_home: &str) -> anyhow::Result<PathBuf> {
        let absolute =
            |text: &OsString| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
        xdg.and_then(absolute)
            .or_else(|| Some(self.home.as_ref().and_then(absolute)?.join(under_home)))
            .map(|base| base.join("stockbook"))
            .context("HOME is not set")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            data: None,
            xdg_data_home: None,
            xdg_cache_home: None,
            home: Some("/home/ann".into()),
            java_home: None,
        }
    }

    #[test]
    fn folders_are_in_the_home_unless_xdg_names_others() {
        assert_eq!(places().data().unwrap(), Path::new("/home/ann/.local/share/stockbook"));
        assert_eq!(places().cache().unwrap(), Path::new("/home/ann/.cache/stockbook"));
        let moved = Places { xdg_cache_home: Some("/big/cache".into()), ..places() };
        assert_eq!(moved.cache().unwrap(), Path::new("/big/cache/stockbook"));
    }

    #[test]
    fn an_empty_or_relative_xdg_folder_is_ignored() {
        for text in ["", "cache"] {
            let odd = Places { xdg_cache_home: Some(text.into()), ..places() };
            assert_eq!(odd.cache().unwrap(), Path::new("/home/ann/.cache/stockbook"));
        }
    }

    #[test]
    fn without_a_home_the_message_names_the_flag() {
        let homeless = Places { home: None, ..places() };
        let message = format!("{:#}", homeless.data().unwrap_err());
        assert!(message.contains("--data DIR"), "{message}");
    }

    #[test]
    fn java_home_comes_before_the_path() {
        assert_eq!(places().java(), Path::new("java"));
        let set = Places { java_home: Some("/opt/java".into()), ..places() };
        assert_eq!(set.java(), Path::new("/opt/java/bin/java"));
    }
}
