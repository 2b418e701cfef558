//! Counting, moving and retiring.

use super::*;

pub(in crate::inventory) fn set(
    quantity: i64,
    expected_quantity: Option<i64>,
    accept_shortage: bool,
) -> Command {
    Command::SetStock(SetStock {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        quantity,
        expected_quantity,
        expected_version: None,
        accept_shortage,
        cause: Cause::default(),
    })
}

pub(in crate::inventory) fn moving(lines: &[(&str, &str, &str, i64)]) -> Command {
    let line = |(sku, from, to, quantity): &(&str, &str, &str, i64)| MoveLine {
        sku: sku.parse().unwrap(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        quantity: *quantity,
        expected_version: None,
    };
    let lines = lines.iter().map(line).collect();
    Command::MoveStock(MoveStock { lines, cause: Cause::default() })
}

fn retire(sku: &str) -> Command {
    Command::RetireItem(RetireItem {
        sku: sku.parse().unwrap(),
        expected_version: None,
        cause: Cause::default(),
    })
}

pub(in crate::inventory) fn with_west(commands: &[Command]) -> Inventory {
    let mut inventory = given(commands);
    inventory.evolve(&Event::LocationRegistered(location("WEST")));
    inventory
}

#[test]
fn a_count_sets_what_is_there_and_tells_the_difference() {
    let inventory = given(&[receive(&[("A", 5)])]);
    for (quantity, delta) in [(7, 2), (0, -5)] {
        let events = when(&inventory, set(quantity, Some(5), false)).unwrap();
        let [Event::StockSet(set)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((set.delta, set.after.on_hand), (delta, quantity));
    }
    assert_eq!(when(&inventory, set(5, None, false)), Ok(vec![]), "nothing to do");
    let stale = Rejection::StaleQuantity { expected: 4, actual: 5 };
    assert_eq!(when(&inventory, set(7, Some(4), false)), Err(stale));
}

#[test]
fn a_count_below_what_was_promised_needs_an_accepted_shortage() {
    let mut inventory = given(&[receive(&[("A", 5)])]);
    inventory.evolve(&Event::StockSet(shared_events::event::StockSet {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        delta: 1,
        after: Figures { on_hand: 6, reserved: 0, allocated: 4 },
        cause: Cause::default(),
    }));
    let refused = when(&inventory, set(3, None, false));
    assert_eq!(refused, Err(Rejection::InsufficientStock { lines: vec![short("A", 3, 2)] }));
    let events = when(&inventory, set(3, None, true)).unwrap();
    assert_eq!(events[0].stock_change().unwrap().after.available(), -1);
}

#[test]
fn a_move_leaves_one_location_and_arrives_at_the_other() {
    let inventory = with_west(&[receive(&[("A", 5)])]);
    let events = when(&inventory, moving(&[("A", "MAIN", "WEST", 3)])).unwrap();
    let streams: Vec<String> = events.iter().map(|event| event.stream().to_string()).collect();
    assert_eq!(streams, ["stock/A/MAIN", "stock/A/WEST"]);
    assert_eq!(on_hand_after(&events), [2, 3]);
}

#[test]
fn lines_of_a_move_see_what_the_lines_before_them_did() {
    let inventory = with_west(&[receive(&[("A", 5)])]);
    let there_and_back = [("A", "MAIN", "WEST", 5), ("A", "WEST", "MAIN", 2)];
    let events = when(&inventory, moving(&there_and_back)).unwrap();
    assert_eq!(on_hand_after(&events), [0, 5, 3, 2]);
    let twice = [("A", "MAIN", "WEST", 3), ("A", "MAIN", "WEST", 3)];
    let refused = when(&inventory, moving(&twice));
    assert_eq!(refused, Err(Rejection::InsufficientStock { lines: vec![short("A", 6, 5)] }));
}

#[test]
fn a_move_to_an_unknown_location_is_refused() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let refused = when(&inventory, moving(&[("A", "MAIN", "WEST", 1)]));
    assert_eq!(refused, Err(Rejection::UnknownLocation { location: "WEST".parse().unwrap() }));
}

#[test]
fn an_item_is_retired_only_when_nothing_of_it_is_left_anywhere() {
    let sku = || "A".parse().unwrap();
    let moved = [receive(&[("A", 5)])];
    let mut inventory = with_west(&moved);
    for event in when(&inventory, moving(&[("A", "MAIN", "WEST", 5)])).unwrap() {
        inventory.evolve(&event);
    }
    assert_eq!(when(&inventory, retire("A")), Err(Rejection::ItemHasStock { sku: sku() }));
    assert!(when(&inventory, retire("B")).is_ok(), "B never had any");
    assert_eq!(
        when(&inventory, retire("C")),
        Err(Rejection::UnknownSku { sku: "C".parse().unwrap() })
    );
}

#[test]
fn a_retired_item_is_neither_changed_nor_stocked_again() {
    let sku = || "A".parse().unwrap();
    let inventory = with_west(&[receive(&[("A", 1)]), issue(&[("A", 1)]), retire("A")]);
    let retired = || Err(Rejection::ItemRetired { sku: sku() });
    assert_eq!(when(&inventory, retire("A")), Ok(vec![]), "once is enough");
    assert_eq!(when(&inventory, Command::RegisterItem(register("A"))), retired());
    assert_eq!(when(&inventory, receive(&[("A", 1)])), retired());
    assert_eq!(when(&inventory, adjust(&[("A", 1)], false)), retired());
    assert_eq!(when(&inventory, set(1, None, false)), retired());
}
