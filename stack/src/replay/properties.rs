//! What holds for every trade: whatever the order, full stock is never short and ends the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared_events::values::Sku;

use crate::replay::command::Command;
use crate::replay::plan::{Plan, Stock};
use crate::replay::source::Source;

type OnHand = BTreeMap<Sku, i64>;

/// What the command-service promises: all changes of a command, or none where one would go below
/// zero.
fn decide(stock: &mut OnHand, command: &Command) -> bool {
    let mut after = stock.clone();
    for change in command.changes() {
        let on_hand = after.entry(change.sku.clone()).or_default();
        *on_hand += change.delta;
        if *on_hand < 0 {
            return false;
        }
    }
    *stock = after;
    true
}

fn opened(plan: &Plan) -> OnHand {
    let mut stock = OnHand::new();
    for command in &plan.opening {
        assert!(decide(&mut stock, command), "opening stock only adds");
    }
    stock
}

/// A file of invoices: sales with breakage among them, and returns, over three items.
fn file() -> impl Strategy<Value = String> {
    let line = (0..3_u8, prop_oneof![1..9_i64, -9..0_i64]);
    let invoice = (any::<bool>(), prop::collection::vec(line, 1..5));
    prop::collection::vec(invoice, 1..12).prop_map(|invoices| {
        let mut csv = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate\n".to_owned();
        for (number, (is_sale, lines)) in invoices.into_iter().enumerate() {
            for (item, quantity) in lines {
                let (sign, quantity) =
                    if is_sale { ("", quantity) } else { ("C", -quantity.abs()) };
                csv.push_str(&format!(
                    "{sign}{},1000{item},,{quantity},2010-12-01 08:26:00\n",
                    536_365 + number
                ));
            }
        }
        csv
    })
}

fn plan(stock: Stock, csv: &str) -> Plan {
    let source = Source { name: "day.csv".to_owned(), csv: csv.into() };
    Plan::new(stock, &[source]).expect("the file fits")
}

proptest! {
    #[test]
    fn full_stock_is_never_short_and_the_order_does_not_matter(
        csv in file(),
        order in prop::collection::vec(any::<u32>(), 24),
    ) {
        let plan = plan(Stock::Full, &csv);
        let mut in_order = opened(&plan);
        for command in &plan.trade {
            prop_assert!(decide(&mut in_order, command));
        }
        let mut shuffled: Vec<_> = plan.trade.iter().zip(&order).collect();
        prop_assert_eq!(shuffled.len(), plan.trade.len());
        shuffled.sort_by_key(|(_, rank)| **rank);
        let mut otherwise = opened(&plan);
        for (command, _) in shuffled {
            prop_assert!(decide(&mut otherwise, command));
        }
        prop_assert_eq!(in_order, otherwise);
    }

    #[test]
    fn full_stock_ends_with_exactly_what_came_back(csv in file()) {
        let plan = plan(Stock::Full, &csv);
        let mut stock = opened(&plan);
        let mut back = OnHand::new();
        for command in &plan.trade {
            decide(&mut stock, command);
            for change in command.changes() {
                *back.entry(change.sku.clone()).or_default() += change.delta.max(0);
            }
        }
        prop_assert_eq!(stock, back);
    }

    #[test]
    fn every_command_of_a_plan_has_a_key_of_its_own(csv in file()) {
        let plan = plan(Stock::Scarce, &csv);
        let all = [&plan.items, &plan.opening, &plan.trade].into_iter().flatten();
        let keys: Vec<&str> = std::iter::once(&plan.location)
            .chain(all)
            .map(|command| command.key.as_str())
            .collect();
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        prop_assert_eq!(distinct.len(), keys.len());
        prop_assert!(keys.iter().all(|key| key.len() <= 255 && key.bytes().all(|byte| byte.is_ascii_graphic())));
    }
}

#[test]
fn the_shipped_day_is_the_trade_its_readme_says() {
    let plan = Plan::new(Stock::Full, &[Source::sample().expect("the sample")]).expect("a trade");
    assert_eq!((plan.counts.lines, plan.counts.runs), (3108, 143));
    let mut stock = opened(&plan);
    assert!(plan.trade.iter().all(|command| decide(&mut stock, command)));
}
