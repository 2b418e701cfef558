//! What is wrong with a log or a view is named: what, where, and by which event.

use serde_json::value::RawValue;
use shared_events::lane::{EventId, Lane, Position, Version};

use super::Scope;
use super::case::Case;
use super::difference::{Difference, Kind};
use super::rows::{FigureRow, MovementRow};
use crate::pipeline::checkpoint::Checkpoint;
use crate::sample_log::Log;
use crate::sample_log::Step;

/// Two items at a location, one of them sold and reserved.
fn case() -> Case {
    let mut log = Log::with_lanes(1);
    log.register_location("MAIN");
    log.register_item("A", 5);
    log.register_item("B", 0);
    log.receive("A", "MAIN", 10);
    log.receive("B", "MAIN", 7);
    log.issue("A", "MAIN", 2);
    let which = log.reserve(&[("A", "MAIN", 3, 3)]);
    let whole = log.whole(which, Step::Confirm);
    log.step(which, Step::Confirm, &whole);
    log.retire_item("B");
    Case::of(&log, 1, Lane(0))
}

fn event(position: i64) -> Option<EventId> {
    Some(EventId(Lane(0), Position(position)))
}

#[track_caller]
fn assert_named(found: &Difference, what: Kind, stream: &str, at: i64, member: Option<&str>) {
    let named = (found.what, found.stream.as_deref(), found.event, found.member.as_deref());
    assert_eq!(named, (what, Some(stream), event(at), member), "{found}");
}

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("JSON")
}

#[test]
fn a_log_and_its_views_have_no_difference() {
    assert_eq!(case().differences(&Scope::Lane), []);
    assert_eq!(case().differences(&Scope::Sku("A".parse().expect("a sku"))), []);
}

#[test]
fn a_byte_changed_in_an_event_breaks_the_chain_there() {
    let mut case = case();
    let data = case.log[5].data.get().replace("\"quantity\":2", "\"quantity\":3");
    case.events()[5].data = raw(data);
    assert_named(&case.first(), Kind::Chain, "stock/A/MAIN", 6, None);
    let of_sku = case.differences(&Scope::Sku("A".parse().expect("a sku")));
    assert_named(&of_sku[0], Kind::Chain, "stock/A/MAIN", 6, None);
}

#[test]
fn a_forged_event_contradicts_the_figures_or_what_the_views_applied() {
    let mut forged = case();
    let data = forged.log[5].data.get().replace("\"quantity\":2", "\"quantity\":3");
    forged.events()[5].data = raw(data);
    forged.rechain();
    let first = forged.first();
    assert_named(&first, Kind::FiguresAfter, "stock/A/MAIN", 6, Some("on_hand"));
    assert_eq!((first.expected.as_str(), first.found.as_str()), ("7", "8"));

    let mut forged = case();
    forged.events()[9].actor = Some("mallory".parse().expect("a label"));
    forged.rechain();
    forged.movements.iter_mut().find(|row| row.position == Position(10)).expect("a row").actor =
        Some("mallory".to_owned());
    let found = forged.differences(&Scope::Lane);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].what, found[0].event), (Kind::Checkpoint, event(11)));
}

#[test]
fn lost_repeated_and_misplaced_events_are_named() {
    let mut lost = case();
    lost.events().remove(5);
    let first = lost.first();
    assert_eq!((first.what, first.event, first.expected), (Kind::Position, event(7), "0-6".into()));
    let mut cut = case();
    cut.events().truncate(8);
    let first = cut.first();
    assert_eq!((first.what, first.event), (Kind::Position, event(9)));
    let mut stray = case();
    stray.events()[5].stream = "stock/B/MAIN".parse().expect("a stream");
    stray.events()[5].version = Version(2);
    stray.rechain();
    assert_named(&stray.first(), Kind::Stream, "stock/B/MAIN", 6, None);
    let mut twice = case();
    twice.events()[5].version = Version(1);
    twice.rechain();
    let first = twice.first();
    assert_named(&first, Kind::Version, "stock/A/MAIN", 6, None);
    assert_eq!((first.expected.as_str(), first.found.as_str()), ("2", "1"));
}

#[test]
fn a_figure_below_zero_is_named_though_it_adds_up() {
    let mut log = Log::with_lanes(1);
    log.receive("A", "MAIN", 1);
    log.issue("A", "MAIN", 3);
    let first = Case::of(&log, 1, Lane(0)).first();
    assert_named(&first, Kind::FiguresAfter, "stock/A/MAIN", 2, Some("on_hand"));
    assert_eq!((first.expected.as_str(), first.found.as_str()), ("0 or more", "-2"));
}

#[test]
fn a_changed_row_is_named_with_its_column_and_the_last_event_it_shows() {
    let mut level = case();
    level.level("A").figures.reserved = 1;
    let first = level.first();
    assert_named(&first, Kind::Level, "stock/A/MAIN", 10, Some("reserved"));
    assert_eq!((first.expected.as_str(), first.found.as_str()), ("0", "1"));

    let mut reorder_point = case();
    reorder_point.level("A").reorder_point = Some(6);
    assert_named(&reorder_point.first(), Kind::Level, "stock/A/MAIN", 10, Some("reorder_point"));

    let mut total = case();
    total.totals[1].version = Version(9);
    let first = total.first();
    assert_eq!((first.what, first.sku.as_deref(), first.event), (Kind::Total, Some("B"), event(5)));

    let mut movement = case();
    movement.movements[2].delta.on_hand = -3;
    assert_named(&movement.first(), Kind::Movement, "stock/A/MAIN", 6, Some("on_hand_delta"));

    let mut item = case();
    item.row_of("item/A").members[0].1 = "another".to_owned();
    assert_named(&item.first(), Kind::Item, "item/A", 2, Some("name"));
    let mut retired = case();
    retired.row_of("item/B").retired = false;
    assert_named(&retired.first(), Kind::Item, "item/B", 11, Some("retired"));

    let mut reservation = case();
    reservation.row_of("reservation/").members[1].1 = "held".to_owned();
    let first = reservation.first();
    assert_eq!((first.what, first.event), (Kind::Reservation, event(9)));
    assert_eq!((first.expected.as_str(), first.found.as_str()), ("confirmed", "held"));
}

#[test]
fn rows_that_are_missing_or_too_many_are_named() {
    let mut level = case();
    level.levels.remove(0);
    assert_named(&level.first(), Kind::Level, "stock/A/MAIN", 10, None);
    let mut extra = case();
    let row = FigureRow { sku: "C".to_owned(), ..extra.levels[0].clone() };
    extra.levels.push(row);
    let first = extra.first();
    assert_eq!((first.what, first.stream.as_deref()), (Kind::Level, Some("stock/C/MAIN")));
    let mut movement = case();
    movement.movements.remove(2);
    assert_named(&movement.first(), Kind::Movement, "stock/A/MAIN", 6, None);
    let mut invented = case();
    let row = MovementRow { position: Position(2), ..invented.movements[0].clone() };
    invented.movements.push(row);
    assert_named(&invented.first(), Kind::Movement, "item/A", 2, None);
    let mut location = case();
    location.described.retain(|row| row.stream != "location/MAIN");
    assert_named(&location.first(), Kind::Location, "location/MAIN", 1, None);
}

#[test]
fn what_an_operator_skipped_is_not_expected_of_the_views() {
    let mut skipped = case();
    skipped.skipped = vec![Position(6), Position(11)];
    skipped.project();
    assert_eq!(skipped.differences(&Scope::Lane), []);
    skipped.skipped.clear();
    assert_named(&skipped.first(), Kind::Movement, "stock/A/MAIN", 6, None);
}

#[test]
fn the_event_after_a_skipped_one_that_cannot_be_read_tells_the_figures_anew() {
    let mut unread = case();
    unread.events()[5].event_type = "StockSealed".to_owned();
    unread.rechain();
    unread.checkpoint = unread.log.last().map(Checkpoint::after).expect("an event");
    assert_named(&unread.first(), Kind::Data, "stock/A/MAIN", 6, None);
    unread.skipped = vec![Position(6)];
    unread.project_readable();
    assert_eq!(unread.differences(&Scope::Lane), []);
}
