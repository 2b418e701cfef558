//! Setting and moving stock.

use super::*;

#[test]
fn setting_stock_records_the_difference() {
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
fn setting_stock_below_the_allocated_quantity_needs_an_accepted_shortage() {
    let inventory =
        given(&[receive(&[("A", 6)]), reserving(1, &[("A", 4)]), step(1, Step::Confirm)]);
    let refused = when(&inventory, set(3, None, false));
    assert_eq!(refused, insufficient(vec![short("A", 3, 2)]));
    let events = when(&inventory, set(3, None, true)).unwrap();
    assert_eq!(events[0].stock_change().unwrap().after.available(), -1);
}

#[test]
fn a_move_leaves_one_location_and_arrives_at_the_other() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let events = when(&inventory, moving(&[("A", "MAIN", "WEST", 3)])).unwrap();
    let streams: Vec<String> = events.iter().map(|event| event.stream().to_string()).collect();
    assert_eq!(streams, ["stock/A/MAIN", "stock/A/WEST"]);
    assert_eq!(on_hand_after(&events), [2, 3]);
}

#[test]
fn each_line_of_a_move_sees_the_lines_before_it() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let there_and_back = [("A", "MAIN", "WEST", 5), ("A", "WEST", "MAIN", 2)];
    let events = when(&inventory, moving(&there_and_back)).unwrap();
    assert_eq!(on_hand_after(&events), [0, 5, 3, 2]);
    let twice = [("A", "MAIN", "WEST", 3), ("A", "MAIN", "WEST", 3)];
    let refused = when(&inventory, moving(&twice));
    assert_eq!(refused, insufficient(vec![short("A", 6, 5)]));
}

#[test]
fn a_move_to_an_unknown_location_is_rejected() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let refused = when(&inventory, moving(&[("A", "MAIN", "EAST", 1)]));
    assert_eq!(refused, Err(Rejection::UnknownLocation { location: "EAST".parse().unwrap() }));
}
