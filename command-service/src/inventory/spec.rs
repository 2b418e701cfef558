//! The rules, each as: given these events, when this is asked, then these events or this refusal.

pub(super) mod set_move_retire;

use shared_events::event::{Cause, Event, Figures, ItemDetails, LocationDetails};
use shared_events::lane::Version;
use shared_events::time::Timestamp;
use shared_events::values::AMOUNT_MAX;

use super::*;

/// The log's time in every test.
pub(super) const NOW: &str = "2026-01-01T12:00:00Z";

pub(super) fn line(sku: &str, quantity: i64) -> StockLine {
    StockLine {
        sku: sku.parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        quantity,
        expected_version: None,
    }
}

pub(super) fn receive(lines: &[(&str, i64)]) -> Command {
    let lines = lines.iter().map(|(sku, quantity)| line(sku, *quantity)).collect();
    Command::ReceiveStock(ReceiveStock { lines, cause: Cause::default() })
}

pub(super) fn issue(lines: &[(&str, i64)]) -> Command {
    let lines = lines.iter().map(|(sku, quantity)| line(sku, *quantity)).collect();
    Command::IssueStock(IssueStock { lines, purpose: None, cause: Cause::default() })
}

pub(super) fn adjust(lines: &[(&str, i64)], accept_shortage: bool) -> Command {
    let lines = lines
        .iter()
        .map(|(sku, delta)| AdjustLine {
            sku: sku.parse().unwrap(),
            location: "MAIN".parse().unwrap(),
            delta: *delta,
            expected_quantity: None,
            expected_version: None,
        })
        .collect();
    Command::AdjustStock(AdjustStock { lines, accept_shortage, cause: Cause::default() })
}

fn register(sku: &str) -> RegisterItem {
    RegisterItem {
        sku: sku.parse().unwrap(),
        name: None,
        scale: None,
        unit: None,
        reorder_point: None,
        metadata: None,
        expected_version: None,
    }
}

fn locate(code: &str) -> RegisterLocation {
    RegisterLocation { code: code.parse().unwrap(), name: None, kind: None, expected_version: None }
}

pub(super) fn item(sku: &str) -> ItemDetails {
    ItemDetails {
        sku: sku.parse().unwrap(),
        name: sku.to_owned(),
        scale: 0,
        unit: "each".parse().unwrap(),
        reorder_point: 0,
        context: None,
    }
}

fn location(code: &str) -> LocationDetails {
    LocationDetails {
        code: code.parse().unwrap(),
        name: code.to_owned(),
        kind: None,
        context: None,
    }
}

/// A location MAIN, items A and B, and the commands given, which must all be accepted.
pub(super) fn given(commands: &[Command]) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.evolve(&Event::LocationRegistered(location("MAIN")));
    inventory.evolve(&Event::ItemRegistered(item("A")));
    inventory.evolve(&Event::ItemRegistered(item("B")));
    for command in commands {
        for event in when(&inventory, command.clone()).expect("what is given is accepted") {
            inventory.evolve(&event);
        }
    }
    inventory
}

pub(super) fn when(inventory: &Inventory, command: Command) -> Result<Vec<Event>, Rejection> {
    decide(inventory, &Request { command, occurred_at: None }, NOW.parse().unwrap())
}

fn on_hand_after(events: &[Event]) -> Vec<i64> {
    events.iter().filter_map(Event::stock_change).map(|change| change.after.on_hand).collect()
}

fn short(sku: &str, requested: i64, available: i64) -> Shortage {
    Shortage { sku: sku.parse().unwrap(), location: "MAIN".parse().unwrap(), requested, available }
}

#[test]
fn a_new_item_gets_the_defaults() {
    let events = when(&Inventory::default(), Command::RegisterItem(register("A")));
    assert_eq!(events, Ok(vec![Event::ItemRegistered(item("A"))]));
}

#[test]
fn changing_an_item_keeps_the_members_that_are_absent() {
    let mut inventory = given(&[]);
    inventory.evolve(&Event::ItemChanged(ItemDetails { reorder_point: 7, ..item("A") }));
    let named = RegisterItem { name: Some("Lantern".to_owned()), ..register("A") };
    let after = ItemDetails { name: "Lantern".to_owned(), reorder_point: 7, ..item("A") };
    assert_eq!(when(&inventory, Command::RegisterItem(named)), Ok(vec![Event::ItemChanged(after)]));
}

#[test]
fn registering_what_is_known_alike_makes_no_event() {
    let inventory = given(&[]);
    assert_eq!(when(&inventory, Command::RegisterItem(register("A"))), Ok(vec![]));
    assert_eq!(when(&inventory, Command::RegisterLocation(locate("MAIN"))), Ok(vec![]));
}

#[test]
fn the_scale_of_an_item_stays_once_stock_events_name_it() {
    let scaled = || Command::RegisterItem(RegisterItem { scale: Some(2), ..register("A") });
    let changed = ItemDetails { scale: 2, ..item("A") };
    assert_eq!(when(&given(&[]), scaled()), Ok(vec![Event::ItemChanged(changed)]));
    let used = given(&[receive(&[("A", 1)]), issue(&[("A", 1)])]);
    assert_eq!(when(&used, scaled()), Err(Rejection::ItemInUse { sku: "A".parse().unwrap() }));
}

#[test]
fn a_new_location_gets_the_defaults_and_is_changed_by_what_is_given() {
    let events = when(&Inventory::default(), Command::RegisterLocation(locate("WEST")));
    assert_eq!(events, Ok(vec![Event::LocationRegistered(location("WEST"))]));
    let kind = "warehouse".parse().ok();
    let command = RegisterLocation { kind: kind.clone(), ..locate("MAIN") };
    let after = LocationDetails { kind, ..location("MAIN") };
    assert_eq!(
        when(&given(&[]), Command::RegisterLocation(command)),
        Ok(vec![Event::LocationChanged(after)])
    );
}

#[test]
fn received_stock_adds_up_line_by_line() {
    let events = when(&given(&[receive(&[("A", 5)])]), receive(&[("A", 2), ("B", 9), ("A", 3)]));
    assert_eq!(on_hand_after(&events.unwrap()), [7, 9, 10]);
}

#[test]
fn stock_of_an_unknown_item_or_at_an_unknown_location_is_refused() {
    let sku = "C".parse().unwrap();
    assert_eq!(
        when(&given(&[]), receive(&[("A", 1), ("C", 1)])),
        Err(Rejection::UnknownSku { sku })
    );
    let nowhere = StockLine { location: "WEST".parse().unwrap(), ..line("A", 1) };
    let command = ReceiveStock { lines: vec![nowhere], cause: Cause::default() };
    assert_eq!(
        when(&given(&[]), Command::ReceiveStock(command)),
        Err(Rejection::UnknownLocation { location: "WEST".parse().unwrap() })
    );
}

#[test]
fn issuing_all_that_is_available_leaves_zero() {
    let events = when(&given(&[receive(&[("A", 5)])]), issue(&[("A", 2), ("A", 3)]));
    assert_eq!(on_hand_after(&events.unwrap()), [3, 0]);
}

#[test]
fn lines_that_name_one_stream_are_added_up_before_the_check() {
    let refused = when(&given(&[receive(&[("A", 5)])]), issue(&[("A", 3), ("A", 3)]));
    assert_eq!(refused, Err(Rejection::InsufficientStock { lines: vec![short("A", 6, 5)] }));
}

#[test]
fn a_refusal_names_every_short_line_and_only_those() {
    let inventory = given(&[receive(&[("A", 5), ("B", 1)])]);
    let refused = when(&inventory, issue(&[("B", 2), ("A", 5)]));
    assert_eq!(refused, Err(Rejection::InsufficientStock { lines: vec![short("B", 2, 1)] }));
    let refused = when(&inventory, issue(&[("B", 2), ("A", 6)]));
    let lines = vec![short("B", 2, 1), short("A", 6, 5)];
    assert_eq!(refused, Err(Rejection::InsufficientStock { lines }));
}

#[test]
fn adjusting_below_what_is_available_needs_an_accepted_shortage() {
    let mut inventory = given(&[receive(&[("A", 5)])]);
    let after = Figures { on_hand: 5, reserved: 0, allocated: 4 };
    inventory.evolve(&Event::StockAdjusted(shared_events::event::StockAdjusted {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        delta: 1,
        after,
        cause: Cause::default(),
    }));
    let refused = when(&inventory, adjust(&[("A", -3)], false));
    assert_eq!(refused, Err(Rejection::InsufficientStock { lines: vec![short("A", 3, 1)] }));
    let Ok(events) = when(&inventory, adjust(&[("A", -3)], true)) else { panic!("accepted") };
    let [Event::StockAdjusted(adjusted)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((adjusted.after.on_hand, adjusted.after.available()), (2, -2));
}

#[test]
fn no_adjustment_leaves_less_than_nothing_not_even_between_its_lines() {
    let inventory = given(&[receive(&[("A", 3)])]);
    for accept_shortage in [false, true] {
        let refused = when(&inventory, adjust(&[("A", -4), ("A", 5)], accept_shortage));
        assert_eq!(refused, Err(Rejection::InsufficientStock { lines: vec![short("A", 4, 3)] }));
        let refused = when(&inventory, adjust(&[("A", 5), ("A", -10)], accept_shortage));
        assert_eq!(refused, Err(Rejection::InsufficientStock { lines: vec![short("A", 10, 8)] }));
    }
    let events = when(&inventory, adjust(&[("A", 5), ("A", -8)], false));
    assert_eq!(on_hand_after(&events.unwrap()), [8, 0]);
}

#[test]
fn a_figure_never_passes_the_largest_exact_integer() {
    let inventory = given(&[receive(&[("A", AMOUNT_MAX - 1)])]);
    assert!(when(&inventory, receive(&[("A", 1)])).is_ok());
    let overflow = Rejection::QuantityOverflow {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
    };
    assert_eq!(when(&inventory, receive(&[("A", 1), ("A", 1)])), Err(overflow.clone()));
    assert_eq!(when(&inventory, adjust(&[("A", 2)], false)), Err(overflow));
    let many = [("A", AMOUNT_MAX); 5_000];
    assert!(matches!(when(&inventory, issue(&many)), Err(Rejection::InsufficientStock { .. })));
}

#[test]
fn a_precondition_that_does_not_hold_is_refused_with_both_values() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let conflict = Rejection::VersionConflict { expected: Version(2), actual: Version(1) };
    let at = |version| StockLine { expected_version: Some(Version(version)), ..line("A", 1) };
    let issue_at =
        |version| IssueStock { lines: vec![at(version)], purpose: None, cause: Cause::default() };
    assert!(when(&inventory, Command::IssueStock(issue_at(1))).is_ok());
    assert_eq!(when(&inventory, Command::IssueStock(issue_at(2))), Err(conflict.clone()));
    let item_at_2 = RegisterItem { expected_version: Some(Version(2)), ..register("A") };
    assert_eq!(when(&inventory, Command::RegisterItem(item_at_2)), Err(conflict));

    let Command::AdjustStock(mut command) = adjust(&[("A", -1)], false) else { unreachable!() };
    command.lines[0].expected_quantity = Some(6);
    assert_eq!(
        when(&inventory, Command::AdjustStock(command)),
        Err(Rejection::StaleQuantity { expected: 6, actual: 5 })
    );
}

#[test]
fn an_event_cannot_have_occurred_before_1970_or_in_the_future() {
    let inventory = given(&[]);
    let at = |occurred_at: &str| {
        let occurred_at: Timestamp = occurred_at.parse().unwrap();
        let request = Request { command: receive(&[("A", 1)]), occurred_at: Some(occurred_at) };
        decide(&inventory, &request, NOW.parse().unwrap())
    };
    assert!(at("1970-01-01T00:00:00Z").is_ok());
    assert!(at("2026-01-01T12:05:00Z").is_ok());
    for implausible in ["1969-12-31T23:59:59.999999Z", "2026-01-01T12:05:00.000001Z"] {
        assert!(
            matches!(at(implausible), Err(Rejection::OccurredAtOutOfRange { .. })),
            "{implausible}"
        );
    }
}
