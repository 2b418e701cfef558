//! A wrong log or view is reported with what differs, in which stream, and at which event.

use serde_json::value::RawValue;
use shared_events::lane::{EventId, Lane, Position, Version};

use super::Scope;
use super::fixture::Fixture;
use crate::integrity::difference::{Difference, Kind};
use crate::integrity::rows::{MovementRow, TableRow, WaiterRow};
use crate::sample_log::Log;
use crate::sample_log::{Step, TransferChange, WaitStep};

/// Two items at a location, one of them sold and reserved.
fn fixture() -> Fixture {
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
    Fixture::of(&log, 1, Lane(0))
}

/// The fixture after some damage.
fn damaged(damage: impl FnOnce(&mut Fixture)) -> Fixture {
    let mut fixture = fixture();
    damage(&mut fixture);
    fixture
}

fn event(position: i64) -> Option<EventId> {
    Some(EventId(Lane(0), Position(position)))
}

fn sku_a() -> Scope {
    Scope::Sku("A".parse().expect("a sku"))
}

#[track_caller]
fn assert_reported(found: &Difference, what: Kind, stream: &str, at: i64, member: Option<&str>) {
    let reported = (found.what, found.stream.as_deref(), found.event, found.member.as_deref());
    assert_eq!(reported, (what, Some(stream), event(at), member), "{found}");
}

#[track_caller]
fn assert_values(found: &Difference, expected: &str, actual: &str) {
    assert_eq!((found.expected.as_str(), found.found.as_str()), (expected, actual));
}

fn change_quantity(fixture: &mut Fixture) {
    let data = fixture.log[5].data.get().replace("\"quantity\":2", "\"quantity\":3");
    fixture.log[5].data = RawValue::from_string(data).expect("JSON");
}

#[test]
fn a_log_and_its_views_have_no_difference() {
    assert_eq!(fixture().differences(&Scope::Lane), []);
    assert_eq!(fixture().differences(&sku_a()), []);
}

#[test]
fn a_byte_changed_in_an_event_breaks_the_chain_there() {
    let changed = damaged(change_quantity);
    for scope in [Scope::Lane, sku_a()] {
        let first = &changed.differences(&scope)[0];
        assert_reported(first, Kind::Chain, "stock/A/MAIN", 6, None);
    }
}

#[test]
fn a_forged_event_contradicts_the_figures_or_the_checkpoint() {
    let mut forged = damaged(change_quantity);
    forged.rechain();
    let first = forged.first();
    assert_reported(&first, Kind::FiguresAfter, "stock/A/MAIN", 6, Some("on_hand"));
    assert_values(&first, "7", "8");

    let forged = damaged(|fixture| {
        fixture.log[9].actor = Some("mallory".parse().expect("a label"));
        fixture.rechain();
        let mut rows = fixture.movements.iter_mut();
        rows.find(|row| row.position == 10).expect("a row").actor = Some("mallory".to_owned());
    });
    let found = forged.differences(&Scope::Lane);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].what, found[0].event), (Kind::Checkpoint, event(11)));
}

#[test]
fn lost_repeated_and_misplaced_events_are_reported() {
    let first = damaged(|fixture| drop(fixture.log.remove(5))).first();
    assert_eq!((first.what, first.event), (Kind::Position, event(7)));
    assert_values(&first, "0-6", "0-7");
    let first = damaged(|fixture| fixture.log.truncate(8)).first();
    assert_eq!((first.what, first.event), (Kind::Position, event(9)));
    let misplaced = damaged(|fixture| {
        fixture.log[5].stream = "stock/B/MAIN".parse().expect("a stream");
        fixture.log[5].version = Version(2);
        fixture.rechain();
    });
    assert_reported(&misplaced.first(), Kind::Stream, "stock/B/MAIN", 6, None);
    let repeated = damaged(|fixture| {
        fixture.log[5].version = Version(1);
        fixture.rechain();
    });
    assert_reported(&repeated.first(), Kind::Version, "stock/A/MAIN", 6, None);
    assert_values(&repeated.first(), "2", "1");
}

#[test]
fn a_changed_row_is_reported_with_its_column_and_its_last_event() {
    type Case = (fn(&mut Fixture), Kind, &'static str, i64, &'static str);
    let stock = "stock/A/MAIN";
    let cases: [Case; 8] = [
        (
            |it| it.row(Kind::Level, "stock/A").contents[1] = "1".into(),
            Kind::Level,
            stock,
            10,
            "reserved",
        ),
        (
            |it| it.row(Kind::Level, "stock/A").contents[3] = "6".into(),
            Kind::Level,
            stock,
            10,
            "incoming",
        ),
        (
            |it| it.row(Kind::Level, "stock/A").contents[4] = "6".into(),
            Kind::Level,
            stock,
            10,
            "waiting",
        ),
        (
            |it| it.row(Kind::Level, "stock/A").contents[5] = "6".into(),
            Kind::Level,
            stock,
            10,
            "reorder_point",
        ),
        (|it| it.row(Kind::Level, "stock/A").version = 9, Kind::Level, stock, 10, "version"),
        (|it| it.movements[2].on_hand_delta = -3, Kind::Movement, stock, 6, "on_hand_delta"),
        (
            |it| it.row(Kind::Item, "item/A").contents[0] = "another".into(),
            Kind::Item,
            "item/A",
            2,
            "name",
        ),
        (|it| it.row(Kind::Item, "item/B").retired = false, Kind::Item, "item/B", 11, "retired"),
    ];
    for (damage, what, stream, at, member) in cases {
        assert_reported(&damaged(damage).first(), what, stream, at, Some(member));
    }
    let total = damaged(|fixture| fixture.row(Kind::Total, "B").version = 9).first();
    assert_eq!((total.what, total.sku.as_deref(), total.event), (Kind::Total, Some("B"), event(5)));
    let changed = |it: &mut Fixture| it.row(Kind::Reservation, "").contents[1] = "held".into();
    let reservation = damaged(changed).first();
    assert_eq!((reservation.what, reservation.event), (Kind::Reservation, event(9)));
    assert_values(&reservation, "confirmed", "held");
}

#[test]
fn a_changed_row_of_a_transfer_is_reported_with_its_column() {
    let mut log = Log::with_lanes(1);
    log.receive("A", "MAIN", 10);
    let which = log.dispatch(&[("A", "MAIN", "SHOP", 4)]);
    log.transfer(which, TransferChange::Receive, 1);
    let fixture = Fixture::of(&log, 1, Lane(0));
    assert_eq!(fixture.differences(&Scope::Lane), []);
    for (column, member) in [(0, "status"), (1, "expected_at"), (2, "overdue"), (7, "places")] {
        let mut damaged = fixture.clone();
        damaged.row(Kind::Transfer, "").contents[column] = "other".into();
        let first = damaged.first();
        let reported = (first.what, first.event, first.member.as_deref());
        assert_eq!(reported, (Kind::Transfer, event(5), Some(member)), "{first}");
    }
    let mut damaged = fixture.clone();
    damaged.movements[2].incoming_delta = 5;
    let first = damaged.first();
    assert_reported(&first, Kind::Movement, "stock/A/SHOP", 4, Some("incoming_delta"));
}

#[test]
fn a_changed_missing_or_additional_row_of_a_queue_is_reported() {
    type Case = (fn(&mut WaiterRow), &'static str);
    let mut log = Log::with_lanes(1);
    log.receive("A", "MAIN", 10);
    let which = log.wait("A", "MAIN", 30, 5);
    log.wait_step(which, WaitStep::ALL[0], 3);
    let fixture = Fixture::of(&log, 1, Lane(0));
    assert_eq!(fixture.differences(&Scope::Lane), []);
    assert_eq!(fixture.differences(&sku_a()), []);
    let at = fixture.waiters.first().expect("somebody waits").position;
    let cases: [Case; 6] = [
        (|row| row.owner.push('x'), "owner"),
        (|row| row.turn += 1, "turn"),
        (|row| row.waiting += 1, "waiting"),
        (|row| row.since += 1, "since"),
        (|row| row.wait_until += std::time::Duration::from_secs(1), "wait_until"),
        (|row| row.location = "SHOP".to_owned(), "location"),
    ];
    for (damage, member) in cases {
        let mut damaged = fixture.clone();
        damage(&mut damaged.waiters[0]);
        assert_reported(&damaged.first(), Kind::Waitlist, "stock/A/MAIN", at, Some(member));
    }
    let mut lost = fixture.clone();
    lost.waiters.clear();
    assert_reported(&lost.first(), Kind::Waitlist, "stock/A/MAIN", at, None);
    let mut additional = fixture.clone();
    additional.waiters.push(WaiterRow { line: 2, ..fixture.waiters[0].clone() });
    let first = additional.first();
    assert_eq!((first.what, first.event), (Kind::Waitlist, None));
    assert_eq!(first.stream.as_deref(), Some("stock/A/MAIN"));
}

#[test]
fn missing_and_additional_rows_are_reported() {
    let lost = |kind, key: &'static str| {
        damaged(|fixture| fixture.rows.retain(|(of, row)| *of != kind || row.key != key)).first()
    };
    let level = lost(Kind::Level, "stock/A/MAIN");
    assert_reported(&level, Kind::Level, "stock/A/MAIN", 10, None);
    let location = lost(Kind::Location, "location/MAIN");
    assert_reported(&location, Kind::Location, "location/MAIN", 1, None);
    let movement = damaged(|fixture| drop(fixture.movements.remove(2))).first();
    assert_reported(&movement, Kind::Movement, "stock/A/MAIN", 6, None);
    let invented = damaged(|fixture| {
        let row = MovementRow { position: 2, ..fixture.movements[0].clone() };
        fixture.movements.push(row);
    });
    assert_reported(&invented.first(), Kind::Movement, "item/A", 2, None);
    for (kind, key) in [
        (Kind::Level, "stock/C/MAIN"),
        (Kind::Total, "C"),
        (Kind::Item, "item/C"),
        (Kind::Reservation, "reservation/none"),
    ] {
        let additional = damaged(|fixture| {
            let row = TableRow { key: key.to_owned(), ..fixture.rows[0].1.clone() };
            fixture.rows.push((kind, row));
        });
        let first = additional.first();
        let stream = (kind != Kind::Total).then_some(key);
        assert_eq!((first.what, first.stream.as_deref(), first.event), (kind, stream, None));
        assert_eq!(first.expected, "no row");
    }
}

#[test]
fn a_skipped_event_is_not_expected_in_the_views() {
    let mut skipped = damaged(|fixture| fixture.skipped = vec![Position(6), Position(11)]);
    skipped.project();
    assert_eq!(skipped.differences(&Scope::Lane), []);
    skipped.skipped.clear();
    assert_reported(&skipped.first(), Kind::Movement, "stock/A/MAIN", 6, None);
}

#[test]
fn the_event_after_a_skipped_unknown_one_states_the_figures_again() {
    let mut unknown = damaged(|fixture| {
        fixture.log[5].event_type = "StockSealed".to_owned();
        fixture.rechain();
        let last = fixture.log.last().expect("an event");
        fixture.checkpoint = crate::pipeline::checkpoint::Checkpoint::after(last);
    });
    assert_reported(&unknown.first(), Kind::Data, "stock/A/MAIN", 6, None);
    unknown.skipped = vec![Position(6)];
    unknown.project();
    assert_eq!(unknown.differences(&Scope::Lane), []);
}

/// The fixture after the first receipt, of which the reference goes, and the first step of the reservation.
fn redacted() -> Fixture {
    let mut log = Log::with_lanes(1);
    log.register_location("MAIN");
    log.register_item("A", 5);
    log.receive("A", "MAIN", 10);
    let which = log.reserve(&[("A", "MAIN", 3, 3)]);
    let whole = log.whole(which, Step::Confirm);
    log.step(which, Step::Confirm, &whole);
    let of_stock = log.events.iter().rposition(|one| one.event_type == "StockAllocated");
    log.redact(of_stock.expect("it was confirmed"));
    Fixture::of(&log, 1, Lane(0))
}

#[test]
fn an_announced_redaction_is_no_difference() {
    assert_eq!(redacted().differences(&Scope::Lane), []);
}

#[test]
fn a_change_of_what_a_redaction_left_is_reported() {
    let mut fixture = redacted();
    let at = fixture.log.iter().position(|event| event.redacted.is_some()).expect("one");
    let data = fixture.log[at].data.get().replace('{', "{ ");
    fixture.log[at].data = RawValue::from_string(data).expect("JSON");
    let found = fixture.first();
    assert_eq!((found.what, found.event), (Kind::Redaction, Some(fixture.log[at].id())));
}

#[test]
fn a_row_that_kept_what_was_removed_is_reported() {
    let mut fixture = redacted();
    let at = fixture.log.iter().find(|event| event.redacted.is_some()).expect("one").position;
    let row = fixture.movements.iter_mut().find(|row| row.position == at.0).expect("its row");
    row.reference_id = Some("o-1".to_owned());
    let found = fixture.first();
    assert_eq!((found.what, found.member.as_deref()), (Kind::Movement, Some("reference_id")));
}
