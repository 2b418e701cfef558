//! The table as pictures: throughput beside the baseline, and latency from one client to many.

mod svg;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::compare::scaling::{CLIENTS, QUANTILES, latency_row};
use crate::report::write_text;
use crate::table::{Row, Table};
use svg::{Bar, Line};

/// Draws a table that was written by `compare --json`.
#[derive(Debug, clap::Args)]
pub struct ChartArgs {
    /// The table.
    #[arg(value_name = "JSON")]
    table: PathBuf,
    /// The folder of `throughput.svg` and `latency.svg`.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs `cargo load chart`.
///
/// # Errors
/// The table cannot be read, or the folder not be written.
pub fn run(args: &ChartArgs) -> anyhow::Result<ExitCode> {
    let shown = args.table.display();
    let json =
        std::fs::read_to_string(&args.table).with_context(|| format!("cannot read {shown}"))?;
    let table: Table =
        serde_json::from_str(&json).with_context(|| format!("{shown} is no table"))?;
    write(&args.folder, &table)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `throughput.svg` and `latency.svg`, each where the table has something to show.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path, table: &Table) -> anyhow::Result<()> {
    let bars = throughput(table);
    if !bars.is_empty() {
        let title = "Throughput, a second: Stockbook beside its baseline";
        write_text(&folder.join("throughput.svg"), &svg::bars(title, &bars))?;
    }
    let lines = latency(table);
    if !lines.is_empty() {
        let title = "Latency of a receipt by number of clients, ms";
        write_text(&folder.join("latency.svg"), &svg::lines(title, "clients", &lines))?;
    }
    Ok(())
}

/// A pair of bars for every row that tells something a second beside a baseline.
fn throughput(table: &Table) -> Vec<Bar> {
    let is_rate = |row: &&Row| row.name.contains("/s)");
    let bar =
        |row: &Row| Some(Bar { name: row.name.clone(), ours: row.ours, baseline: row.baseline? });
    table.rows.iter().filter(is_rate).filter_map(bar).collect()
}

/// A line a side and quantile over the numbers of clients.
fn latency(table: &Table) -> Vec<Line> {
    let mut lines = Vec::new();
    for (quantile, _) in QUANTILES {
        let rows = CLIENTS.map(|clients| (clients, table.row(&latency_row(clients, quantile))));
        let points = |figure: fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
            let point = |(clients, row): &(usize, Option<&Row>)| {
                Some((*clients as f64, row.and_then(figure)?))
            };
            rows.iter().filter_map(point).collect()
        };
        let sides = [
            ("Stockbook", true, points(|row| Some(row.ours))),
            ("baseline", false, points(|row| row.baseline)),
        ];
        lines.extend(sides.into_iter().filter(|(_, _, points)| points.len() > 1).map(
            |(side, is_ours, points)| Line { name: format!("{side} {quantile}"), is_ours, points },
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Budget;

    #[test]
    fn rates_become_bars_and_latencies_over_clients_become_lines() {
        let mut rows = vec![
            Row::beside("reads <all> (answers/s)", 9.0, 3.0, None, Budget::Times(3.0)),
            Row::new("alone (answers/s)", 9.0, Budget::AtLeast(3.0)),
        ];
        for clients in CLIENTS {
            let name = latency_row(clients, "p99");
            rows.push(Row::beside(&name, 1.0, 2.0, None, Budget::AtMostTimes(1.0)));
        }
        let table = Table { rows };
        assert_eq!(throughput(&table).len(), 1, "only what has a baseline");
        assert_eq!(latency(&table).len(), 2, "each side's p99");
        let folder = std::env::temp_dir().join(format!("load-chart-{}", std::process::id()));
        write(&folder, &table).unwrap();
        let text = std::fs::read_to_string(folder.join("throughput.svg")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(text.contains("reads &lt;all&gt;") && text.ends_with("</svg>\n"), "{text}");
    }
}
