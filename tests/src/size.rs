//! How large the heavy tests are: `STOCKBOOK_SIZE=full` for the large size, else the small one.

use std::path::PathBuf;

use stack::replay::source::Source;

/// The size of the heavy tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Minutes in all: one day of trade.
    Small,
    /// All that there is: months of trade, from the folder that `STOCKBOOK_TRADE` names.
    Full,
}

impl Size {
    /// The size that the environment asks for.
    #[expect(clippy::disallowed_methods, reason = "a test program has no clap struct")]
    pub fn wanted() -> Self {
        match std::env::var("STOCKBOOK_SIZE").as_deref() {
            Err(_) | Ok("small") => Self::Small,
            Ok("full") => Self::Full,
            Ok(other) => panic!("STOCKBOOK_SIZE is small or full, not {other}"),
        }
    }

    /// The trade to replay, in order.
    #[expect(clippy::disallowed_methods, reason = "a test program has no clap struct")]
    pub fn trade(self) -> Vec<Source> {
        match self {
            Self::Small => vec![Source::sample().expect("the sample is shipped")],
            Self::Full => {
                let folder = std::env::var("STOCKBOOK_TRADE");
                let folder = folder.expect("STOCKBOOK_TRADE names the folder of the trade files");
                let entries = std::fs::read_dir(folder).expect("the folder can be read");
                let mut files: Vec<PathBuf> = entries
                    .map(|entry| entry.expect("a folder entry").path())
                    .filter(|path| path.to_string_lossy().ends_with(".csv.gz"))
                    .collect();
                files.sort();
                files.iter().map(|file| Source::open(file).expect("a trade file")).collect()
            }
        }
    }

    /// `small` times `factor` when everything is wanted.
    pub fn scaled(self, small: usize, factor: usize) -> usize {
        match self {
            Self::Small => small,
            Self::Full => small * factor,
        }
    }
}
