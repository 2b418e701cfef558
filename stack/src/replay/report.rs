//! The ledger of a replay, and the report on how it compares with Stockbook.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use shared_events::lane::PositionToken;
use shared_events::stream::Stream;
use shared_events::values::Sku;

use super::client::{Accepted, Answer, Figures, Row};
use super::plan::{Command, LOCATION, Plan, Stock};
use super::trade::Counts;

/// How many faults, and how many differences, are listed; all are counted.
const LISTED_MAX: usize = 20;

/// Our own arithmetic: the figures that Stockbook must report.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    stock: BTreeMap<Sku, Figures>,
    /// The furthest position of an accepted command.
    pub(crate) reached: PositionToken,
    /// The number of events in accepted commands.
    pub(crate) events: u64,
}

impl Ledger {
    pub(crate) fn new(skus: &[Sku]) -> Self {
        let stock = skus.iter().map(|sku| (sku.clone(), Figures::default())).collect();
        Self { stock, ..Self::default() }
    }

    /// Adds the changes of stock as the plan knows them, and the versions as the answer says.
    pub(crate) fn accept(&mut self, command: &Command, accepted: &Accepted) {
        for (lane, position) in accepted.position.iter() {
            self.reached.reach(lane, position);
        }
        self.events += accepted.events.len() as u64;
        for change in &command.changes {
            let figures = self.stock.entry(change.sku.clone()).or_default();
            figures.on_hand += change.delta;
            figures.available += change.delta;
        }
        for event in &accepted.events {
            if let Stream::Stock(sku, location) = &event.stream
                && location.as_str() == LOCATION
            {
                let version = &mut self.stock.entry(sku.clone()).or_default().version;
                *version = version.next();
            }
        }
    }

    /// Compares with what Stockbook reports, where an item without history is missing.
    pub(crate) fn differences(&self, found: &BTreeMap<Sku, Figures>) -> Vec<String> {
        let none = Figures::default();
        let skus: BTreeSet<&Sku> = self.stock.keys().chain(found.keys()).collect();
        skus.into_iter()
            .map(|sku| (sku, self.stock.get(sku), found.get(sku)))
            .map(|(sku, ours, theirs)| (sku, ours.unwrap_or(&none), theirs.unwrap_or(&none)))
            .filter(|(_, ours, theirs)| ours != theirs)
            .map(|(sku, ours, theirs)| format!("{sku}: expected {ours}, found {theirs}"))
            .collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { on_hand, reserved, allocated, available, version } = self;
        write!(
            f,
            "on_hand {on_hand} reserved {reserved} allocated {allocated} available {available} \
             version {version}"
        )
    }
}

/// The result of a replay.
#[derive(Debug)]
pub struct Report {
    stock: Stock,
    counts: Counts,
    invoices: usize,
    commands: usize,
    lines: usize,
    replayed: usize,
    /// Invoices with a refused command, by Correlation-Id.
    refused: BTreeSet<String>,
    /// Answers that must not happen.
    faults: Vec<String>,
    pub(crate) prepared_in: Duration,
    pub(crate) traded_in: Duration,
    /// Events in the log, and events in the answers to our commands.
    pub(crate) events: (u64, u64),
    pub(crate) skus: usize,
    pub(crate) differences: Vec<String>,
}

impl Report {
    pub(crate) fn new(plan: &Plan) -> Self {
        let invoices: BTreeSet<_> =
            plan.trade.iter().map(|command| &command.correlation_id).collect();
        Self {
            stock: plan.stock,
            counts: plan.counts.clone(),
            invoices: invoices.len(),
            commands: 0,
            lines: 0,
            replayed: 0,
            refused: BTreeSet::new(),
            faults: Vec::new(),
            prepared_in: Duration::ZERO,
            traded_in: Duration::ZERO,
            events: (0, 0),
            skus: plan.skus.len(),
            differences: Vec::new(),
        }
    }

    /// Counts the answer to a command of the trade.
    pub(crate) fn count(&mut self, command: &Command, answer: &Answer) {
        self.commands += 1;
        self.lines += command.changes.len();
        self.replayed += usize::from(answer.replayed);
        if !answer.is_success() {
            self.refused.insert(command.correlation_id.clone());
            if self.stock == Stock::Full || answer.problem() != "insufficient_stock" {
                self.faults.push(format!("{}: {} {}", command.key, answer.status, answer.body));
            }
        }
    }

    /// Notes figures below zero in an answer, which are wrong even if the final figures are right.
    pub(crate) fn check_not_negative(&mut self, command: &Command, accepted: &Accepted) {
        let negative = |row: &&Row| row.figures.on_hand < 0 || row.figures.available < 0;
        for Row { sku, figures } in accepted.figures.iter().filter(negative) {
            self.faults.push(format!("{}: {sku} is below zero: {figures}", command.key));
        }
    }

    /// Prints it with an addition; the exit code says whether it is good.
    pub(crate) fn print(&self, addition: &str) -> anyhow::Result<ExitCode> {
        let mut stdout = std::io::stdout().lock();
        write!(stdout, "{self}{addition}")
            .and_then(|()| stdout.flush())
            .context("cannot write the report")?;
        Ok(ExitCode::from(u8::from(!self.is_good())))
    }

    /// Whether every answer and every figure is as it must be, and no event is lost.
    pub fn is_good(&self) -> bool {
        let (logged, answered) = self.events;
        self.faults.is_empty() && self.differences.is_empty() && logged >= answered
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { lines, invoices, without_stock, skipped } = &self.counts;
        writeln!(
            f,
            "read      {lines} lines of {invoices} invoices, {without_stock} of them without stock lines"
        )?;
        let mut by_count: Vec<_> = skipped.iter().collect();
        by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons: Vec<String> =
            by_count.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let count = skipped.values().sum::<usize>();
        writeln!(f, "skipped   {count} lines: {}", reasons.join(", "))?;
        let refused = self.refused.len();
        writeln!(f, "invoices  {} accepted, {refused} refused", self.invoices - refused)?;
        let seconds = self.traded_in.as_secs_f64();
        writeln!(
            f,
            "time      {seconds:.1} s for {} commands with {} lines: {:.0} commands/s ({:.1} s before for items and opening stock)",
            self.commands,
            self.lines,
            self.commands as f64 / seconds.max(f64::EPSILON),
            self.prepared_in.as_secs_f64()
        )?;
        if self.replayed > 0 {
            writeln!(f, "repeated  {} commands had been decided by an earlier run", self.replayed)?;
        }
        if !self.faults.is_empty() {
            writeln!(f, "faults    {} wrong answers:", self.faults.len())?;
        }
        let (logged, answered) = self.events;
        let log = match logged.cmp(&answered) {
            Ordering::Equal => None,
            Ordering::Greater => Some(format!(
                "log       {} of {logged} events are not of this trade, and items in them differ",
                logged - answered
            )),
            Ordering::Less => Some(format!(
                "log       {logged} events, but {answered} were answered: some are lost"
            )),
        };
        let listed = self.faults.iter().take(LISTED_MAX).map(|fault| format!("  {fault}"));
        let differ = self.differences.iter().take(LISTED_MAX).map(|line| format!("  {line}"));
        for line in listed.chain(log).chain(differ) {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "{} skus checked, {} differ", self.skus, self.differences.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared_events::lane::Version;

    use super::*;
    use crate::replay::source::Source;

    const DAY: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate\n\
        536365,85123A,HOLDER,6,2010-12-01 08:26:00\n\
        536365,71053,LANTERN,-3,2010-12-01 08:26:00\n\
        536366,POST,POSTAGE,1,2010-12-01 08:28:00\n\
        536366,71053,LANTERN,1,2010-12-01 08:28:00\n";

    const SHORT: &str = r#"{"type":"/problems/insufficient_stock"}"#;

    fn plan(stock: Stock) -> Plan {
        let source = Source { name: "day.csv".to_owned(), csv: DAY.into() };
        Plan::new(stock, &[source]).unwrap()
    }

    fn accepted(position: &str, streams: &[&str]) -> Accepted {
        let events: Vec<_> = streams.iter().map(|stream| json!({ "stream": stream })).collect();
        serde_json::from_value(json!({ "position": position, "events": events })).unwrap()
    }

    /// The report when the second of three commands gets this answer.
    fn answered(stock: Stock, status: u16, body: &str) -> Report {
        let plan = plan(stock);
        let mut report = Report::new(&plan);
        let answers = [(200, "{}"), (status, body), (200, "{}")];
        for (command, (status, body)) in plan.trade.iter().zip(answers) {
            let body = body.to_owned();
            report.count(command, &Answer { status, replayed: status == 200, body });
        }
        report.traded_in = Duration::from_secs(2);
        report.prepared_in = Duration::from_secs(1);
        report
    }

    #[test]
    fn accepted_commands_are_summed_up_and_every_other_figure_is_a_difference() {
        let plan = plan(Stock::Full);
        let mut ledger = Ledger::new(plan.skus());
        let (lantern, holder) = ("stock/71053/MAIN", "stock/85123A/MAIN");
        ledger.accept(&plan.opening[0], &accepted("1:5,2:7", &[lantern]));
        ledger.accept(&plan.opening[1], &accepted("1:3", &[holder]));
        ledger.accept(&plan.trade[0], &accepted("1:6", &[holder]));
        assert_eq!((ledger.reached.to_string().as_str(), ledger.events), ("1:6,2:7", 3));

        let figures = |on_hand, version| Figures {
            on_hand,
            available: on_hand,
            version: Version(version),
            ..Figures::default()
        };
        // 4 and 6 go out, so 5 and 8 were there at the opening.
        let (lantern, holder) = (&plan.skus()[0], &plan.skus()[1]);
        let right =
            BTreeMap::from([(lantern.clone(), figures(5, 1)), (holder.clone(), figures(2, 2))]);
        assert_eq!(ledger.differences(&right), Vec::<String>::new());
        for wrong in [
            figures(1, 2),
            figures(2, 3),
            Figures { reserved: 1, ..figures(2, 2) },
            Figures { allocated: 1, ..figures(2, 2) },
            Figures { available: 1, ..figures(2, 2) },
        ] {
            let mut found = right.clone();
            found.insert(holder.clone(), wrong.clone());
            assert_eq!(ledger.differences(&found).len(), 1, "{wrong}");
        }
        assert_eq!(ledger.differences(&BTreeMap::new()).len(), 2, "items are missing");
        let mut more = right.clone();
        more.insert("X".parse().unwrap(), figures(9, 1));
        assert_eq!(
            ledger.differences(&more),
            ["X: expected on_hand 0 reserved 0 allocated 0 available 0 version 0, \
              found on_hand 9 reserved 0 allocated 0 available 9 version 1"]
        );
    }

    #[test]
    fn scarce_stock_refuses_whole_invoices() {
        let report = answered(Stock::Scarce, 409, SHORT);
        assert!(report.is_good(), "{report}");
        assert_eq!(
            report.to_string(),
            "read      4 lines of 2 invoices, 0 of them without stock lines\n\
             skipped   1 lines: POST 1\n\
             invoices  1 accepted, 1 refused\n\
             time      2.0 s for 3 commands with 3 lines: 2 commands/s (1.0 s before for items and opening stock)\n\
             repeated  2 commands had been decided by an earlier run\n\
             2 skus checked, 0 differ\n"
        );
    }

    #[test]
    fn any_other_refusal_and_figures_below_zero_are_faults() {
        let unknown = r#"{"type":"/problems/unknown_sku"}"#;
        for (stock, body) in [(Stock::Full, SHORT), (Stock::Scarce, unknown)] {
            let report = answered(stock, 404, body);
            assert!(!report.is_good(), "{report}");
            assert!(report.to_string().contains(&format!("/536365/1/adjust: 404 {body}")));
        }
        let mut report = answered(Stock::Scarce, 200, "{}");
        let figures = Figures { on_hand: -1, ..Figures::default() };
        let row = Row { sku: "71053".parse().unwrap(), figures };
        let below = Accepted { figures: vec![row], ..accepted("1:1", &[]) };
        report.check_not_negative(&plan(Stock::Scarce).trade[0], &below);
        assert!(!report.is_good() && report.to_string().contains("71053 is below zero"));
    }

    #[test]
    fn a_log_that_is_too_short_is_a_fault_and_a_longer_one_is_reported() {
        let mut report = answered(Stock::Full, 200, "{}");
        report.events = (9, 8);
        assert!(report.is_good() && report.to_string().contains("1 of 9 events"), "{report}");
        report.events = (7, 8);
        assert!(!report.is_good() && report.to_string().contains("lost"), "{report}");
    }
}
