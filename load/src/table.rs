//! The table: what was measured, beside what it is compared with, judged by its budget.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// So many times the baseline, or more.
    Times(f64),
    /// This part of the limit, or more.
    OfLimit(f64),
    /// This much, or more.
    AtLeast(f64),
    /// Less than this.
    Below(f64),
    /// At most so many times the baseline, where less is better.
    AtMostTimes(f64),
}

/// Whether a figure reaches its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Met,
    /// It does not.
    Short,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What was measured, and in what.
    pub name: String,
    /// Ours.
    pub ours: f64,
    /// What it is compared with.
    pub baseline: Option<f64>,
    /// What the machine can do at most.
    pub limit: Option<f64>,
    /// Ours for one of the baseline; of the limit where the budget is about that.
    pub ratio: Option<f64>,
    /// What ours must reach.
    pub budget: String,
    /// Whether it does.
    pub verdict: Verdict,
}

/// All lines.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// In the order measured.
    pub rows: Vec<Row>,
}

impl Row {
    /// Judges a figure.
    #[must_use]
    pub fn new(name: &str, ours: f64, budget: Budget) -> Self {
        let row = Self {
            name: name.to_owned(),
            ours: rounded(ours),
            baseline: None,
            limit: None,
            ratio: None,
            budget: budget.to_string(),
            verdict: Verdict::Short,
        };
        row.judged(budget)
    }

    /// The same beside a baseline and a limit.
    #[must_use]
    pub fn beside(
        name: &str,
        ours: f64,
        baseline: impl Into<Option<f64>>,
        limit: impl Into<Option<f64>>,
        budget: Budget,
    ) -> Self {
        let baseline = baseline.into().map(rounded);
        let limit = limit.into().map(rounded);
        Self { baseline, limit, ..Self::new(name, ours, budget) }.judged(budget)
    }

    /// The same, short whatever the figure: what it was to be measured under was not reached.
    #[must_use]
    pub fn short(self) -> Self {
        Self { verdict: Verdict::Short, ..self }
    }

    fn judged(mut self, budget: Budget) -> Self {
        let of =
            |other: Option<f64>| other.filter(|other| *other > 0.0).map(|other| self.ours / other);
        let ratio = match budget {
            Budget::OfLimit(_) => of(self.limit),
            _ => of(self.baseline),
        };
        let reached = match budget {
            Budget::Times(times) | Budget::OfLimit(times) => ratio >= Some(times),
            Budget::AtLeast(least) => self.ours >= least,
            Budget::Below(bound) => self.ours < bound,
            Budget::AtMostTimes(times) => ratio.is_some_and(|ratio| ratio <= times),
        };
        self.verdict = if reached { Verdict::Met } else { Verdict::Short };
        self.ratio = ratio.map(rounded);
        self
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
    /// The line with this name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The table as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| what | ours | baseline | limit | ratio | budget | verdict |\n\
             |---|---:|---:|---:|---:|---|---|\n",
        );
        let optional = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), shown);
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Met => "met",
                Verdict::Short => "**short**",
            };
            let written = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {verdict} |",
                row.name,
                shown(row.ours),
                optional(row.baseline),
                optional(row.limit),
                row.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")),
                row.budget,
            );
            written.expect("a String takes everything");
        }
        text
    }
}

/// A figure for people: thousands apart, and as many places as say something.
#[must_use]
pub fn shown(figure: f64) -> String {
    if figure.abs() < 100.0 {
        let text = format!("{figure:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{:.0}", figure.abs());
    let sign = if figure < 0.0 { "-" } else { "" };
    let mut text = String::from(sign);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// To three places: more is noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(ours: f64, baseline: f64, limit: f64, budget: Budget) -> Verdict {
        Row::beside("x", ours, baseline, limit, budget).verdict
    }

    #[test]
    fn a_figure_at_its_budget_meets_it_and_one_below_does_not() {
        assert_eq!(verdict(300.0, 100.0, 0.0, Budget::Times(3.0)), Verdict::Met);
        assert_eq!(verdict(299.0, 100.0, 0.0, Budget::Times(3.0)), Verdict::Short);
        assert_eq!(verdict(50.0, 1.0, 100.0, Budget::OfLimit(0.5)), Verdict::Met);
        assert_eq!(verdict(49.0, 1.0, 100.0, Budget::OfLimit(0.5)), Verdict::Short);
        assert_eq!(verdict(10.0, 1.0, 1.0, Budget::Below(10.0)), Verdict::Short);
        assert_eq!(verdict(1.2, 1.0, 1.0, Budget::AtMostTimes(1.2)), Verdict::Met);
        assert_eq!(verdict(1.3, 1.0, 1.0, Budget::AtMostTimes(1.2)), Verdict::Short);
    }

    #[test]
    fn without_anything_to_compare_with_a_comparison_is_short() {
        let row = Row::beside("x", 5.0, 0.0, None, Budget::Times(3.0));
        assert_eq!((row.verdict, row.ratio), (Verdict::Short, None));
        assert_eq!(Row::new("x", 5.0, Budget::AtMostTimes(3.0)).verdict, Verdict::Short);
    }

    #[test]
    fn json_has_exactly_the_members_that_were_agreed() {
        let row = Row::beside("x", 5.0, 2.0, None, Budget::Times(2.5));
        let json = serde_json::to_string(&Table { rows: vec![row] }).unwrap();
        assert_eq!(
            json,
            r#"{"rows":[{"name":"x","ours":5.0,"baseline":2.0,"limit":null,"ratio":2.5,"budget":"≥ 2.5 × baseline","verdict":"met"}]}"#
        );
    }

    #[test]
    fn figures_are_shown_as_people_write_them() {
        for (figure, text) in
            [(1234567.0, "1,234,567"), (100.4, "100"), (9.87, "9.87"), (2.0, "2"), (0.0, "0")]
        {
            assert_eq!(shown(figure), text);
        }
    }
}
