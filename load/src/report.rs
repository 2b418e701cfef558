//! What is written down: the table, and every round behind it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::drive::recorder::Measured;
use crate::drive::usage::Used;
use crate::table::{Row, Table, shown};

/// The table and every round.
#[derive(Debug, Default)]
pub struct Report {
    /// What is judged.
    pub table: Table,
    /// What it was made of.
    pub rounds: Vec<Round>,
}

/// One side driven once.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// What was asked.
    pub what: String,
    /// Who was asked.
    pub side: String,
    /// Clients.
    pub clients: usize,
    /// Answers of 2xx a second.
    pub rate: f64,
    /// Milliseconds within which half of them came.
    pub p50: f64,
    /// Milliseconds within which 99 % of them came.
    pub p99: f64,
    /// Milliseconds within which 99.9 % of them came.
    pub p999: f64,
    /// Answers of 4xx.
    pub refused: u64,
    /// Answers of 5xx.
    pub failed: u64,
    /// Connections that broke.
    pub broken: u64,
    /// How much of one core the generator used.
    pub generator: f64,
    /// What the programs started here used that were not idle.
    pub programs: BTreeMap<String, Program>,
}

/// What one program used in a round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Program {
    /// Microseconds of processor time for each answer of 2xx.
    pub processor_micros: f64,
    /// Resident megabytes of the largest of its processes.
    pub resident_megabytes: f64,
}

impl Round {
    /// What a run measured.
    #[must_use]
    pub fn of(what: &str, side: &str, measured: &Measured) -> Self {
        Self {
            what: what.to_owned(),
            side: side.to_owned(),
            clients: measured.clients,
            rate: measured.rate(),
            p50: measured.latency(0.5),
            p99: measured.latency(0.99),
            p999: measured.latency(0.999),
            refused: measured.count(400..500),
            failed: measured.count(500..600),
            broken: measured.broken(),
            generator: measured.generator_share,
            programs: programs(measured),
        }
    }

    /// What the programs used, in words.
    fn programs_in_words(&self) -> String {
        let words = self.programs.iter().map(|(name, used)| {
            format!("{name} {} µs {} MB", used.processor_micros, used.resident_megabytes)
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// What was used for each answer; a program that hardly ran is left out.
fn programs(measured: &Measured) -> BTreeMap<String, Program> {
    let answers = measured.count(200..300).max(1) as f64;
    let of_each = |used: &Used| Program {
        processor_micros: (used.processor.as_micros() as f64 / answers).round(),
        resident_megabytes: (used.resident as f64 / 1e6).round(),
    };
    let mut programs: BTreeMap<String, Program> =
        measured.usage.iter().map(|(name, used)| (name.clone(), of_each(used))).collect();
    programs.retain(|_, program| program.processor_micros >= 1.0);
    programs
}

impl Report {
    /// Table and rounds as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = self.table.markdown();
        text.push_str(
            "\n| what | side | clients | answers/s | p50 ms | p99 ms | p99.9 ms | 4xx | 5xx | \
             broken | generator | µs an answer, MB |\n\
             |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
        );
        for round in &self.rounds {
            let written = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} % | {} |",
                round.what,
                round.side,
                round.clients,
                shown(round.rate),
                shown(round.p50),
                shown(round.p99),
                shown(round.p999),
                round.refused,
                round.failed,
                round.broken,
                round.generator * 100.0,
                round.programs_in_words(),
            );
            written.expect("a String takes everything");
        }
        text
    }
}

/// Says on the way what came of it.
pub fn announce(rows: &[Row]) {
    for row in rows {
        let baseline = row.baseline.map(|figure| format!(" beside {}", shown(figure)));
        let ratio = row.ratio.map(|ratio| format!(", ratio {ratio:.2}"));
        tracing::info!(
            "{}: {}{}{} ({}: {:?})",
            row.name,
            shown(row.ours),
            baseline.unwrap_or_default(),
            ratio.unwrap_or_default(),
            row.budget,
            row.verdict
        );
    }
}

/// Shows everything on standard output.
///
/// # Errors
/// It is closed.
pub fn show(report: &Report) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", report.markdown())?;
    Ok(())
}

/// Writes a value as JSON, with a line's end.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(file: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    write_text(file, &(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a text, making the folder where it is missing.
///
/// # Errors
/// The file cannot be written.
pub fn write_text(file: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, text)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
