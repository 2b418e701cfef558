//! The Idempotency-Key of every command: the same for the same trade, for ever, so that a second go
//! is answered from the log. Pure.

use sha2::{Digest, Sha256};

use crate::replay::command::{Action, Command};
use crate::replay::plan::Stock;
use crate::replay::source::Source;
use crate::replay::trade::Invoice;

/// Goes into every key; another number is due when the same files give other commands.
const PLAN_VERSION: &str = "stockbook replay 1";

/// The start of every key: which trade it is, by a digest of the mode and the files' content.
pub(super) struct Keys(String);

impl Keys {
    /// The keys of the trade in these files.
    ///
    /// Every part goes into the digest with its length in front, so that no two trades share one.
    pub(super) fn of(stock: Stock, sources: &[Source]) -> Self {
        let stock = match stock {
            Stock::Full => "full",
            Stock::Scarce => "scarce",
        };
        let mut digest = Sha256::new();
        let fixed = [PLAN_VERSION.as_bytes(), stock.as_bytes()];
        let files = sources.iter().map(|source| source.csv.as_slice());
        for part in fixed.into_iter().chain(files) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(hex::encode(&digest.finalize()[..16]))
    }

    /// A command that prepares the trade.
    pub(super) fn command(&self, kind: &str, name: &str, action: Action) -> Command {
        Command {
            key: format!("{}/{kind}/{name}", self.0),
            correlation_id: format!("{}/{kind}", self.0),
            action,
        }
    }

    /// A command of the trade.
    pub(super) fn invoice_command(&self, invoice: &Invoice, kind: &str, action: Action) -> Command {
        let correlation_id = format!("{}/{}/{}", self.0, invoice.number, invoice.occurrence);
        Command { key: format!("{correlation_id}/{kind}"), correlation_id, action }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(stock: Stock, files: &[&str]) -> String {
        let source =
            |csv: &&str| Source { name: csv.len().to_string(), csv: csv.as_bytes().to_vec() };
        let sources: Vec<Source> = files.iter().map(source).collect();
        Keys::of(stock, &sources).0
    }

    #[test]
    fn keys_of_a_trade_never_change() {
        assert_eq!(prefix(Stock::Full, &["ab"]), "3c7e2783712d4f42b86ade32d86fde93");
        assert_eq!(prefix(Stock::Scarce, &["ab"]), "ebe59c3a1c2048bed552ec9e93ee63f0");
    }

    #[test]
    fn files_cut_or_ordered_otherwise_are_another_trade() {
        let trades: [&[&str]; 5] = [&["ab"], &["a", "b"], &["b", "a"], &["ab", ""], &[]];
        let prefixes = trades.map(|files| prefix(Stock::Full, files));
        let different: std::collections::BTreeSet<_> = prefixes.iter().collect();
        assert_eq!(different.len(), trades.len());
    }
}
