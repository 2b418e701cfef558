//! What came of a replay. Pure.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::replay::answer::{Accepted, Answer, Outcome};
use crate::replay::command::Command;
use crate::replay::ledger::Difference;
use crate::replay::plan::{Plan, Stock};
use crate::replay::trade::Counts;

/// The most faults of a kind that are kept and shown; all are counted.
const SHOWN_MAX: usize = 20;

/// What came of a replay.
#[derive(Debug)]
pub struct Report {
    stock: Stock,
    counts: Counts,
    invoices: usize,
    /// Invoices of which a command was refused, by their Correlation-Id.
    refused: BTreeSet<String>,
    commands: u64,
    lines: u64,
    replayed: u64,
    faults: Faults,
    /// How long the location, the items and the opening stock took.
    pub(super) prepared_in: Duration,
    /// How long the trade took.
    pub(super) traded_in: Duration,
    /// How many events the log holds, and how many of them were answered to us.
    pub(super) log: LogLength,
    skus: usize,
    differences: Vec<Difference>,
}

/// How long the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LogLength {
    /// Events it holds.
    pub(super) events: u64,
    /// Events that were answered to us.
    pub(super) answered: u64,
}

/// Answers that must not be.
#[derive(Debug, Default)]
struct Faults {
    count: usize,
    shown: Vec<String>,
}

impl Faults {
    fn add(&mut self, fault: String) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(fault);
        }
    }
}

impl Report {
    /// The report of a replay that begins now.
    pub(super) fn of(plan: &Plan) -> Self {
        let invoices: BTreeSet<&str> =
            plan.trade.iter().map(|command| command.correlation_id.as_str()).collect();
        Self {
            stock: plan.stock,
            counts: plan.counts.clone(),
            invoices: invoices.len(),
            refused: BTreeSet::new(),
            commands: 0,
            lines: 0,
            replayed: 0,
            faults: Faults::default(),
            prepared_in: Duration::ZERO,
            traded_in: Duration::ZERO,
            log: LogLength::default(),
            skus: 0,
            differences: Vec::new(),
        }
    }

    /// Counts the answer to a command of the trade.
    pub(super) fn count(&mut self, command: &Command, answer: &Answer) {
        self.commands += 1;
        self.lines += command.changes().len() as u64;
        self.replayed += u64::from(answer.replayed);
        match &answer.outcome {
            Outcome::Accepted(accepted) => self.count_below_zero(command, accepted),
            Outcome::Refused(problem) => {
                self.refused.insert(command.correlation_id.clone());
                if self.stock == Stock::Full || !problem.is_insufficient_stock() {
                    self.faults.add(format!("{}: {problem}", command.key));
                }
            }
        }
    }

    /// A figure below zero in an answer is a fault, whatever the figures are in the end.
    fn count_below_zero(&mut self, command: &Command, accepted: &Accepted) {
        for figure in &accepted.figures {
            if figure.on_hand < 0 || figure.available < 0 {
                self.faults.add(format!(
                    "{}: {} is below zero: on_hand {} available {}",
                    command.key, figure.sku, figure.on_hand, figure.available
                ));
            }
        }
    }

    /// Takes what the check found.
    pub(super) fn check(&mut self, skus: usize, differences: Vec<Difference>) {
        self.skus = skus;
        self.differences = differences;
    }

    /// Whether all is as it must be: nothing was refused but for scarce stock, the log is whole,
    /// and every figure is the one expected.
    pub fn is_good(&self) -> bool {
        self.faults.count == 0
            && self.differences.is_empty()
            && self.log.events >= self.log.answered
    }

    fn write_trade(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.traded_in.as_secs_f64();
        let rate = |count: u64| count as f64 / seconds.max(f64::EPSILON);
        let refused = self.refused.len();
        let Counts { lines, runs, runs_without_stock, skipped } = &self.counts;
        writeln!(
            out,
            "read      {lines} lines of {runs} invoices, {runs_without_stock} of them without stock lines"
        )?;
        write!(out, "skipped   {} lines", skipped.values().sum::<u64>())?;
        let mut codes: Vec<_> = skipped.iter().collect();
        codes.sort_by_key(|(_, count)| Reverse(**count));
        for (index, (code, count)) in codes.into_iter().enumerate() {
            let separator = if index == 0 { ":" } else { "," };
            write!(out, "{separator} {code} {count}")?;
        }
        writeln!(out)?;
        writeln!(out, "invoices  {} accepted, {refused} refused", self.invoices - refused)?;
        writeln!(
            out,
            "time      {seconds:.1} s: {:.0} commands/s, {:.0} lines/s ({} commands, {} lines; {:.1} s before for items and opening stock)",
            rate(self.commands),
            rate(self.lines),
            self.commands,
            self.lines,
            self.prepared_in.as_secs_f64()
        )?;
        if self.replayed > 0 {
            writeln!(
                out,
                "repeated  {} commands had been decided before and were answered from the log",
                self.replayed
            )?;
        }
        Ok(())
    }

    fn write_faults(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { count, shown } = &self.faults;
        if *count > 0 {
            writeln!(out, "faults    {count} answers that must not be:")?;
        }
        for fault in shown {
            writeln!(out, "  {fault}")?;
        }
        let LogLength { events, answered } = self.log;
        match events.cmp(&answered) {
            Ordering::Equal => {}
            Ordering::Greater => writeln!(
                out,
                "log       {} of {events} events are not of this trade: items they touched differ",
                events - answered
            )?,
            Ordering::Less => writeln!(
                out,
                "log       {events} events, though {answered} were answered: some are lost"
            )?,
        }
        for difference in self.differences.iter().take(SHOWN_MAX) {
            writeln!(out, "  {difference}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_trade(out)?;
        self.write_faults(out)?;
        let differ = self.differences.len();
        writeln!(out, "{} skus checked, {differ} differ", self.skus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::source::Source;

    const DAY: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate\n\
        536365,85123A,HOLDER,6,2010-12-01 08:26:00\n\
        536365,71053,LANTERN,-3,2010-12-01 08:26:00\n\
        536366,POST,POSTAGE,1,2010-12-01 08:28:00\n\
        536366,71053,LANTERN,1,2010-12-01 08:28:00\n";

    const ACCEPTED: &str = r#"{"position":"1:1","events":[]}"#;
    const SHORT: &str = r#"{"type":"/problems/insufficient_stock"}"#;

    fn plan(stock: Stock) -> Plan {
        let source = Source { name: "day.csv".to_owned(), csv: DAY.into() };
        Plan::new(stock, &[source]).expect("a trade")
    }

    /// The report when every command of the trade got the answer of its number.
    fn answered(stock: Stock, answers: [(u16, &str); 3]) -> Report {
        let plan = plan(stock);
        let mut report = Report::of(&plan);
        for (command, (status, body)) in plan.trade.iter().zip(answers) {
            let outcome = Outcome::read(status, body.as_bytes()).expect("an answer");
            report.count(command, &Answer { replayed: status == 200, outcome });
        }
        report.traded_in = Duration::from_secs(2);
        report.prepared_in = Duration::from_secs(1);
        report.check(2, Vec::new());
        report
    }

    #[test]
    fn an_invoice_is_refused_when_any_of_its_commands_is() {
        let report = answered(Stock::Scarce, [(200, ACCEPTED), (409, SHORT), (200, ACCEPTED)]);
        assert!(report.is_good(), "{report}");
        assert_eq!(
            report.to_string(),
            "read      4 lines of 2 invoices, 0 of them without stock lines\n\
             skipped   1 lines: POST 1\n\
             invoices  1 accepted, 1 refused\n\
             time      2.0 s: 2 commands/s, 2 lines/s (3 commands, 3 lines; 1.0 s before for items and opening stock)\n\
             repeated  2 commands had been decided before and were answered from the log\n\
             2 skus checked, 0 differ\n"
        );
    }

    #[test]
    fn short_stock_is_a_fault_where_stock_is_full_and_any_other_refusal_always() {
        let unknown = r#"{"type":"/problems/unknown_sku","sku":"71053"}"#;
        for (stock, body) in [(Stock::Full, SHORT), (Stock::Scarce, unknown)] {
            let report = answered(stock, [(200, ACCEPTED), (404, body), (200, ACCEPTED)]);
            assert!(!report.is_good(), "{report}");
            assert!(report.to_string().contains(&format!("/536365/1/adjust: 404 {body}")));
        }
    }

    #[test]
    fn a_figure_below_zero_in_any_answer_is_a_fault() {
        let below = r#"{"position":"1:1","events":[],
            "figures":[{"sku":"71053","on_hand":-1,"available":-1}]}"#;
        let report = answered(Stock::Scarce, [(200, ACCEPTED), (200, below), (200, ACCEPTED)]);
        assert!(!report.is_good(), "{report}");
        assert!(report.to_string().contains("71053 is below zero"), "{report}");
    }

    #[test]
    fn a_log_shorter_than_what_was_answered_is_a_fault_and_a_longer_one_is_said() {
        let mut report = answered(Stock::Full, [(200, ACCEPTED); 3]);
        report.log = LogLength { events: 9, answered: 8 };
        assert!(report.is_good() && report.to_string().contains("1 of 9 events"), "{report}");
        report.log = LogLength { events: 7, answered: 8 };
        assert!(!report.is_good() && report.to_string().contains("lost"), "{report}");
    }
}
