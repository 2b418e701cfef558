//! The table as pictures: throughput next to the baseline, and latency from one client to many.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::report::{CLIENTS_SCALED, QUANTILES, Row, Table, latency_row, shown, write_text};

const OURS: RGBColor = RGBColor(47, 125, 79);
const BASELINE: RGBColor = RGBColor(154, 160, 166);
const WORDS: RGBColor = RGBColor(60, 64, 67);
const SIDES: [(&str, RGBColor); 2] = [("Stockbook", OURS), ("baseline", BASELINE)];
const WIDTH: u32 = 860;
const MARGIN: i32 = 20;

/// Draws a table that was written by `compare --json`.
#[derive(Debug, clap::Args)]
pub(crate) struct ChartArgs {
    /// The table.
    #[arg(value_name = "JSON")]
    table: PathBuf,
    /// The folder of `throughput.svg` and `latency.svg`.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs `cargo load chart`.
pub(crate) fn run(args: &ChartArgs) -> anyhow::Result<()> {
    let shown = args.table.display();
    let json =
        std::fs::read_to_string(&args.table).with_context(|| format!("cannot read {shown}"))?;
    let table: Table =
        serde_json::from_str(&json).with_context(|| format!("{shown} is not a table"))?;
    write(&args.folder, &table)
}

/// Writes `throughput.svg` and `latency.svg`, each if the table has rows for it.
pub(crate) fn write(folder: &Path, table: &Table) -> anyhow::Result<()> {
    if let Some(svg) = throughput(table)? {
        write_text(&folder.join("throughput.svg"), &svg)?;
    }
    if let Some(svg) = latency(table)? {
        write_text(&folder.join("latency.svg"), &svg)?;
    }
    Ok(())
}

/// Draws a picture and returns it as SVG.
fn drawn(
    height: u32,
    title: &str,
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        area.draw(&Text::new(title, (MARGIN, 14), font(17).style(FontStyle::Bold).color(&WORDS)))?;
        draw(&area)?;
        area.present()?;
    }
    Ok(svg + "\n")
}

fn font(size: i32) -> FontDesc<'static> {
    ("sans-serif", size).into_font()
}

/// A pair of bars for every rate that has a baseline. Each pair has its own scale, where the longer
/// bar fills the width: reads and orders differ too much for one.
fn throughput(table: &Table) -> anyhow::Result<Option<String>> {
    const ROW: i32 = 62;
    const TOP: i32 = 50;
    const LONGEST: f64 = 560.0;
    let rates: Vec<(&Row, f64)> = table
        .rows
        .iter()
        .filter(|row| row.name.contains("/s)"))
        .filter_map(|row| Some((row, row.baseline?)))
        .collect();
    if rates.is_empty() {
        return Ok(None);
    }
    let height = TOP + ROW * i32::try_from(rates.len())? + MARGIN;
    let title = "Throughput per second: Stockbook and its baseline";
    let svg = drawn(u32::try_from(height)?, title, |area| {
        for ((name, colour), x) in SIDES.into_iter().zip([630, 750]) {
            area.draw(&Rectangle::new([(x, 17), (x + 12, 29)], colour.filled()))?;
            area.draw(&Text::new(name, (x + 18, 16), font(13).color(&WORDS)))?;
        }
        for ((row, baseline), y) in rates.into_iter().zip((TOP..).step_by(ROW as usize)) {
            area.draw(&Text::new(row.name.as_str(), (MARGIN, y), font(13).color(&WORDS)))?;
            let longest = row.ours.max(baseline).max(f64::MIN_POSITIVE);
            for (figure, colour, y) in [(row.ours, OURS, y + 18), (baseline, BASELINE, y + 35)] {
                let end = MARGIN + (figure / longest * LONGEST) as i32;
                area.draw(&Rectangle::new([(MARGIN, y), (end, y + 14)], colour.filled()))?;
                area.draw(&Text::new(shown(figure), (end + 6, y), font(13).color(&WORDS)))?;
            }
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

/// A line for each side and quantile. Both axes are logarithmic, so that one client and many, and
/// half of the answers and almost all, can be seen.
fn latency(table: &Table) -> anyhow::Result<Option<String>> {
    let mut lines = Vec::new();
    // Half of the answers, almost all, all but one in a thousand: the rarer, the finer the line.
    for ((quantile, _), width) in QUANTILES.into_iter().zip([5, 3, 1]) {
        for (side, colour) in SIDES {
            let points = CLIENTS_SCALED.into_iter().filter_map(|clients| {
                let row = table.row(&latency_row(clients, quantile))?;
                let ms = if colour == OURS { row.ours } else { row.baseline? };
                (ms > 0.0).then_some((clients as f64, ms))
            });
            let points: Vec<(f64, f64)> = points.collect();
            lines.push((format!("{side} {quantile}"), colour.stroke_width(width), points));
        }
    }
    lines.retain(|(_, _, points)| points.len() > 1);
    let all = || lines.iter().flat_map(|(_, _, points)| points).map(|(_, ms)| *ms);
    let (Some(least), Some(most)) = (all().reduce(f64::min), all().reduce(f64::max)) else {
        return Ok(None);
    };
    let across = 1.0..CLIENTS_SCALED[3] as f64;
    let clients = CLIENTS_SCALED.map(|clients| clients as f64).to_vec();
    let mut ticks = vec![0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
    ticks.retain(|tick| (least..=most).contains(tick));
    let svg = drawn(480, "Latency of a receipt by number of clients, ms", |area| {
        let mut chart = ChartBuilder::on(&area.margin(44, 0, 0, 0))
            .margin(8)
            .margin_right(170)
            .x_label_area_size(44)
            .y_label_area_size(48)
            .build_cartesian_2d(
                across.log_scale().with_key_points(clients),
                (least * 0.95..most * 1.05).log_scale().with_key_points(ticks),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BASELINE.mix(0.35))
            .axis_style(BASELINE)
            .label_style(font(13).color(&WORDS))
            .x_desc("clients")
            .x_label_formatter(&|x| shown(*x))
            .y_label_formatter(&|y| shown(*y))
            .draw()?;
        let x = WIDTH as i32 - 160;
        for ((name, style, points), y) in lines.into_iter().zip((56..).step_by(22)) {
            chart.draw_series(LineSeries::new(points, style))?;
            area.draw(&PathElement::new([(x, y), (x + 30, y)], style))?;
            area.draw(&Text::new(name, (x + 38, y - 7), font(13).color(&WORDS)))?;
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Budget;

    #[test]
    fn rates_become_bars_and_latencies_over_clients_become_lines() {
        let mut rows = vec![
            Row::compared("reads <all> (answers/s)", 9.0, 3.0, None, Budget::Times(3.0)),
            Row::new("alone (answers/s)", 9.0, Budget::AtLeast(3.0)),
        ];
        assert!(latency(&Table { rows: rows.clone() }).unwrap().is_none());
        for clients in CLIENTS_SCALED {
            let name = latency_row(clients, "p99");
            rows.push(Row::compared(&name, 1.0, 2.0, None, Budget::AtMostTimes(1.0)));
        }
        let table = Table { rows };
        let bars = throughput(&table).unwrap().unwrap();
        assert!(bars.contains("reads &lt;all&gt;") && !bars.contains("alone"), "{bars}");
        let lines = latency(&table).unwrap().unwrap();
        assert!(lines.contains("Stockbook p99") && lines.contains("baseline p99"), "{lines}");
        assert!(!lines.contains("p50"), "{lines}");
    }
}
