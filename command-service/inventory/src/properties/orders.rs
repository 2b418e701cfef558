//! Every order of the steps of a reservation.

use super::rules::check_reservations;
use crate::spec::commands::{id, parts, receive, reserving, step};
use crate::spec::{at, fold, given, when_at};
use crate::*;

/// The stock of A before the reservation, whose lines hold four and three.
const START: i64 = 9;

const DEPTH: usize = 7;

fn steps() -> [Step; 9] {
    [
        Step::Confirm,
        Step::Extend { ttl_seconds: 90 },
        Step::Release(Some(parts(&[(1, 2)]))),
        Step::Release(None),
        Step::Cancel(Some(parts(&[(1, 1), (2, 1)]))),
        Step::Cancel(None),
        Step::Fulfil(Some(parts(&[(1, 1), (2, 2)]))),
        Step::Fulfil(None),
        Step::Return(parts(&[(1, 1)])),
    ]
}

#[test]
fn no_order_of_steps_raises_a_figure_above_the_start_or_below_zero() {
    let begun = given(&[receive(&[("A", START)]), reserving(1, &[("A", 4), ("A", 3)])]);
    let mut accepted = vec![0; steps().len()];
    follow(&begun, DEPTH, &mut accepted);
    assert!(accepted.iter().all(|times| *times > 0), "{accepted:?} of {:?}", steps());
}

/// Takes every step from here, and again every step after each one that changed something.
fn follow(inventory: &Inventory, depth: usize, accepted: &mut [usize]) {
    check(inventory);
    if depth == 0 {
        return;
    }
    for (index, one) in steps().into_iter().enumerate() {
        let events = when_at(inventory, 0, step(1, one)).unwrap_or_default();
        if !events.is_empty() {
            accepted[index] += 1;
            let mut next = inventory.clone();
            fold(&mut next, &events);
            follow(&next, depth - 1, accepted);
        }
    }
}

fn check(inventory: &Inventory) {
    check_reservations(inventory, at(0));
    let figures = inventory.stock(&"A".parse().unwrap(), &"MAIN".parse().unwrap()).figures;
    let lines =
        inventory.reservation(&id(1)).and_then(|state| state.details.clone()).unwrap().lines;
    let gone: i64 = lines.iter().map(|line| line.fulfilled - line.returned).sum();
    assert_eq!(figures.on_hand, START - gone);
    assert!((START - 7..=START).contains(&figures.available()), "{figures:?}");
    assert!(figures.reserved >= 0 && figures.allocated >= 0, "{figures:?}");
}
