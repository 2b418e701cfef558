//! What each event adds: given a log, when it is folded, then these days.

use crate::projection::changes::Unfit;
use crate::projection::daily_flow::{Changes, Flow};
use crate::projection::stock::sample::hold::Step;
use crate::projection::stock::sample::{Log, at};

const DAY: i64 = 86_400;

fn given(tell: impl FnOnce(&mut Log)) -> Changes {
    let mut log = Log::with_lanes(1);
    tell(&mut log);
    let mut changes = Changes::default();
    for recorded in &log.events {
        let event = recorded.event().expect("an event of today");
        changes.fold(recorded, &event).expect("an event that fits");
    }
    changes
}

/// The days of the only item, from the first day there is.
fn days(changes: &Changes) -> Vec<(String, Flow)> {
    changes.days.iter().map(|((_, day), (_, flow))| (day.to_string(), *flow)).collect()
}

fn flow(incoming: i64, outgoing: i64, returned: i64, adjusted: i64) -> Flow {
    Flow { incoming, outgoing, returned, adjusted }
}

#[test]
fn goods_that_come_and_go_are_counted_to_their_kind() {
    let changes = given(|log| {
        log.register_item("A", 0);
        log.receive("A", "MAIN", 20);
        log.issue("A", "MAIN", 3);
        log.adjust("A", "MAIN", -2);
        log.set("A", "MAIN", 1);
        log.reverse("A", "MAIN", -4);
    });
    assert_eq!(days(&changes), [("1970-01-01".to_owned(), flow(20, 3, 0, -5))]);
    let counted: Vec<i64> = changes.items.values().map(|counted| counted.events).collect();
    assert_eq!(counted, [6]);
}

#[test]
fn an_event_is_counted_to_the_day_it_happened_on_however_late_it_is_recorded() {
    let changes = given(|log| {
        log.happened_at(at(2 * DAY));
        log.receive("A", "MAIN", 20);
        log.happened_at(at(2 * DAY - 1));
        log.receive("A", "MAIN", 5);
        log.happened_at(at(3 * DAY - 1));
        log.issue("A", "MAIN", 1);
    });
    let expected =
        [("1970-01-02".to_owned(), flow(5, 0, 0, 0)), ("1970-01-03".to_owned(), flow(20, 1, 0, 0))];
    assert_eq!(days(&changes), expected);
}

#[test]
fn a_promise_counts_when_it_goes_out_and_when_it_comes_back() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 20);
        let which = log.reserve(&[("A", "MAIN", 4, 4)]);
        for step in [Step::Confirm, Step::Fulfil, Step::Return] {
            let whole = log.whole(which, step);
            log.step(which, step, &whole);
        }
    });
    assert_eq!(days(&changes), [("1970-01-01".to_owned(), flow(20, 4, 4, 0))]);
}

#[test]
fn a_move_brings_and_takes_nothing() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 20);
        log.move_stock("A", "MAIN", "SHOP", 7);
    });
    assert_eq!(days(&changes), [("1970-01-01".to_owned(), flow(20, 0, 0, 0))]);
}

#[test]
fn a_day_beyond_64_bits_is_refused_and_changes_nothing() {
    let mut log = Log::with_lanes(1);
    log.receive("A", "MAIN", i64::MAX);
    log.receive("A", "SHOP", 1);
    let mut changes = Changes::default();
    let fold = |changes: &mut Changes, nth: usize| {
        let event = log.events[nth].event().expect("an event of today");
        changes.fold(&log.events[nth], &event)
    };
    assert_eq!(fold(&mut changes, 0), Ok(()));
    let before = changes.clone();
    assert_eq!(fold(&mut changes, 1), Err(Unfit::Overflow));
    assert_eq!(changes, before);
}
