//! The meaning of the shop's files: invoices of stock lines. Everything else is counted and left out.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use chrono::NaiveDateTime;
use csv::{ReaderBuilder, Trim};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use shared_events::time::Timestamp;
use shared_events::values::Sku;

use super::source::Source;

/// The longest item name, in characters.
const NAME_CHARS_MAX: usize = 255;

/// The trade of all files, in their order.
#[derive(Debug, Default)]
pub(crate) struct Trade {
    /// The invoices that have stock lines.
    pub(crate) invoices: Vec<Invoice>,
    /// Every item of those invoices, with its name.
    pub(crate) items: BTreeMap<Sku, String>,
    pub(crate) counts: Counts,
}

/// How much was read, and how much of it is not stock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) lines: usize,
    pub(crate) invoices: usize,
    pub(crate) without_stock: usize,
    /// Skipped lines by reason: a StockCode that is not an item, an InvoiceNo that is neither a sale
    /// nor a return, or a quantity of 0.
    pub(crate) skipped: BTreeMap<String, usize>,
}

/// Consecutive lines with the same InvoiceNo.
#[derive(Debug)]
pub(crate) struct Invoice {
    pub(crate) number: String,
    /// An InvoiceNo may appear again later: 1 for the first time, then 2, 3 …
    pub(crate) occurrence: u32,
    pub(crate) kind: Kind,
    pub(crate) at: Timestamp,
    /// Quantities are signed as in the file, and never 0.
    pub(crate) lines: Vec<Change>,
}

/// A change of `on_hand`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub sku: Sku,
    pub delta: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Positive lines go to a customer, negative lines are breakage and write-offs.
    Sale,
    /// Goods come back from a customer.
    Return,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(rename = "InvoiceNo")]
    invoice: String,
    #[serde(rename = "StockCode")]
    code: Code,
    #[serde(rename = "Description")]
    description: String,
    /// 32 bits, so that no sum over a trade overflows 64.
    #[serde(rename = "Quantity")]
    quantity: i32,
    #[serde(rename = "InvoiceDate", deserialize_with = "local_time")]
    at: Timestamp,
}

/// A StockCode. Postage, discounts, vouchers and fees are not items.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
enum Code {
    Item(Sku),
    Other(String),
}

impl TryFrom<String> for Code {
    type Error = String;

    /// The code of an item starts with five digits.
    fn try_from(code: String) -> Result<Self, String> {
        if code.len() < 5 || !code.bytes().take(5).all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Other(code));
        }
        let sku = code.to_uppercase().parse();
        sku.map(Self::Item).map_err(|error| format!("StockCode {code:?} {error}"))
    }
}

/// Reads the files as one trade, one after another.
pub(crate) fn read(sources: &[Source]) -> anyhow::Result<Trade> {
    let mut rows: Vec<Row> = Vec::new();
    for source in sources {
        let text = source.text();
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes());
        for row in reader.deserialize() {
            rows.push(row.with_context(|| format!("{} is not a trade file", source.name))?);
        }
    }
    let mut trade = Trade::default();
    trade.counts.lines = rows.len();
    let mut occurrences: HashMap<&str, u32> = HashMap::new();
    for run in rows.chunk_by(|one, next| one.invoice == next.invoice) {
        let occurrence = occurrences.entry(&run[0].invoice).or_default();
        *occurrence += 1;
        trade.add(run, *occurrence);
    }
    Ok(trade)
}

impl Trade {
    fn add(&mut self, run: &[Row], occurrence: u32) {
        self.counts.invoices += 1;
        let number = &run[0].invoice;
        let kind = kind(number);
        let mut lines = Vec::new();
        for row in run {
            let skipped = match (&row.code, kind) {
                (_, None) => format!("InvoiceNo {}…", number.chars().take(1).collect::<String>()),
                (Code::Other(code), Some(_)) => code.clone(),
                (Code::Item(_), Some(_)) if row.quantity == 0 => "Quantity 0".to_owned(),
                (Code::Item(sku), Some(_)) => {
                    let name = self.items.entry(sku.clone()).or_default();
                    if name.is_empty() {
                        *name = item_name(&row.description);
                    }
                    lines.push(Change { sku: sku.clone(), delta: row.quantity.into() });
                    continue;
                }
            };
            *self.counts.skipped.entry(skipped).or_default() += 1;
        }
        match kind {
            Some(kind) if !lines.is_empty() => {
                let number = number.clone();
                self.invoices.push(Invoice { number, occurrence, kind, at: run[0].at, lines });
            }
            Some(_) | None => self.counts.without_stock += 1,
        }
    }
}

/// Six digits are a sale, a C and digits a return; there are a few others.
fn kind(number: &str) -> Option<Kind> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match number.strip_prefix('C') {
        Some(rest) if is_digits(rest) => Some(Kind::Return),
        None if number.len() == 6 && is_digits(number) => Some(Kind::Sale),
        _ => None,
    }
}

/// A description without control characters, as long as the API allows.
fn item_name(description: &str) -> String {
    let plain = description.replace(char::is_control, " ");
    let cut: String = plain.trim().chars().take(NAME_CHARS_MAX).collect();
    cut.trim_end().to_owned()
}

/// The files have the shop's local time, which is taken as UTC.
fn local_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S");
    let local = parsed.map_err(|error| D::Error::custom(format!("{text:?}: {error}")))?;
    Ok(Timestamp::new(local.and_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    fn source(rows: &str) -> Source {
        Source { name: "day.csv".to_owned(), csv: format!("{HEADER}{rows}").into_bytes() }
    }

    fn shown(trade: &Trade) -> Vec<String> {
        let show = |Invoice { number, occurrence, kind, at, lines }: &Invoice| {
            let lines: Vec<String> =
                lines.iter().map(|line| format!("{}×{}", line.sku, line.delta)).collect();
            format!("{number}/{occurrence} {kind:?} {at} {}", lines.join(" "))
        };
        trade.invoices.iter().map(show).collect()
    }

    #[test]
    fn consecutive_lines_of_a_number_are_an_invoice_and_a_number_may_appear_again() {
        let first = source(
            "536365,85123a,,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n\
             536365,71053,\"LANTERN, WHITE\",-2,2010-12-01 08:27:00,3.39,,United Kingdom\n\
             C536379,85123A,HOLDER,-1,2010-12-01 09:41:00,2.55,14527.0,United Kingdom\n",
        );
        let second = source("536365,85123A,OTHER,1,2010-12-02 08:00:00,2.55,,United Kingdom\n");
        let trade = read(&[first, second.clone(), second]).unwrap();
        assert_eq!(
            shown(&trade),
            [
                "536365/1 Sale 2010-12-01T08:26:00.000000Z 85123A×6 71053×-2",
                "C536379/1 Return 2010-12-01T09:41:00.000000Z 85123A×-1",
                "536365/2 Sale 2010-12-02T08:00:00.000000Z 85123A×1 85123A×1",
            ]
        );
        let names: Vec<_> = trade.items.values().map(String::as_str).collect();
        assert_eq!(names, ["LANTERN, WHITE", "HOLDER"]);
    }

    #[test]
    fn lines_that_are_not_stock_are_left_out_and_counted() {
        let trade = read(&[source(
            "536365,POST,POSTAGE,1,2010-12-01 08:26:00,18.0,,France\n\
             536366,POST,POSTAGE,1,2010-12-01 08:28:00,18.0,,France\n\
             536366,22633,HAND WARMER,0,2010-12-01 08:28:00,1.85,,France\n\
             536366,22633,HAND WARMER,6,2010-12-01 08:28:00,1.85,,France\n\
             A563185,B,Adjust bad debt,1,2011-08-12 14:50:00,11062.06,,United Kingdom\n",
        )])
        .unwrap();
        assert_eq!(shown(&trade), ["536366/1 Sale 2010-12-01T08:28:00.000000Z 22633×6"]);
        let skipped = [("InvoiceNo A…", 1), ("POST", 2), ("Quantity 0", 1)];
        let skipped = skipped.map(|(reason, lines)| (reason.to_owned(), lines)).into();
        let expected = Counts { lines: 5, invoices: 3, without_stock: 2, skipped };
        assert_eq!(trade.counts, expected);
    }

    #[test]
    fn an_error_names_the_file_the_line_and_the_field() {
        let good = "536365,71053,LANTERN,1,2010-12-01 08:26:00,1.0,,United Kingdom\n";
        for (bad, reason) in [
            ("536365,71053,LANTERN,1.5,2010-12-01 08:26:00,1.0,,UK\n", "invalid digit"),
            ("536365,71053,LANTERN,2147483648,2010-12-01 08:26:00,1.0,,UK\n", "too large"),
            ("536366,71053,LANTERN,1,12/1/2010 8:26,1.0,,UK\n", "12/1/2010"),
            ("536365,71053 X,LANTERN,1,2010-12-01 08:26:00,1.0,,UK\n", "StockCode"),
            ("536365,71053\n", "fields"),
        ] {
            let error = format!("{:#}", read(&[source(&format!("{good}{bad}"))]).unwrap_err());
            for part in ["day.csv", "line: 3", reason] {
                assert!(error.contains(part), "{error}");
            }
        }
        let other = Source { name: "day.csv".to_owned(), csv: b"Invoice,StockCode\n1,2\n".into() };
        let error = format!("{:#}", read(&[other]).unwrap_err());
        assert!(error.contains("InvoiceNo"), "{error}");
    }

    #[test]
    fn numbers_codes_and_names_are_classified() {
        assert_eq!(kind("536365"), Some(Kind::Sale));
        assert_eq!(kind("C536379"), Some(Kind::Return));
        for other in ["", "C", "A563185", "53636", "5363655", "CC5363", "c536379", "53636五"] {
            assert_eq!(kind(other), None, "{other}");
        }
        for (code, is_item) in [
            ("85123A", true),
            ("15056bl", true),
            ("POST", false),
            ("DCGS0003", false),
            ("gift_0001_20", false),
            ("1234A", false),
            ("", false),
        ] {
            let parsed = Code::try_from(code.to_owned()).unwrap();
            assert_eq!(matches!(parsed, Code::Item(_)), is_item, "{code}");
        }
        assert_eq!(item_name(" RED\tLANTERN\u{85}\n"), "RED LANTERN");
        assert_eq!(item_name(&"ü".repeat(300)), "ü".repeat(255));
    }
}
