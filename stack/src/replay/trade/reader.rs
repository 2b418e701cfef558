//! The rows of csv files, gathered into invoices.

use std::collections::HashMap;

use csv::{ByteRecord, ReaderBuilder};
use shared_events::time::Timestamp;
use shared_events::values::Sku;

use crate::replay::source::Source;
use crate::replay::trade::{Invoice, Kind, Line, Trade, TradeError, field};

/// Reads rows into runs, and runs into invoices.
#[derive(Default)]
pub(super) struct Reader {
    trade: Trade,
    run: Option<Run>,
    occurrences: HashMap<String, u32>,
}

/// The run being read. Without a kind it is neither a sale nor a return.
struct Run {
    number: String,
    occurrence: u32,
    kind: Option<Kind>,
    at: Timestamp,
    lines: Vec<Line>,
}

impl Reader {
    /// Takes the rows of one more file.
    pub(super) fn file(&mut self, source: &Source) -> Result<(), TradeError> {
        let failed =
            |line: u64, reason: String| TradeError { file: source.name.clone(), line, reason };
        let mut rows = ReaderBuilder::new().from_reader(source.csv.as_slice());
        let columns = rows
            .byte_headers()
            .map_err(|error| error.to_string())
            .and_then(Columns::find)
            .map_err(|reason| failed(1, reason))?;
        let mut row = ByteRecord::new();
        loop {
            match rows.read_byte_record(&mut row) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    return Err(failed(line, error.to_string()));
                }
            }
            let line = row.position().map_or(0, csv::Position::line);
            self.row(&columns, &row).map_err(|reason| failed(line, reason))?;
        }
    }

    /// The trade of all files taken.
    pub(super) fn finish(mut self) -> Trade {
        self.close_run();
        self.trade
    }

    fn row(&mut self, columns: &Columns, row: &ByteRecord) -> Result<(), String> {
        self.trade.counts.lines += 1;
        let number = field::text(&row[columns.invoice]);
        if self.run.as_ref().is_none_or(|run| run.number != number) {
            self.close_run();
            self.open_run(number, field::moment(&row[columns.date])?);
        }
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        let code = field::text(&row[columns.code]);
        let mut skip = |what: String| *self.trade.counts.skipped.entry(what).or_default() += 1;
        if run.kind.is_none() {
            let start: String = run.number.chars().take(1).collect();
            skip(format!("InvoiceNo {start}…"));
            return Ok(());
        }
        if !field::is_stock(&code) {
            skip(code);
            return Ok(());
        }
        let quantity = field::quantity(&row[columns.quantity])?;
        if quantity == 0 {
            skip("Quantity 0".to_owned());
            return Ok(());
        }
        let sku: Sku =
            code.to_uppercase().parse().map_err(|error| format!("StockCode {code:?} {error}"))?;
        let name = self.trade.items.entry(sku.clone()).or_default();
        if name.is_empty() {
            *name = field::name(&row[columns.description]);
        }
        run.lines.push(Line { sku, quantity });
        Ok(())
    }

    fn open_run(&mut self, number: String, at: Timestamp) {
        self.trade.counts.runs += 1;
        let occurrence = self.occurrences.entry(number.clone()).or_default();
        *occurrence += 1;
        self.run = Some(Run {
            kind: field::kind(&number),
            occurrence: *occurrence,
            number,
            at,
            lines: Vec::new(),
        });
    }

    fn close_run(&mut self) {
        match self.run.take() {
            Some(Run { number, occurrence, kind: Some(kind), at, lines }) if !lines.is_empty() => {
                self.trade.invoices.push(Invoice { number, occurrence, kind, at, lines })
            }
            Some(_) => self.trade.counts.runs_without_stock += 1,
            None => {}
        }
    }
}

/// Where the columns that matter stand in a file.
struct Columns {
    invoice: usize,
    code: usize,
    description: usize,
    quantity: usize,
    date: usize,
}

impl Columns {
    fn find(header: &ByteRecord) -> Result<Self, String> {
        let column = |name: &str| {
            header
                .iter()
                .position(|title| title == name.as_bytes())
                .ok_or_else(|| format!("there is no column {name}"))
        };
        Ok(Self {
            invoice: column("InvoiceNo")?,
            code: column("StockCode")?,
            description: column("Description")?,
            quantity: column("Quantity")?,
            date: column("InvoiceDate")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::trade::{Counts, read};

    const HEADER: &str =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    fn source(rows: &str) -> Source {
        Source { name: "day.csv".to_owned(), csv: format!("{HEADER}{rows}").into_bytes() }
    }

    fn shown(trade: &Trade) -> Vec<String> {
        let line = |line: &Line| format!("{}×{}", line.sku, line.quantity);
        let invoice = |invoice: &Invoice| {
            let lines: Vec<String> = invoice.lines.iter().map(line).collect();
            format!(
                "{}/{} {:?} {} {}",
                invoice.number,
                invoice.occurrence,
                invoice.kind,
                invoice.at,
                lines.join(" ")
            )
        };
        trade.invoices.iter().map(invoice).collect()
    }

    #[test]
    fn runs_of_one_number_are_invoices_and_a_number_may_come_again() {
        let first = source(
            "536365,85123a,,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n\
             536365,71053,\"LANTERN, WHITE\",-2,2010-12-01 08:27:00,3.39,,United Kingdom\n\
             C536379,85123A,HOLDER,-1,2010-12-01 09:41:00,2.55,14527.0,United Kingdom\n",
        );
        let second = source("536365,85123A,OTHER,1,2010-12-02 08:00:00,2.55,,United Kingdom\n");
        let trade = read(&[first, second]).expect("a trade");
        assert_eq!(
            shown(&trade),
            [
                "536365/1 Sale 2010-12-01T08:26:00.000000Z 85123A×6 71053×-2",
                "C536379/1 Return 2010-12-01T09:41:00.000000Z 85123A×-1",
                "536365/2 Sale 2010-12-02T08:00:00.000000Z 85123A×1",
            ]
        );
        let names: Vec<_> = trade.items.values().map(String::as_str).collect();
        assert_eq!(names, ["LANTERN, WHITE", "HOLDER"]);
    }

    #[test]
    fn an_invoice_goes_on_into_the_next_file() {
        let row = "536365,71053,LANTERN,1,2010-12-01 08:26:00,1.0,,United Kingdom\n";
        let trade = read(&[source(row), source(row)]).expect("a trade");
        assert_eq!(trade.counts.runs, 1);
        assert_eq!(shown(&trade), ["536365/1 Sale 2010-12-01T08:26:00.000000Z 71053×1 71053×1"]);
    }

    #[test]
    fn what_is_no_stock_is_left_out_and_counted() {
        let trade = read(&[source(
            "536365,POST,POSTAGE,1,2010-12-01 08:26:00,18.0,,France\n\
             536366,POST,POSTAGE,1,2010-12-01 08:28:00,18.0,,France\n\
             536366,22633,HAND WARMER,0,2010-12-01 08:28:00,1.85,,France\n\
             536366,22633,HAND WARMER,6,2010-12-01 08:28:00,1.85,,France\n\
             A563185,B,Adjust bad debt,1,2011-08-12 14:50:00,11062.06,,United Kingdom\n",
        )])
        .expect("a trade");
        assert_eq!(shown(&trade), ["536366/1 Sale 2010-12-01T08:28:00.000000Z 22633×6"]);
        let skipped = [("InvoiceNo A…", 1), ("POST", 2), ("Quantity 0", 1)];
        let expected = Counts {
            lines: 5,
            runs: 3,
            runs_without_stock: 2,
            skipped: skipped.map(|(what, lines)| (what.to_owned(), lines)).into(),
        };
        assert_eq!(trade.counts, expected);
    }

    #[test]
    fn a_line_that_does_not_fit_is_named_with_its_file_and_place() {
        let good = "536365,71053,LANTERN,1,2010-12-01 08:26:00,1.0,,United Kingdom\n";
        for (bad, reason) in [
            ("536365,71053,LANTERN,1.5,2010-12-01 08:26:00,1.0,,UK\n", "Quantity"),
            ("536366,71053,LANTERN,1,12/1/2010 8:26,1.0,,UK\n", "InvoiceDate"),
            ("536365,71053 X,LANTERN,1,2010-12-01 08:26:00,1.0,,UK\n", "StockCode"),
            ("536365,71053\n", "fields"),
        ] {
            let error = read(&[source(&format!("{good}{bad}"))]).expect_err(bad);
            let text = error.to_string();
            assert!(text.starts_with("day.csv, line 3: "), "{text}");
            assert!(text.contains(reason), "{text}");
        }
        let other = Source { name: "day.csv".to_owned(), csv: b"Invoice,StockCode\n".to_vec() };
        let text = read(&[other]).expect_err("another header").to_string();
        assert_eq!(text, "day.csv, line 1: there is no column InvoiceNo");
    }
}
