//! Reversals.

use shared_events::lane::{EventId, Lane, Position};

use super::*;

/// An inventory with its log, all in lane 0 from position 1.
struct Logged {
    inventory: Inventory,
    log: Vec<Event>,
    /// The events that made the promises on every stream.
    promises: Vec<EventId>,
}

fn event_id(position: usize) -> EventId {
    EventId(Lane(0), Position(i64::try_from(position).unwrap()))
}

impl Logged {
    fn new() -> Self {
        Self { inventory: given(&[]), log: Vec::new(), promises: Vec::new() }
    }

    /// Folds a command that must be accepted; returns the ids of its events.
    fn then(&mut self, command: Command) -> Vec<EventId> {
        let first = self.log.len() + 1;
        let events = then(&mut self.inventory, 0, command);
        for (position, event) in (first..).zip(&events) {
            if let Event::StockReversed(reversed) = event {
                self.inventory.mark_reversed(reversed.reverses, event_id(position));
            }
        }
        self.log.extend(events);
        (first..=self.log.len()).map(event_id).collect()
    }

    /// Inserts the targets of a reversal, each with its dependents.
    fn select(&mut self, target: &Target, selection: &[(EventId, &[EventId])]) {
        let events = selection.iter().map(|(id, dependents)| {
            let event = self.log[usize::try_from(id.1.0).unwrap() - 1].clone();
            let target = TargetEvent {
                event,
                occurred_at: at(0),
                is_reversed: false,
                reversed_by: None,
                dependents: dependents.to_vec(),
                promises: self.promises.clone(),
            };
            (*id, target)
        });
        let events: Vec<_> = events.collect();
        self.inventory.insert_selection(target.clone(), events);
    }

    fn when(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        when(&self.inventory, command)
    }
}

fn promised(lines: Vec<Shortage>, dependents: &[EventId]) -> Result<Vec<Event>, Rejection> {
    Err(Rejection::Promised { lines, dependents: dependents.to_vec() })
}

fn not_reversible(why: Irreversible, dependents: &[EventId]) -> Result<Vec<Event>, Rejection> {
    Err(Rejection::NotReversible { why, dependents: dependents.to_vec() })
}

#[test]
fn a_reversal_records_the_exact_opposites_newest_first() {
    let mut logged = Logged::new();
    let target = correlation(1);
    let mut ids = logged.then(receive(&[("A", 5), ("B", 2)]));
    ids.extend(logged.then(issue(&[("A", 3)])));
    let [received, of_b, issued] = ids[..] else { panic!("{ids:?}") };
    logged.select(&target, &[(received, &[]), (of_b, &[]), (issued, &[])]);
    let events = logged.when(reverse(1, target)).unwrap();
    let reversed: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::StockReversed(one) => (one.reverses, one.delta, one.after.on_hand),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reversed, [(issued, 3, 5), (of_b, -2, 0), (received, -5, 0)]);
    let Event::StockReversed(first) = &events[0] else { unreachable!() };
    assert_eq!(first.reversal, super::commands::reversal(1));
}

#[test]
fn every_kind_of_booking_can_be_reversed() {
    let bookings = [
        (receive(&[("A", 1)]), vec![5]),
        (issue(&[("A", 1)]), vec![5]),
        (adjust(&[("A", -2)], false), vec![5]),
        (adjust(&[("A", 2)], false), vec![5]),
        (set(9, None, false), vec![5]),
        (moving(&[("A", "MAIN", "WEST", 2)]), vec![0, 5]),
    ];
    for (booking, on_hand) in bookings {
        let mut logged = Logged::new();
        logged.then(receive(&[("A", 5)]));
        let ids = logged.then(booking);
        let selection: Vec<(EventId, &[EventId])> = ids.iter().map(|id| (*id, &[][..])).collect();
        logged.select(&event(ids[0]), &selection);
        let events = logged.when(reverse(1, event(ids[0]))).unwrap();
        assert_eq!(on_hand_after(&events), on_hand);
    }
}

#[test]
fn a_reversal_can_be_reversed_and_each_only_once() {
    let mut logged = Logged::new();
    let received = logged.then(receive(&[("A", 5)]))[0];
    logged.select(&event(received), &[(received, &[])]);
    let first = logged.then(reverse(1, event(received)))[0];
    let done = |by| Err(Rejection::AlreadyReversed { dependents: vec![by] });
    assert_eq!(logged.when(reverse(2, event(received))), done(first));
    logged.select(&Target::Reversal(reversal(1)), &[(first, &[])]);
    let second = logged.then(reverse(2, Target::Reversal(reversal(1))))[0];
    assert_eq!(on_hand_after(&logged.log), [5, 0, 5]);
    assert_eq!(logged.when(reverse(3, Target::Reversal(reversal(1)))), done(second));
    assert_eq!(logged.when(reverse(3, event(received))), done(first));
}

#[test]
fn targets_that_are_already_reversed_are_skipped() {
    let mut logged = Logged::new();
    let ids = logged.then(receive(&[("A", 5), ("B", 2)]));
    logged.select(&event(ids[0]), &[(ids[0], &[])]);
    logged.then(reverse(1, event(ids[0])));
    logged.select(&correlation(1), &[(ids[0], &[]), (ids[1], &[])]);
    let events = logged.when(reverse(2, correlation(1))).unwrap();
    assert_eq!(on_hand_after(&events), [0]);
}

#[test]
fn a_selection_that_cancels_itself_out_is_already_reversed() {
    let mut logged = Logged::new();
    let received = logged.then(receive(&[("A", 5)]))[0];
    logged.select(&correlation(1), &[(received, &[])]);
    let first = logged.then(reverse(1, correlation(1)))[0];
    logged.select(&correlation(1), &[(received, &[]), (first, &[])]);
    let done = Err(Rejection::AlreadyReversed { dependents: vec![first] });
    assert_eq!(logged.when(reverse(2, correlation(1))), done);
    logged.select(&event(first), &[(first, &[])]);
    let second = logged.then(reverse(2, event(first)))[0];
    logged.select(&correlation(1), &[(received, &[]), (first, &[]), (second, &[])]);
    let events = logged.when(reverse(3, correlation(1))).unwrap();
    assert_eq!(on_hand_after(&events), [0], "only the net effect is reversed");
}

#[test]
fn goods_that_are_gone_are_rejected_with_the_later_events_of_their_streams() {
    let mut logged = Logged::new();
    let ids = logged.then(receive(&[("A", 5), ("B", 2)]));
    logged.promises = vec![logged.then(reserving(1, &[("A", 1)]))[1]];
    let issued = logged.then(issue(&[("B", 2)]))[0];
    let moved = logged.then(moving(&[("A", "MAIN", "WEST", 1)]))[0];
    logged.select(&correlation(1), &[(ids[0], &[moved]), (ids[1], &[issued])]);
    let refused = logged.when(reverse(1, correlation(1)));
    assert_eq!(refused, not_reversible(Irreversible::MovedOn, &[issued, moved]));
    logged.select(&correlation(2), &[(ids[0], &[moved]), (moved, &[])]);
    let refused = logged.when(reverse(1, correlation(2)));
    let promises = logged.promises.clone();
    assert_eq!(
        refused,
        promised(vec![short("A", 5, 4)], &promises),
        "its own target does not count"
    );
    logged.then(receive(&[("B", 2)]));
    let refused = logged.when(reverse(1, correlation(1)));
    assert_eq!(refused, not_reversible(Irreversible::MovedOn, &[moved]));
    logged.then(receive(&[("A", 2)]));
    assert!(logged.when(reverse(1, correlation(1))).is_ok(), "other goods of the item will do");
}

#[test]
fn a_reversal_that_adds_a_retired_item_or_exceeds_the_largest_figure_is_rejected() {
    let mut logged = Logged::new();
    logged.then(receive(&[("A", 5)]));
    let issued = logged.then(issue(&[("A", 5)]))[0];
    logged.select(&event(issued), &[(issued, &[])]);
    let mut full = logged.inventory.clone();
    then(&mut full, 0, receive(&[("A", AMOUNT_MAX)]));
    assert!(matches!(
        when(&full, reverse(1, event(issued))),
        Err(Rejection::QuantityOverflow { .. })
    ));
    logged.then(retire("A"));
    let retired = Err(Rejection::ItemRetired { sku: "A".parse().unwrap() });
    assert_eq!(logged.when(reverse(1, event(issued))), retired);
}

#[test]
fn an_unknown_target_is_rejected() {
    let unknown = |id: &str| Err(Rejection::UnknownEvent { id: id.to_owned() });
    let logged = Logged::new();
    assert_eq!(logged.when(reverse(1, event(event_id(7)))), unknown("0-7"));
    assert_eq!(logged.when(reverse(1, correlation(7))), unknown("c7"));
}

#[test]
fn reservations_are_not_reversed() {
    let mut logged = Logged::new();
    let received = logged.then(receive(&[("A", 5)]))[0];
    let [own, held] = logged.then(reserving(1, &[("A", 1)]))[..] else { panic!("two events") };
    for one in [own, held] {
        logged.select(&event(one), &[(one, &[])]);
        let refused = logged.when(reverse(1, event(one)));
        assert_eq!(refused, not_reversible(Irreversible::Reservation, &[]));
    }
    logged.select(&correlation(1), &[(received, &[]), (held, &[]), (own, &[])]);
    let refused = logged.when(reverse(1, correlation(1)));
    assert_eq!(refused, not_reversible(Irreversible::Reservation, &[own, held]));
}

#[test]
fn descriptions_are_skipped_unless_there_is_nothing_else() {
    let mut logged = Logged::new();
    let named = RegisterItem { name: Some("Lantern".to_owned()), ..register("A") };
    let changed = logged.then(Command::RegisterItem(named))[0];
    let received = logged.then(receive(&[("A", 5)]))[0];
    for target in [event(changed), correlation(1)] {
        logged.select(&target, &[(changed, &[])]);
        let refused = logged.when(reverse(1, target));
        assert_eq!(refused, not_reversible(Irreversible::Description, &[]));
    }
    logged.select(&correlation(2), &[(changed, &[]), (received, &[])]);
    assert_eq!(on_hand_after(&logged.when(reverse(1, correlation(2))).unwrap()), [0]);
}

#[test]
fn the_expiry_of_a_hold_is_skipped() {
    let mut logged = Logged::new();
    logged.then(receive(&[("A", 5)]));
    logged.then(reserving(1, &[("A", 1)]));
    let expired = when_at(&logged.inventory, 60, issue(&[("A", 5)])).unwrap();
    fold(&mut logged.inventory, &expired);
    logged.log.extend(expired);
    let [end, issued] = [4, 5].map(event_id);
    logged.select(&correlation(1), &[(end, &[]), (issued, &[])]);
    let events = when_at(&logged.inventory, 60, reverse(1, correlation(1))).unwrap();
    assert_eq!(figures_after(&events), [[5, 0, 0]]);
    logged.select(&event(end), &[(end, &[])]);
    let refused = logged.when(reverse(1, event(end)));
    assert_eq!(refused, not_reversible(Irreversible::Reservation, &[]));
}

#[test]
fn transfers_are_not_reversed_and_what_became_of_a_dispatch_is_named() {
    let mut logged = Logged::new();
    let booked = logged.then(receive(&[("A", 5)]))[0];
    let lines = [("A", "MAIN", "WEST", 4)];
    let ids = logged.then(dispatch(1, &lines, Some(at(60))));
    let [own, sent, expected] = ids[..] else { panic!("{ids:?}") };
    // Alone: nothing stands in the way, it has its own commands.
    logged.select(&event(expected), &[(expected, &[])]);
    let refused = logged.when(reverse(1, event(expected)));
    assert_eq!(refused, not_reversible(Irreversible::Transfer, &[]));
    // With what happened since, also where it was undone.
    let received = logged.then(transfer(1, TransferChange::Receive(parts(&[(1, 3)]))))[0];
    let back = logged.then(transfer(1, TransferChange::Return(None)))[0];
    logged.select(&event(sent), &[(sent, &[received, back])]);
    let refused = logged.when(reverse(1, event(sent)));
    assert_eq!(refused, not_reversible(Irreversible::Transfer, &[received, back]));
    // Among other events of one correlation: none of them, and the transfer's are named.
    let all = [(booked, &[][..]), (own, &[received, back]), (sent, &[received, back])];
    logged.select(&correlation(1), &all);
    let refused = logged.when(reverse(1, correlation(1)));
    assert_eq!(refused, not_reversible(Irreversible::Transfer, &[own, sent, received, back]));
}

#[test]
fn goods_that_left_on_a_transfer_are_gone_until_they_come_back() {
    let mut logged = Logged::new();
    let received = logged.then(receive(&[("A", 5)]))[0];
    let sent = logged.then(dispatch(1, &[("A", "MAIN", "WEST", 4)], None))[1];
    logged.select(&event(received), &[(received, &[sent])]);
    let refused = logged.when(reverse(1, event(received)));
    assert_eq!(refused, not_reversible(Irreversible::MovedOn, &[sent]));
    logged.then(transfer(1, TransferChange::Return(None)));
    assert_eq!(on_hand_after(&logged.when(reverse(1, event(received))).unwrap()), [0]);
}

#[test]
fn a_reversal_first_ends_expired_holds() {
    let mut logged = Logged::new();
    let received = logged.then(receive(&[("A", 5)]))[0];
    let held = logged.then(reserving(1, &[("A", 1)]))[1];
    logged.promises = vec![held];
    logged.select(&event(received), &[(received, &[])]);
    let refused = logged.when(reverse(1, event(received)));
    assert_eq!(refused, promised(vec![short("A", 5, 4)], &[held]));
    let events = when_at(&logged.inventory, 60, reverse(1, event(received))).unwrap();
    assert_eq!(types(&events), ["StockHoldExpired", "StockReversed"]);
}

/// What a reversal of five received is answered, without and with an accepted shortage.
#[derive(Debug, PartialEq, Eq)]
enum Answered {
    Reversed { available: i64 },
    Promised,
    Gone,
}

#[test]
fn each_refusal_names_its_true_cause() {
    use Answered::{Gone, Promised, Reversed};
    let held = || reserving(1, &[("A", 4)]);
    let confirmed = || vec![held(), step(1, Step::Confirm)];
    let steps = |first: Vec<Command>, more: &[Command]| [&first[..], more].concat();
    // What happens before and after the receipt, and both answers.
    let table = [
        (vec![], vec![], Reversed { available: 0 }, Reversed { available: 0 }),
        (vec![], vec![issue(&[("A", 1)])], Gone, Gone),
        (vec![], vec![issue(&[("A", 5)])], Gone, Gone),
        (vec![], vec![held()], Promised, Reversed { available: -4 }),
        (vec![], confirmed(), Promised, Reversed { available: -4 }),
        (vec![], steps(confirmed(), &[step(1, Step::Fulfil(None))]), Gone, Gone),
        (
            vec![],
            vec![held(), step(1, Step::Release(None))],
            Reversed { available: 0 },
            Reversed { available: 0 },
        ),
        (vec![], vec![held(), issue(&[("A", 1)])], Gone, Gone),
        // Short by an adjustment before the receipt: nothing after it stands in the way.
        (
            steps(vec![receive(&[("A", 4)])], &steps(confirmed(), &[adjust(&[("A", -3)], true)])),
            vec![],
            Promised,
            Reversed { available: -3 },
        ),
        (
            vec![receive(&[("A", 4)]), held()],
            vec![],
            Reversed { available: 0 },
            Reversed { available: 0 },
        ),
        (
            vec![receive(&[("A", 4)]), held()],
            vec![adjust(&[("A", -1)], false)],
            Promised,
            Reversed { available: -1 },
        ),
        (vec![receive(&[("A", 4)]), held()], vec![adjust(&[("A", -5)], true)], Gone, Gone),
    ];
    for (nth, (before, after, strict, lenient)) in table.into_iter().enumerate() {
        let mut logged = Logged::new();
        before.into_iter().for_each(|command| drop(logged.then(command)));
        let received = logged.then(receive(&[("A", 5)]))[0];
        after.into_iter().for_each(|command| drop(logged.then(command)));
        logged.select(&event(received), &[(received, &[])]);
        for (accept_shortage, expected) in [(false, strict), (true, lenient)] {
            let (id, cause) = (reversal(1), Cause::default());
            let command = Reverse { id, target: event(received), accept_shortage, cause };
            let answered = match logged.when(Command::Reverse(command)) {
                Ok(events) => {
                    let change = events.last().and_then(Event::stock_change);
                    Reversed { available: change.unwrap().after.available() }
                }
                Err(Rejection::Promised { .. }) => Promised,
                Err(Rejection::NotReversible { why: Irreversible::MovedOn, .. }) => Gone,
                Err(other) => panic!("{nth}: {other}"),
            };
            assert_eq!(answered, expected, "row {nth}, accept_shortage {accept_shortage}");
        }
    }
}

#[test]
fn what_has_not_happened_yet_is_not_reversed() {
    let mut logged = Logged::new();
    let received = logged.then(receive(&[("A", 5)]))[0];
    let at_second = |seconds| TargetEvent {
        event: logged.log[0].clone(),
        occurred_at: at(seconds),
        is_reversed: false,
        reversed_by: None,
        dependents: Vec::new(),
        promises: Vec::new(),
    };
    for (seconds, is_possible) in [(0, true), (1, false), (300, false)] {
        let mut inventory = logged.inventory.clone();
        inventory.insert_selection(event(received), [(received, at_second(seconds))]);
        let out_of_range =
            Rejection::OccurredAtOutOfRange { earliest: at(seconds), latest: at(300) };
        match when(&inventory, reverse(1, event(received))) {
            Ok(_) => assert!(is_possible, "{seconds}"),
            Err(refused) => assert_eq!((refused, is_possible), (out_of_range, false)),
        }
    }
}
