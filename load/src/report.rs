//! What is written down: the table of rows with their budgets, and every round behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::drive::recorder::Measured;

/// The numbers of clients that the scaling is measured with.
pub(crate) const CLIENTS_SCALED: [usize; 4] = [1, 8, 64, 256];

/// The reported latencies, with their quantiles.
pub(crate) const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// The name of the row with a latency at so many clients.
pub(crate) fn latency_row(clients: usize, quantile: &str) -> String {
    format!("receive at {clients} clients, {quantile} (ms)")
}

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Budget {
    /// So many times the baseline, or more.
    Times(f64),
    /// This part of the limit, or more.
    OfLimit(f64),
    AtLeast(f64),
    Below(f64),
    /// At most so many times the baseline, where less is better.
    AtMostTimes(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Met,
    Short,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// What was measured, and its unit.
    pub(crate) name: String,
    pub(crate) ours: f64,
    /// The figure that ours is compared with.
    pub(crate) baseline: Option<f64>,
    /// What the machine can do at most.
    pub(crate) limit: Option<f64>,
    /// Ours divided by the baseline, or by the limit if the budget is about that.
    pub(crate) ratio: Option<f64>,
    pub(crate) budget: String,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// In the order measured.
    pub(crate) rows: Vec<Row>,
}

impl Row {
    /// Judges a figure that stands alone.
    pub(crate) fn new(name: &str, ours: f64, budget: Budget) -> Self {
        Self::compared(name, ours, None, None, budget)
    }

    /// Judges a figure next to a baseline and a limit.
    pub(crate) fn compared(
        name: &str,
        ours: f64,
        baseline: impl Into<Option<f64>>,
        limit: impl Into<Option<f64>>,
        budget: Budget,
    ) -> Self {
        let ours = rounded(ours);
        let [baseline, limit] = [baseline.into(), limit.into()].map(|figure| figure.map(rounded));
        let other = if matches!(budget, Budget::OfLimit(_)) { limit } else { baseline };
        let ratio = other.filter(|other| *other > 0.0).map(|other| ours / other);
        let is_met = match budget {
            Budget::Times(times) | Budget::OfLimit(times) => ratio >= Some(times),
            Budget::AtLeast(least) => ours >= least,
            Budget::Below(bound) => ours < bound,
            Budget::AtMostTimes(times) => ratio.is_some_and(|ratio| ratio <= times),
        };
        Self {
            name: name.to_owned(),
            ours,
            baseline,
            limit,
            ratio: ratio.map(rounded),
            budget: budget.to_string(),
            verdict: if is_met { Verdict::Met } else { Verdict::Short },
        }
    }

    /// Short whatever the figure, unless the conditions that it was to be measured under held.
    pub(crate) fn valid_if(mut self, held: bool) -> Self {
        if !held {
            self.verdict = Verdict::Short;
        }
        self
    }

    fn cells(&self) -> [String; 7] {
        let optional = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), shown);
        let verdict = match self.verdict {
            Verdict::Met => "met",
            Verdict::Short => "**short**",
        };
        [
            self.name.clone(),
            shown(self.ours),
            optional(self.baseline),
            optional(self.limit),
            self.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")),
            self.budget.clone(),
            verdict.to_owned(),
        ]
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(f, "≥ {times} × baseline"),
            Self::OfLimit(part) => write!(f, "≥ {:.0} % of the limit", part * 100.0),
            Self::AtLeast(least) => write!(f, "≥ {}", shown(*least)),
            Self::Below(bound) => write!(f, "< {}", shown(*bound)),
            Self::AtMostTimes(times) => write!(f, "≤ {times} × baseline"),
        }
    }
}

impl Table {
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// One side driven once.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    what: String,
    side: String,
    clients: usize,
    /// Answers of 2xx a second, and their latencies in milliseconds.
    rate: f64,
    p50: f64,
    p99: f64,
    p999: f64,
    /// Answers of 4xx.
    refused: u64,
    /// Answers of 5xx.
    failed: u64,
    /// Connections that broke.
    broken: u64,
    /// The part of one core that the generator used.
    generator: f64,
    /// The programs started here, except idle ones.
    programs: BTreeMap<String, Program>,
}

/// What one program used in a round.
#[derive(Debug, Clone, Copy, Serialize)]
struct Program {
    /// Microseconds of processor time for each answer of 2xx.
    processor_micros: f64,
    /// Resident megabytes of the largest of its processes.
    resident_megabytes: f64,
}

impl Round {
    pub(crate) fn of(what: &str, side: &str, measured: &Measured) -> Self {
        let answers = measured.count(200..300).max(1) as f64;
        let programs = measured.usage.programs.iter().map(|(name, used)| {
            let program = Program {
                processor_micros: (used.processor.as_micros() as f64 / answers).round(),
                resident_megabytes: (used.resident as f64 / 1e6).round(),
            };
            (name.clone(), program)
        });
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
            broken: measured.answers.broken,
            generator: measured.usage.generator.as_secs_f64() / measured.seconds,
            programs: programs.filter(|(_, program)| program.processor_micros >= 1.0).collect(),
        }
    }

    fn cells(&self) -> [String; 12] {
        let programs = self.programs.iter().map(|(name, used)| {
            format!("{name} {} µs {} MB", used.processor_micros, used.resident_megabytes)
        });
        [
            self.what.clone(),
            self.side.clone(),
            self.clients.to_string(),
            shown(self.rate),
            shown(self.p50),
            shown(self.p99),
            shown(self.p999),
            self.refused.to_string(),
            self.failed.to_string(),
            self.broken.to_string(),
            format!("{:.0} %", self.generator * 100.0),
            programs.collect::<Vec<_>>().join(", "),
        ]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) table: Table,
    /// What the table was made of.
    pub(crate) rounds: Vec<Round>,
}

impl Report {
    /// Adds a row and logs it as progress.
    pub(crate) fn add(&mut self, row: Row) {
        let [name, ours, baseline, limit, ratio, budget, verdict] = row.cells();
        tracing::info!(
            "{name}: {ours}, baseline {baseline}, limit {limit}, ratio {ratio} ({budget}: {verdict})"
        );
        self.table.rows.push(row);
    }

    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = String::new();
        if !self.table.rows.is_empty() {
            text += "| what | ours | baseline | limit | ratio | budget | verdict |\n\
                     |---|---:|---:|---:|---:|---|---|\n";
            text.extend(self.table.rows.iter().map(|row| line(&row.cells())));
            text.push('\n');
        }
        text += "| what | side | clients | answers/s | p50 ms | p99 ms | p99.9 ms | 4xx | 5xx | \
                 broken | generator | µs per answer, MB |\n\
                 |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n";
        text.extend(self.rounds.iter().map(|round| line(&round.cells())));
        text
    }

    /// Prints it, and writes the table as JSON, and table and rounds as Markdown.
    pub(crate) fn write(&self, json: Option<&Path>, markdown: Option<&Path>) -> anyhow::Result<()> {
        self.show()?;
        json.map_or(Ok(()), |file| write_json(file, &self.table))?;
        markdown.map_or(Ok(()), |file| write_text(file, &self.markdown()))
    }

    /// Prints table and rounds to standard output.
    pub(crate) fn show(&self) -> anyhow::Result<()> {
        writeln!(std::io::stdout().lock(), "{}", self.markdown())?;
        Ok(())
    }
}

pub(crate) fn write_json(file: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    write_text(file, &(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a file, and makes its folder if that is missing.
pub(crate) fn write_text(file: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, text)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// A figure for people: thousands apart, and as many decimal places as mean something.
pub(crate) fn shown(figure: f64) -> String {
    if figure.abs() < 100.0 {
        let text = format!("{figure:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits: Vec<char> = format!("{figure:.0}").chars().collect();
    let thousands: Vec<String> = digits.rchunks(3).rev().map(String::from_iter).collect();
    thousands.join(",")
}

/// To three decimal places: more is noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_at_its_budget_meets_it_and_one_below_does_not() {
        for (ours, baseline, limit, budget, verdict) in [
            (300.0, 100.0, 0.0, Budget::Times(3.0), Verdict::Met),
            (299.0, 100.0, 0.0, Budget::Times(3.0), Verdict::Short),
            (50.0, 1.0, 100.0, Budget::OfLimit(0.5), Verdict::Met),
            (49.0, 1.0, 100.0, Budget::OfLimit(0.5), Verdict::Short),
            (3.0, 1.0, 1.0, Budget::AtLeast(3.0), Verdict::Met),
            (10.0, 1.0, 1.0, Budget::Below(10.0), Verdict::Short),
            (1.2, 1.0, 1.0, Budget::AtMostTimes(1.2), Verdict::Met),
            (1.3, 1.0, 1.0, Budget::AtMostTimes(1.2), Verdict::Short),
        ] {
            let row = Row::compared("x", ours, baseline, limit, budget);
            assert_eq!(row.verdict, verdict, "{row:?}");
            assert_eq!(row.valid_if(false).verdict, Verdict::Short);
        }
    }

    #[test]
    fn a_comparison_without_a_baseline_is_short() {
        let row = Row::compared("x", 5.0, 0.0, None, Budget::Times(3.0));
        assert_eq!((row.verdict, row.ratio), (Verdict::Short, None));
        assert_eq!(Row::new("x", 5.0, Budget::AtMostTimes(3.0)).verdict, Verdict::Short);
    }

    #[test]
    fn json_has_exactly_the_agreed_members() {
        let row = Row::compared("x", 5.0, 2.0, None, Budget::Times(2.5));
        let json = serde_json::to_string(&Table { rows: vec![row] }).unwrap();
        assert_eq!(
            json,
            r#"{"rows":[{"name":"x","ours":5.0,"baseline":2.0,"limit":null,"ratio":2.5,"budget":"≥ 2.5 × baseline","verdict":"met"}]}"#
        );
    }

    #[test]
    fn figures_are_shown_as_people_write_them() {
        for (figure, text) in
            [(1_234_567.0, "1,234,567"), (100.4, "100"), (9.87, "9.87"), (2.0, "2"), (0.0, "0")]
        {
            assert_eq!(shown(figure), text);
        }
    }
}
