//! Steps of a confirmed reservation.

use super::*;

/// Five of A and two of B, of which one reservation has three and two allocated.
fn confirmed() -> Inventory {
    let reserved = reserving(1, &[("A", 3), ("B", 2)]);
    given(&[receive(&[("A", 5), ("B", 2)]), reserved, step(1, Step::Confirm)])
}

fn cancel(asked: &[(u32, i64)]) -> Command {
    step(1, Step::Cancel(Some(parts(asked))))
}

fn fulfil(asked: &[(u32, i64)]) -> Command {
    step(1, Step::Fulfil(Some(parts(asked))))
}

fn return_parts(asked: &[(u32, i64)]) -> Command {
    step(1, Step::Return(parts(asked)))
}

#[test]
fn fulfilling_removes_the_allocated_stock() {
    let mut inventory = confirmed();
    let events = then(&mut inventory, 0, step(1, Step::Fulfil(None)));
    assert_eq!(types(&events), ["ReservationFulfilled", "StockFulfilled", "StockFulfilled"]);
    assert_eq!(figures_after(&events), [[2, 0, 0], [0, 0, 0]]);
    assert_eq!(own_step(&events).parts, parts(&[(1, 3), (2, 2)]));
    assert_eq!(own_step(&events).after.status, ReservationStatus::Fulfilled);
    let again = when(&inventory, step(1, Step::Fulfil(None)));
    assert_eq!(again, wrong_state(ReservationStatus::Fulfilled), "goods are never fulfilled twice");
}

#[test]
fn fulfilling_in_parts_ends_when_nothing_is_open() {
    let mut inventory = confirmed();
    let events = then(&mut inventory, 0, fulfil(&[(1, 1), (1, 1)]));
    assert_eq!(own_step(&events).after.status, ReservationStatus::Confirmed);
    assert_eq!(figures_after(&events), [[3, 0, 1]]);
    let over = Rejection::OverFulfil { part: Excess { line: 1, asked: 2, possible: 1 } };
    assert_eq!(when(&inventory, fulfil(&[(1, 2)])), Err(over));
    let events = then(&mut inventory, 0, step(1, Step::Fulfil(None)));
    assert_eq!(own_step(&events).parts, parts(&[(1, 1), (2, 2)]));
    assert_eq!(own_step(&events).after.status, ReservationStatus::Fulfilled);
}

#[test]
fn missing_stock_cannot_be_fulfilled() {
    let mut inventory = confirmed();
    then(&mut inventory, 0, adjust(&[("A", -4)], true));
    let refused = when(&inventory, step(1, Step::Fulfil(None)));
    assert_eq!(refused, insufficient(vec![short("A", 3, 1)]));
    let events = when(&inventory, fulfil(&[(1, 1), (2, 2)])).unwrap();
    assert_eq!(figures_after(&events), [[0, 0, 2], [0, 0, 0]]);
}

#[test]
fn cancelling_all_deallocates_once() {
    let mut inventory = confirmed();
    let events = then(&mut inventory, 0, step(1, Step::Cancel(None)));
    assert_eq!(types(&events), ["ReservationCancelled", "StockDeallocated", "StockDeallocated"]);
    assert_eq!(figures_after(&events), [[5, 0, 0], [2, 0, 0]]);
    let after = &own_step(&events).after;
    assert_eq!(after.status, ReservationStatus::Cancelled);
    assert_eq!((after.lines[0].released, after.lines[1].released), (3, 2));
    assert_eq!(
        when(&inventory, step(1, Step::Cancel(None))),
        Ok(vec![]),
        "the second time changes nothing"
    );
    assert_eq!(when(&inventory, cancel(&[(1, 1)])), wrong_state(ReservationStatus::Cancelled));
}

#[test]
fn cancelling_the_rest_of_a_partly_fulfilled_reservation_leaves_it_fulfilled() {
    let mut inventory = confirmed();
    then(&mut inventory, 0, fulfil(&[(1, 2)]));
    let events = then(&mut inventory, 0, step(1, Step::Cancel(None)));
    assert_eq!(own_step(&events).parts, parts(&[(1, 1), (2, 2)]));
    assert_eq!(own_step(&events).after.status, ReservationStatus::Fulfilled);
    assert_eq!(
        when(&inventory, step(1, Step::Cancel(None))),
        Ok(vec![]),
        "the second time changes nothing"
    );
}

#[test]
fn a_fulfilled_reservation_is_not_cancelled() {
    let mut inventory = confirmed();
    then(&mut inventory, 0, step(1, Step::Fulfil(None)));
    let refused = when(&inventory, step(1, Step::Cancel(None)));
    assert_eq!(refused, wrong_state(ReservationStatus::Fulfilled));
}

#[test]
fn cancelling_more_than_is_allocated_is_rejected() {
    let mut inventory = confirmed();
    then(&mut inventory, 0, cancel(&[(1, 1)]));
    let over = Rejection::OverRelease { part: Excess { line: 1, asked: 3, possible: 2 } };
    assert_eq!(when(&inventory, cancel(&[(1, 3)])), Err(over));
    let events = when(&inventory, cancel(&[(1, 2), (2, 2)])).unwrap();
    assert_eq!(own_step(&events).after.status, ReservationStatus::Cancelled);
}

#[test]
fn returned_goods_become_available_and_the_status_stays() {
    let mut inventory = confirmed();
    then(&mut inventory, 0, fulfil(&[(1, 3)]));
    let events = then(&mut inventory, 0, return_parts(&[(1, 2)]));
    assert_eq!(types(&events), ["ReservationReturned", "StockReturned"]);
    assert_eq!(figures_after(&events), [[4, 0, 0]]);
    assert_eq!(
        own_step(&events).after.status,
        ReservationStatus::Confirmed,
        "B is still allocated"
    );
    then(&mut inventory, 0, fulfil(&[(2, 2)]));
    let events = then(&mut inventory, 0, return_parts(&[(1, 1), (2, 1)]));
    let after = &own_step(&events).after;
    assert_eq!(after.status, ReservationStatus::Fulfilled);
    assert_eq!((after.lines[0].fulfilled, after.lines[0].returned), (3, 3));
}

#[test]
fn returning_more_than_was_fulfilled_is_rejected() {
    let mut inventory = confirmed();
    let over = |line, asked, possible| {
        Err(Rejection::OverReturn { part: Excess { line, asked, possible } })
    };
    assert_eq!(when(&inventory, return_parts(&[(1, 1)])), over(1, 1, 0));
    then(&mut inventory, 0, fulfil(&[(1, 3)]));
    then(&mut inventory, 0, return_parts(&[(1, 2)]));
    assert_eq!(when(&inventory, return_parts(&[(1, 1), (1, 1)])), over(1, 2, 1));
}

#[test]
fn a_return_of_a_retired_item_or_beyond_the_largest_figure_is_rejected() {
    let mut inventory = confirmed();
    then(&mut inventory, 0, step(1, Step::Fulfil(None)));
    let mut full = inventory.clone();
    then(&mut inventory, 0, issue(&[("A", 2)]));
    then(&mut inventory, 0, retire("A"));
    let retired = Rejection::ItemRetired { sku: "A".parse().unwrap() };
    assert_eq!(when(&inventory, return_parts(&[(1, 1)])), Err(retired));
    then(&mut full, 0, set(AMOUNT_MAX, None, false));
    let overflow = Rejection::QuantityOverflow {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
    };
    assert_eq!(when(&full, return_parts(&[(1, 1)])), Err(overflow));
}

#[test]
fn a_confirmed_reservation_is_not_extended_or_released() {
    let inventory = confirmed();
    for one in [Step::Extend { ttl_seconds: 60 }, Step::Release(None)] {
        assert_eq!(when(&inventory, step(1, one)), wrong_state(ReservationStatus::Confirmed));
    }
}

#[test]
fn a_step_without_parts_changes_nothing() {
    assert_eq!(when(&confirmed(), fulfil(&[])), Ok(vec![]));
    assert_eq!(when(&confirmed(), return_parts(&[])), Ok(vec![]));
}
