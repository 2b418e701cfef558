//! Items and locations.

use super::*;

#[test]
fn a_new_item_gets_the_defaults() {
    let events = when(&Inventory::default(), Command::RegisterItem(register("A")));
    assert_eq!(events, Ok(vec![Event::ItemRegistered(item("A"))]));
}

#[test]
fn changing_an_item_keeps_the_members_that_are_absent() {
    let mut inventory = given(&[]);
    fold(&mut inventory, &[Event::ItemChanged(ItemDetails { reorder_point: 7, ..item("A") })]);
    let named = RegisterItem { name: Some("Lantern".to_owned()), ..register("A") };
    let after = ItemDetails { name: "Lantern".to_owned(), reorder_point: 7, ..item("A") };
    assert_eq!(when(&inventory, Command::RegisterItem(named)), Ok(vec![Event::ItemChanged(after)]));
}

#[test]
fn registering_again_with_the_same_values_makes_no_event() {
    let inventory = given(&[]);
    assert_eq!(when(&inventory, Command::RegisterItem(register("A"))), Ok(vec![]));
    assert_eq!(when(&inventory, Command::RegisterLocation(locate("MAIN"))), Ok(vec![]));
}

#[test]
fn what_must_exist_is_not_created_and_what_must_not_exist_is_not_changed() {
    let inventory = given(&[]);
    let must_exist = Some(Precondition::Exists);
    let must_be_new = Some(Precondition::Version(Version(0)));
    let item = |sku, precondition| {
        let command = RegisterItem { precondition, name: Some("New".to_owned()), ..register(sku) };
        when(&inventory, Command::RegisterItem(command))
    };
    assert_eq!(item("NEW", must_exist), Err(Rejection::NoHistory {}));
    assert!(item("A", must_exist).is_ok());
    assert!(item("NEW", must_be_new).is_ok());
    let exists = Rejection::VersionConflict { expected: Version(0), actual: Version(1) };
    assert_eq!(item("A", must_be_new), Err(exists.clone()));
    let location = |code, precondition| {
        let command = RegisterLocation { precondition, ..locate(code) };
        when(&inventory, Command::RegisterLocation(command))
    };
    assert_eq!(location("NEW", must_exist), Err(Rejection::NoHistory {}));
    assert_eq!(location("MAIN", must_be_new), Err(exists));
    let count = |precondition| {
        let Command::SetStock(command) = set(3, None, false) else { unreachable!() };
        when(&inventory, Command::SetStock(SetStock { precondition, ..command }))
    };
    assert_eq!(count(must_exist), Err(Rejection::NoHistory {}));
    assert!(count(must_be_new).is_ok());
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
fn a_new_location_gets_the_defaults_and_a_known_one_is_changed() {
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
fn an_item_is_retired_only_without_stock_at_any_location() {
    let sku = || "A".parse().unwrap();
    let inventory = given(&[receive(&[("A", 5)]), moving(&[("A", "MAIN", "WEST", 5)])]);
    assert_eq!(when(&inventory, retire("A")), Err(Rejection::ItemHasStock { sku: sku() }));
    assert!(when(&inventory, retire("B")).is_ok(), "B never had stock");
    assert_eq!(
        when(&inventory, retire("C")),
        Err(Rejection::UnknownSku { sku: "C".parse().unwrap() })
    );
}

#[test]
fn a_retired_item_is_neither_changed_nor_stocked_again() {
    let sku = || "A".parse().unwrap();
    let inventory = given(&[receive(&[("A", 1)]), issue(&[("A", 1)]), retire("A")]);
    let retired = || Err(Rejection::ItemRetired { sku: sku() });
    assert_eq!(when(&inventory, retire("A")), Ok(vec![]), "the second time changes nothing");
    assert_eq!(when(&inventory, Command::RegisterItem(register("A"))), retired());
    assert_eq!(when(&inventory, receive(&[("A", 1)])), retired());
    assert_eq!(when(&inventory, adjust(&[("A", 1)], false)), retired());
    assert_eq!(when(&inventory, set(1, None, false)), retired());
}

#[test]
fn a_reinstated_item_is_as_it_was_and_traded_again() {
    let mut inventory = given(&[receive(&[("A", 1)]), issue(&[("A", 1)])]);
    fold(&mut inventory, &[Event::ItemChanged(ItemDetails { reorder_point: 7, ..item("A") })]);
    assert_eq!(when(&inventory, reinstate("A")), Ok(vec![]), "it is traded");
    then(&mut inventory, 0, retire("A"));
    let events = then(&mut inventory, 0, reinstate("A"));
    let [Event::ItemReinstated(reinstated)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(reinstated.after, ItemDetails { reorder_point: 7, ..item("A") });
    assert_eq!(when(&inventory, reinstate("A")), Ok(vec![]), "the second time changes nothing");
    assert!(when(&inventory, receive(&[("A", 1)])).is_ok());
    let scaled = RegisterItem { scale: Some(2), ..register("A") };
    let in_use = Rejection::ItemInUse { sku: "A".parse().unwrap() };
    assert_eq!(when(&inventory, Command::RegisterItem(scaled)), Err(in_use), "its stock is known");
    let unknown = Rejection::UnknownSku { sku: "C".parse().unwrap() };
    assert_eq!(when(&inventory, reinstate("C")), Err(unknown));
}
