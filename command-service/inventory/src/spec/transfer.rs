//! Transfers: goods on their way.

use shared_events::event::TransferStep;
use shared_events::stream::Stream;
use shared_events::transfer::{Transfer, TransferStatus};

use super::*;

/// Ten of A and four of B in MAIN, of which six and one are on their way to WEST until second 60.
fn under_way() -> Inventory {
    let lines = [("A", "MAIN", "WEST", 6), ("B", "MAIN", "WEST", 1)];
    given(&[receive(&[("A", 10), ("B", 4)]), dispatch(1, &lines, Some(at(60)))])
}

fn receive_parts(some: &[(u32, i64)]) -> Command {
    transfer(1, TransferChange::Receive(parts(some)))
}

fn close() -> Command {
    transfer(1, TransferChange::Close)
}

fn return_parts(some: Option<&[(u32, i64)]>) -> Command {
    transfer(1, TransferChange::Return(some.map(parts)))
}

fn own_step(events: &[Event]) -> &TransferStep {
    events.iter().find_map(Event::transfer_step).expect("a step is recorded")
}

/// Received, lost and returned of each line.
fn shares(transfer: &Transfer) -> Vec<[i64; 3]> {
    transfer.lines.iter().map(|line| [line.received, line.lost, line.returned]).collect()
}

/// on_hand and incoming after each stock event, with its stream.
fn places(events: &[Event]) -> Vec<(String, i64, i64)> {
    let changes = events.iter().filter_map(Event::stock_change);
    changes
        .map(|change| {
            let place = format!("{}/{}", change.sku, change.location);
            (place, change.after.on_hand, change.after.incoming)
        })
        .collect()
}

fn place(name: &str, on_hand: i64, incoming: i64) -> (String, i64, i64) {
    (name.to_owned(), on_hand, incoming)
}

fn state(status: TransferStatus) -> Result<Vec<Event>, Rejection> {
    Err(Rejection::TransferState { status })
}

#[test]
fn a_dispatch_takes_goods_from_here_and_announces_them_there() {
    let inventory = given(&[receive(&[("A", 10)])]);
    let events = when(&inventory, dispatch(1, &[("A", "MAIN", "WEST", 6)], Some(at(60)))).unwrap();
    assert_eq!(types(&events), ["TransferDispatched", "StockDispatched", "StockExpected"]);
    assert_eq!(places(&events), [place("A/MAIN", 4, 0), place("A/WEST", 0, 6)]);
    let Transfer { status, expected_at, overdue, lines, .. } = &own_step(&events).after;
    assert_eq!((*status, *expected_at, *overdue), (TransferStatus::InTransit, Some(at(60)), false));
    assert_eq!((lines[0].line, lines[0].quantity, lines[0].open()), (1, 6, 6));
}

#[test]
fn goods_on_their_way_are_not_available_where_they_go() {
    let mut inventory = under_way();
    let Command::IssueStock(mut of_west) = issue(&[("A", 1)]) else { unreachable!() };
    of_west.lines[0].location = "WEST".parse().unwrap();
    let Err(Rejection::InsufficientStock { lines }) =
        when(&inventory, Command::IssueStock(of_west))
    else {
        panic!("it was issued")
    };
    assert_eq!((lines[0].requested, lines[0].available), (1, 0));
    let onwards = dispatch(2, &[("A", "WEST", "MAIN", 1)], None);
    assert!(when(&inventory, onwards.clone()).is_err());
    then(&mut inventory, 0, receive_parts(&[(1, 1)]));
    assert!(when(&inventory, onwards).is_ok());
}

#[test]
fn a_dispatch_takes_only_what_is_available_all_lines_or_none() {
    let inventory = given(&[receive(&[("A", 10), ("B", 4)]), reserving(1, &[("A", 7)])]);
    let lines = [("A", "MAIN", "WEST", 2), ("A", "MAIN", "WEST", 2), ("B", "MAIN", "WEST", 5)];
    let refused = when(&inventory, dispatch(1, &lines, None));
    assert_eq!(refused, insufficient(vec![short("A", 4, 3), short("B", 5, 4)]));
    let unknown = dispatch(1, &[("A", "MAIN", "EAST", 1)], None);
    let location = "EAST".parse().unwrap();
    assert_eq!(when(&inventory, unknown), Err(Rejection::UnknownLocation { location }));
}

#[test]
fn a_transfer_is_expected_later_than_now() {
    let inventory = given(&[receive(&[("A", 10)])]);
    let lines = [("A", "MAIN", "WEST", 1)];
    for (expected_at, is_later) in [(at(29), false), (at(30), false), (at(31), true)] {
        let outcome = when_at(&inventory, 30, dispatch(1, &lines, Some(expected_at)));
        match outcome {
            Ok(_) => assert!(is_later),
            Err(refused) => {
                assert_eq!(
                    (refused, is_later),
                    (Rejection::ExpectedAtPassed { now: at(30) }, false)
                );
            }
        }
    }
}

#[test]
fn goods_are_received_in_parts_until_nothing_is_on_its_way() {
    let mut inventory = under_way();
    let events = then(&mut inventory, 0, receive_parts(&[(1, 4), (1, 1)]));
    assert_eq!(types(&events), ["TransferReceived", "StockArrived"]);
    assert_eq!(places(&events), [place("A/WEST", 5, 1)]);
    let step = own_step(&events);
    assert_eq!(step.parts, parts(&[(1, 5)]), "parts of one line are one part");
    assert_eq!(step.after.status, TransferStatus::PartiallyReceived);
    let events = then(&mut inventory, 0, receive_parts(&[(2, 1), (1, 1)]));
    assert_eq!(places(&events), [place("A/WEST", 6, 0), place("B/WEST", 1, 0)]);
    assert_eq!(own_step(&events).after.status, TransferStatus::Received);
    assert_eq!(when(&inventory, receive_parts(&[(1, 1)])), state(TransferStatus::Received));
    assert_eq!(when(&inventory, close()), state(TransferStatus::Received));
}

#[test]
fn more_than_is_on_its_way_is_not_received() {
    let mut inventory = under_way();
    then(&mut inventory, 0, receive_parts(&[(1, 4)]));
    for (some, line, asked, possible) in [
        (vec![(1, 3)], 1, 3, 2),
        (vec![(1, 2), (1, 1)], 1, 3, 2),
        (vec![(2, 1), (1, 3)], 1, 3, 2),
        (vec![(3, 1)], 3, 1, 0),
    ] {
        let part = Excess { line, asked, possible };
        assert_eq!(when(&inventory, receive_parts(&some)), Err(Rejection::OverReceive { part }));
    }
    let part = Excess { line: 1, asked: 3, possible: 2 };
    let refused = when(&inventory, return_parts(Some(&[(1, 3)])));
    assert_eq!(refused, Err(Rejection::OverReturn { part }));
}

#[test]
fn closing_records_the_rest_as_lost() {
    let mut inventory = under_way();
    then(&mut inventory, 0, receive_parts(&[(1, 4)]));
    let events = then(&mut inventory, 0, close());
    assert_eq!(types(&events), ["TransferClosed", "StockLost", "StockLost"]);
    assert_eq!(places(&events), [place("A/WEST", 4, 0), place("B/WEST", 0, 0)]);
    let step = own_step(&events);
    assert_eq!(step.parts, parts(&[(1, 2), (2, 1)]));
    assert_eq!(
        (step.after.status, shares(&step.after)),
        (TransferStatus::Closed, vec![[4, 2, 0], [0, 1, 0]],)
    );
    for later in [close(), receive_parts(&[(1, 1)]), return_parts(None)] {
        assert_eq!(when(&inventory, later), state(TransferStatus::Closed));
    }
}

#[test]
fn the_rest_or_parts_of_it_go_back_to_where_they_left() {
    let mut inventory = under_way();
    let events = then(&mut inventory, 0, return_parts(Some(&[(1, 2)])));
    assert_eq!(types(&events), ["TransferReturned", "StockRecalled", "StockBroughtBack"]);
    assert_eq!(places(&events), [place("A/WEST", 0, 4), place("A/MAIN", 6, 0)]);
    assert_eq!(own_step(&events).after.status, TransferStatus::InTransit, "a part is on its way");
    then(&mut inventory, 0, receive_parts(&[(1, 3)]));
    let events = then(&mut inventory, 0, return_parts(None));
    let expected = [
        place("A/WEST", 3, 0),
        place("A/MAIN", 7, 0),
        place("B/WEST", 0, 0),
        place("B/MAIN", 4, 0),
    ];
    assert_eq!(places(&events), expected);
    let after = &own_step(&events).after;
    assert_eq!(
        (after.status, shares(after)),
        (TransferStatus::Returned, vec![[3, 0, 3], [0, 0, 1]],)
    );
    assert_eq!(when(&inventory, return_parts(None)), state(TransferStatus::Returned));
}

#[test]
fn a_transfer_that_is_not_done_when_it_was_expected_is_overdue_once() {
    let overdue = || transfer(1, TransferChange::MarkOverdue);
    let mut inventory = under_way();
    assert_eq!(when_at(&inventory, 59, overdue()), Ok(vec![]), "it is not due");
    let events = then(&mut inventory, 61, overdue());
    assert_eq!(types(&events), ["TransferOverdue"]);
    assert_eq!(events[0].own_time(), Some(at(60)), "overdue from the moment it was expected at");
    assert!(own_step(&events).after.overdue);
    assert_eq!(when_at(&inventory, 90, overdue()), Ok(vec![]), "only once");
    let events = then(&mut inventory, 90, receive_parts(&[(1, 6), (2, 1)]));
    let after = &own_step(&events).after;
    assert_eq!((after.status, after.overdue), (TransferStatus::Received, true), "it stays late");
    let id = transfer_id(2);
    let unknown = when(&inventory, transfer(2, TransferChange::MarkOverdue));
    assert_eq!(unknown, Err(Rejection::UnknownTransfer { id }));
}

#[test]
fn a_transfer_that_is_done_in_time_or_has_no_time_is_never_overdue() {
    let overdue = |number| transfer(number, TransferChange::MarkOverdue);
    let mut inventory = under_way();
    then(&mut inventory, 0, dispatch(2, &[("A", "MAIN", "WEST", 1)], None));
    then(&mut inventory, 59, close());
    for number in [1, 2] {
        assert_eq!(when_at(&inventory, 90, overdue(number)), Ok(vec![]));
    }
}

#[test]
fn a_step_does_not_happen_before_the_step_it_follows() {
    let request = Request { command: receive_parts(&[(1, 1)]), occurred_at: None };
    let earlier = Timestamp::UNIX_EPOCH + Duration::from_secs(1);
    let refused =
        decide(&under_way(), &Request { occurred_at: Some(earlier), ..request.clone() }, at(5));
    assert!(matches!(refused, Err(Rejection::OccurredAtOutOfRange { .. })), "{refused:?}");
    assert!(decide(&under_way(), &Request { occurred_at: Some(at(3)), ..request }, at(5)).is_ok());
}

#[test]
fn a_change_requires_the_version_that_it_names() {
    let conflict = |expected| {
        let Command::ChangeTransfer(change) = close() else { unreachable!() };
        let precondition = Some(Precondition::Version(Version(expected)));
        when(&under_way(), Command::ChangeTransfer(ChangeTransfer { precondition, ..change }))
    };
    assert!(conflict(1).is_ok());
    let (expected, actual) = (Version(2), Version(1));
    assert_eq!(conflict(2), Err(Rejection::VersionConflict { expected, actual }));
}

#[test]
fn an_item_that_is_on_its_way_is_not_retired() {
    let lines = [("A", "MAIN", "WEST", 6)];
    let mut inventory = given(&[receive(&[("A", 6)]), dispatch(1, &lines, None)]);
    let in_use = Rejection::ItemHasStock { sku: "A".parse().unwrap() };
    assert_eq!(when(&inventory, retire("A")), Err(in_use));
    then(&mut inventory, 0, close());
    assert!(when(&inventory, retire("A")).is_ok());
}

#[test]
fn a_figure_never_passes_the_largest_amount() {
    let mut inventory = given(&[receive(&[("A", AMOUNT_MAX)])]);
    then(&mut inventory, 0, dispatch(1, &[("A", "MAIN", "WEST", AMOUNT_MAX)], None));
    then(&mut inventory, 0, receive(&[("A", 1)]));
    let overflow = |location: &str| {
        let (sku, location) = ("A".parse().unwrap(), location.parse().unwrap());
        Err(Rejection::QuantityOverflow { sku, location })
    };
    let more = dispatch(2, &[("A", "MAIN", "WEST", 1)], None);
    assert_eq!(when(&inventory, more), overflow("WEST"), "incoming");
    assert_eq!(when(&inventory, return_parts(None)), overflow("MAIN"), "on_hand");
    then(&mut inventory, 0, moving(&[("A", "MAIN", "WEST", 1)]));
    let all = receive_parts(&[(1, AMOUNT_MAX)]);
    assert_eq!(when(&inventory, all), overflow("WEST"), "on_hand");
}

#[test]
fn a_transfer_first_ends_expired_holds_where_it_changes_stock() {
    let mut inventory = given(&[receive(&[("A", 5)]), reserving(1, &[("A", 5)])]);
    let lines = [("A", "MAIN", "WEST", 5)];
    assert!(when_at(&inventory, 59, dispatch(1, &lines, None)).is_err());
    let events = then(&mut inventory, 60, dispatch(1, &lines, None));
    let streams: Vec<Stream> = events.iter().map(Event::stream).collect();
    assert_eq!(types(&events)[..2], ["StockHoldExpired", "TransferDispatched"]);
    assert_eq!(streams[1], Stream::Transfer(transfer_id(1)));
}
