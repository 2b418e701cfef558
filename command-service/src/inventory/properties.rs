//! What holds for any list of commands.

use std::collections::HashMap;

use proptest::prelude::*;
use shared_events::event::StockChange;
use shared_events::stream::Stream;

use super::spec::set_move_retire::{moving, set, with_west};
use super::spec::{adjust, issue, receive, when};
use super::*;

fn lines(amounts: impl Strategy<Value = i64>) -> impl Strategy<Value = Vec<(&'static str, i64)>> {
    prop::collection::vec((prop::sample::select(vec!["A", "B", "C"]), amounts), 1..6)
}

fn moves() -> impl Strategy<Value = Vec<(&'static str, &'static str, &'static str, i64)>> {
    let way = prop::sample::select(vec![("MAIN", "WEST"), ("WEST", "MAIN")]);
    let line = (prop::sample::select(vec!["A", "B"]), way, 1_i64..50);
    prop::collection::vec(line.prop_map(|(sku, (from, to), units)| (sku, from, to, units)), 1..6)
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let command = prop_oneof![
        lines(1_i64..50).prop_map(|lines| receive(&lines)),
        lines(1_i64..50).prop_map(|lines| issue(&lines)),
        (lines((-50_i64..50).prop_filter("a difference", |delta| *delta != 0)), any::<bool>())
            .prop_map(|(lines, accept_shortage)| adjust(&lines, accept_shortage)),
        (0_i64..80, any::<bool>()).prop_map(|(quantity, accept)| set(quantity, None, accept)),
        moves().prop_map(|lines| moving(&lines)),
    ];
    prop::collection::vec(command, 0..60)
}

proptest! {
    #[test]
    fn no_figure_is_ever_negative_and_every_figure_is_the_sum_of_its_changes(commands in commands()) {
        let mut inventory = with_west(&[]);
        let mut sums: HashMap<Stream, i64> = HashMap::new();
        for command in commands {
            let Ok(events) = when(&inventory, command) else { continue };
            for event in events {
                let StockChange { delta, after, .. } = event.stock_change().expect("stock is moved");
                let sum = sums.entry(event.stream()).or_default();
                *sum += delta.on_hand;
                prop_assert!(after.on_hand >= 0 && after.reserved >= 0 && after.allocated >= 0);
                prop_assert_eq!(after.on_hand, *sum);
                inventory.evolve(&event);
            }
        }
    }

    #[test]
    fn a_command_is_refused_exactly_when_its_lines_one_by_one_would_be(
        commands in commands(),
        lines in lines(1_i64..50),
    ) {
        let mut inventory = with_west(&[]);
        for command in commands {
            for event in when(&inventory, command).unwrap_or_default() {
                inventory.evolve(&event);
            }
        }
        let whole = when(&inventory, issue(&lines));
        let mut by_lines = Ok(Vec::new());
        for line in &lines {
            match when(&inventory, issue(&[*line])) {
                Ok(events) => {
                    for event in &events {
                        inventory.evolve(event);
                    }
                    if let Ok(all) = &mut by_lines {
                        all.extend(events);
                    }
                }
                Err(rejection) => by_lines = by_lines.and(Err(rejection)),
            }
        }
        prop_assert_eq!(whole.is_ok(), by_lines.is_ok());
        if let (Ok(whole), Ok(by_lines)) = (whole, by_lines) {
            prop_assert_eq!(whole, by_lines);
        }
    }
}
