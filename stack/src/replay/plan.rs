//! What is sent for a trade, in which order and under which keys. Pure.

use std::collections::BTreeMap;

use chrono::NaiveTime;
use shared_events::time::Timestamp;
use shared_events::values::Sku;

use crate::replay::command::{Action, Change, Command, Movement, MovementKind};
use crate::replay::keys::Keys;
use crate::replay::source::Source;
use crate::replay::trade::{self, Counts, Invoice, Kind, Line, Trade, TradeError};

/// How much is there before the trade begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stock {
    /// All that ever goes out: nothing is refused, and the order does not matter.
    Full,
    /// Half of that, rounded down: many invoices are refused as a whole.
    Scarce,
}

/// Everything that is sent, in order: the location, the items, the opening stock, the trade.
#[derive(Debug)]
pub struct Plan {
    /// How much is there before the trade begins.
    pub stock: Stock,
    /// RegisterLocation.
    pub location: Command,
    /// RegisterItem, one per sku.
    pub items: Vec<Command>,
    /// ReceiveStock, one per sku; none where it would be 0.
    pub opening: Vec<Command>,
    /// The trade, in the order of the files: one or two commands per invoice.
    pub trade: Vec<Command>,
    /// What was read, and what of it is no stock.
    pub counts: Counts,
}

impl Plan {
    /// The plan for files as one trade, one after another.
    ///
    /// # Errors
    /// A line does not fit.
    pub fn new(stock: Stock, sources: &[Source]) -> Result<Self, TradeError> {
        let Trade { invoices, items, counts } = trade::read(sources)?;
        let keys = Keys::of(stock, sources);
        Ok(Self {
            stock,
            location: keys.command("location", "MAIN", Action::RegisterLocation),
            opening: opening(stock, &invoices, &keys),
            items: items.into_iter().map(|(sku, name)| register(sku, name, &keys)).collect(),
            trade: invoices.into_iter().flat_map(|invoice| commands(invoice, &keys)).collect(),
            counts,
        })
    }

    /// The items of the trade.
    pub fn skus(&self) -> impl Iterator<Item = &Sku> {
        self.items.iter().filter_map(|command| match &command.action {
            Action::RegisterItem { sku, .. } => Some(sku),
            Action::RegisterLocation | Action::Move(_) => None,
        })
    }
}

/// An item nobody described is called by its sku.
fn register(sku: Sku, name: String, keys: &Keys) -> Command {
    let name = if name.is_empty() { sku.to_string() } else { name };
    keys.command("item", sku.clone().as_str(), Action::RegisterItem { sku, name })
}

/// What goes out of each item in the whole trade, or half of it, in stock at the midnight before
/// the first invoice.
fn opening(stock: Stock, invoices: &[Invoice], keys: &Keys) -> Vec<Command> {
    let Some(first) = invoices.iter().map(|invoice| invoice.at).min() else {
        return Vec::new();
    };
    let midnight = Timestamp::new(first.to_utc().date_naive().and_time(NaiveTime::MIN).and_utc());
    let mut out: BTreeMap<&Sku, i64> = BTreeMap::new();
    for invoice in invoices.iter().filter(|invoice| invoice.kind == Kind::Sale) {
        for line in &invoice.lines {
            *out.entry(&line.sku).or_default() += line.quantity.abs();
        }
    }
    out.into_iter()
        .map(|(sku, out)| match stock {
            Stock::Full => (sku, out),
            Stock::Scarce => (sku, out / 2),
        })
        .filter(|(_, quantity)| *quantity > 0)
        .map(|(sku, quantity)| {
            let movement = Movement {
                kind: MovementKind::Opening,
                occurred_at: midnight,
                changes: vec![Change { sku: sku.clone(), delta: quantity }],
            };
            keys.command("opening", sku.as_str(), Action::Move(movement))
        })
        .collect()
}

/// What an invoice asks for: a sale and a correction, either of them, or a return.
fn commands(invoice: Invoice, keys: &Keys) -> Vec<Command> {
    let changes = |is_part: fn(i64) -> bool, delta: fn(i64) -> i64| -> Vec<Change> {
        let part = invoice.lines.iter().filter(|line| is_part(line.quantity));
        let change = |line: &Line| Change { sku: line.sku.clone(), delta: delta(line.quantity) };
        part.map(change).collect()
    };
    let number = || invoice.number.clone();
    let parts = match invoice.kind {
        Kind::Sale => vec![
            (
                "issue",
                MovementKind::Sale { invoice: number() },
                changes(i64::is_positive, std::ops::Neg::neg),
            ),
            (
                "adjust",
                MovementKind::Correction { invoice: number() },
                changes(i64::is_negative, std::convert::identity),
            ),
        ],
        Kind::Return => vec![(
            "return",
            MovementKind::Return { invoice: number() },
            changes(|_| true, i64::abs),
        )],
    };
    parts
        .into_iter()
        .filter(|(_, _, changes)| !changes.is_empty())
        .map(|(name, kind, changes)| {
            let movement = Movement { kind, occurred_at: invoice.at, changes };
            keys.invoice_command(&invoice, name, Action::Move(movement))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate\n\
        536365,85123A,HOLDER,6,2010-12-01 08:26:00\n\
        536365,71053,,-3,2010-12-01 08:26:00\n\
        C536379,71053,,-1,2010-12-01 09:41:00\n\
        C536379,22633,WARMER,-2,2010-12-01 09:41:00\n\
        536365,85123A,HOLDER,1,2010-12-01 10:00:00\n";

    fn plan(stock: Stock) -> Plan {
        let source = Source { name: "day.csv".to_owned(), csv: DAY.into() };
        Plan::new(stock, &[source]).expect("a trade")
    }

    /// Key, correlation and changes of every command, in order.
    fn shown(plan: &Plan) -> Vec<String> {
        let show = |command: &Command| {
            let changes: Vec<String> = command
                .changes()
                .iter()
                .map(|change| format!("{}{:+}", change.sku, change.delta))
                .collect();
            format!("{} [{}] {}", command.key, command.correlation_id, changes.join(" "))
        };
        let all = [&plan.items, &plan.opening, &plan.trade];
        let all = all.into_iter().flatten();
        std::iter::once(&plan.location).chain(all).map(show).collect()
    }

    #[test]
    fn a_day_becomes_its_commands_under_keys_that_never_change() {
        let full = "1ad214f852411ddd67dcaa09713fe08f";
        let expected = [
            "location/MAIN [D/location] ",
            "item/22633 [D/item] ",
            "item/71053 [D/item] ",
            "item/85123A [D/item] ",
            "opening/71053 [D/opening] 71053+3",
            "opening/85123A [D/opening] 85123A+7",
            "536365/1/issue [D/536365/1] 85123A-6",
            "536365/1/adjust [D/536365/1] 71053-3",
            "C536379/1/return [D/C536379/1] 71053+1 22633+2",
            "536365/2/issue [D/536365/2] 85123A-1",
        ];
        let expected =
            expected.map(|line| format!("{full}/{}", line.replace("[D", &format!("[{full}"))));
        assert_eq!(shown(&plan(Stock::Full)), expected);
    }

    #[test]
    fn scarce_stock_is_half_rounded_down_and_has_keys_of_its_own() {
        let (full, scarce) = (shown(&plan(Stock::Full)), shown(&plan(Stock::Scarce)));
        assert!(full.iter().all(|command| !scarce.contains(command)));
        let opening = |plan: Plan| -> Vec<i64> {
            plan.opening.iter().map(|command| command.changes()[0].delta).collect()
        };
        assert_eq!(opening(plan(Stock::Full)), [3, 7]);
        assert_eq!(opening(plan(Stock::Scarce)), [1, 3]);
    }

    #[test]
    fn opening_stock_is_there_at_the_midnight_before_the_first_invoice() {
        let Action::Move(movement) = &plan(Stock::Full).opening[0].action else {
            panic!("opening stock moves goods");
        };
        assert_eq!(movement.occurred_at.to_string(), "2010-12-01T00:00:00.000000Z");
    }

    #[test]
    fn an_item_without_any_description_is_called_by_its_sku() {
        let names: Vec<Action> =
            plan(Stock::Full).items.into_iter().map(|command| command.action).collect();
        let item = |sku: &str, name: &str| Action::RegisterItem {
            sku: sku.parse().expect("a sku"),
            name: name.to_owned(),
        };
        assert_eq!(
            names,
            [item("22633", "WARMER"), item("71053", "71053"), item("85123A", "HOLDER")]
        );
    }
}
