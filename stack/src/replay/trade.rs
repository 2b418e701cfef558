//! What the lines of the shop's files mean: invoices of stock lines, and what was left out.
//! Pure: bytes in, trade out.

mod field;
mod reader;

use std::collections::BTreeMap;

use shared_events::time::Timestamp;
use shared_events::values::Sku;

use crate::replay::source::Source;
use crate::replay::trade::reader::Reader;

/// Everything the files say, in their order.
#[derive(Debug, Default)]
pub struct Trade {
    /// The invoices with stock lines, as they follow one another.
    pub invoices: Vec<Invoice>,
    /// Every item in those invoices, with its name.
    pub items: BTreeMap<Sku, String>,
    /// What was read, and what of it is no stock.
    pub counts: Counts,
}

/// How much was read, and how much of it is no stock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines read.
    pub lines: u64,
    /// Runs of lines with one InvoiceNo.
    pub runs: u64,
    /// Runs of which nothing is stock.
    pub runs_without_stock: u64,
    /// Lines left out, by what they are: a StockCode that is no stock item, an InvoiceNo that is
    /// neither a sale nor a return, a quantity of 0.
    pub skipped: BTreeMap<String, u64>,
}

/// A run of lines with one InvoiceNo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Its InvoiceNo.
    pub number: String,
    /// Which run with this number it is, from 1.
    pub occurrence: u32,
    /// Which way the goods went.
    pub kind: Kind,
    /// The InvoiceDate of its first line.
    pub at: Timestamp,
    /// Its stock lines.
    pub lines: Vec<Line>,
}

/// Which way the goods of an invoice went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Out to a customer (positive lines) or written off (negative lines): six digits.
    Sale,
    /// Back from a customer: a C and digits.
    Return,
}

/// One stock line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The item.
    pub sku: Sku,
    /// How many, with the sign it has in the file; never 0.
    pub quantity: i64,
}

/// A line that does not say what a line of trade says.
#[derive(Debug, thiserror::Error)]
#[error("{file}, line {line}: {reason}")]
pub struct TradeError {
    /// The file's name.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// Reads files as one trade, one after another.
///
/// # Errors
/// A file has other columns, or a line does not fit them.
pub fn read(sources: &[Source]) -> Result<Trade, TradeError> {
    let mut reader = Reader::default();
    for source in sources {
        reader.file(source)?;
    }
    Ok(reader.finish())
}
