//! Orders: processes that end well or are undone.

use shared_events::event::OrderStep;
use shared_events::order::{Order, OrderStatus, StepName, StepStatus};
use shared_events::payment::{PaymentOutcome, RequestKind};
use shared_events::stream::Stream;

use super::*;

const HOUR: u64 = 60 * 60;

/// Ten of A in MAIN, and an order of six of them that has until second 100.
fn placed() -> Inventory {
    given(&[receive(&[("A", 10)]), place(1, &[("A", 6)], 100)])
}

/// The same order, with its stock held and the payment service asked.
fn asked() -> Inventory {
    let mut inventory = placed();
    then(&mut inventory, 0, go_on());
    inventory
}

fn now(inventory: &Inventory) -> &Order {
    let state = inventory.order(&order_id(1)).expect("it was placed");
    state.details.as_deref().expect("it was placed")
}

fn steps(order: &Order) -> Vec<(StepName, StepStatus)> {
    order.steps.iter().map(|step| (step.name, step.status)).collect()
}

/// reserved and allocated of A.
fn promised(inventory: &Inventory) -> (i64, i64) {
    let figures = inventory.stock(&"A".parse().unwrap(), &"MAIN".parse().unwrap()).figures;
    (figures.reserved, figures.allocated)
}

fn requests(events: &[Event]) -> Vec<RequestKind> {
    let asked = events.iter().filter_map(|event| match event {
        Event::PaymentRequested(OrderStep { after, .. }) => after.asked.as_ref(),
        _ => None,
    });
    asked.map(|asked| asked.kind).collect()
}

fn authorised() -> Command {
    reply(1, PaymentOutcome::Authorised)
}

fn declined() -> Command {
    reply(1, PaymentOutcome::Declined)
}

fn voided() -> Command {
    reply(1, PaymentOutcome::Voided)
}

fn go_on() -> Command {
    continuing(1)
}

fn cancel() -> Command {
    order(1, OrderChange::Cancel)
}

use StepName::{Authorise, Confirm, Release, Reserve, Void};
use StepStatus::{Done, NeedsOperator, Pending, Refused};

#[test]
fn an_order_holds_stock_is_paid_and_is_confirmed() {
    let mut inventory = placed();
    assert_eq!(now(&inventory).status, OrderStatus::Placed);
    assert_eq!(now(&inventory).due_at, Some(at(0)));
    let events = then(&mut inventory, 1, go_on());
    let types_of = ["ReservationHeld", "StockReserved", "OrderReserved", "PaymentRequested"];
    assert_eq!(types(&events), types_of);
    assert_eq!(promised(&inventory), (6, 0));
    let Event::ReservationHeld(hold) = &events[0] else { panic!("{events:?}") };
    assert_eq!(hold.order, Some(order_id(1)), "others pass it over");
    let held = inventory.reservation(&order_id(1).reservation()).unwrap().details.clone().unwrap();
    assert!(held.expires_at >= at(160), "{}", held.expires_at);
    assert_eq!(requests(&events), [RequestKind::Authorise]);
    assert_eq!(now(&inventory).lines[0].quantity, 6);

    let events = then(&mut inventory, 2, authorised());
    let expected =
        ["ReservationConfirmed", "StockAllocated", "PaymentAuthorised", "OrderConfirmed"];
    assert_eq!(types(&events), expected);
    assert_eq!(promised(&inventory), (0, 6));
    let order = now(&inventory);
    assert_eq!(steps(order), [(Reserve, Done), (Authorise, Done), (Confirm, Done)]);
    assert_eq!(order.steps[1].detail, Some(serde_json::json!({"payment_id": "p-1"})));
    assert_eq!((order.due_at, &order.asked), (None, &None));
}

#[test]
fn each_step_names_the_version_of_the_event_that_says_so() {
    let mut inventory = asked();
    then(&mut inventory, 2, declined());
    let versions: Vec<i64> = now(&inventory).steps.iter().map(|step| step.version.0).collect();
    assert_eq!(versions, [2, 4, 5], "reserved, payment declined, declined");
    assert_eq!(inventory.version(&Stream::Order(order_id(1))), Version(5));
}

#[test]
fn an_order_without_enough_stock_fails_and_says_what_is_short() {
    let mut inventory = given(&[receive(&[("A", 5)]), place(1, &[("A", 6)], 100)]);
    let events = then(&mut inventory, 1, go_on());
    assert_eq!(types(&events), ["OrderFailed"]);
    let order = now(&inventory);
    assert_eq!((order.status, steps(order)), (OrderStatus::Failed, vec![(Reserve, Refused)]));
    let detail = order.steps[0].detail.as_ref().unwrap();
    assert_eq!(detail["type"], "/problems/insufficient_stock");
    assert_eq!(detail["lines"][0]["available"], 5);
    assert_eq!(order.due_at, None);
}

#[test]
fn an_order_of_an_unknown_item_fails_at_once() {
    let mut inventory = given(&[]);
    let events = then(&mut inventory, 0, place(1, &[("C", 1)], 100));
    assert_eq!(types(&events), ["OrderPlaced", "OrderFailed"]);
    let detail = now(&inventory).steps[0].detail.as_ref().unwrap();
    assert_eq!((&detail["type"], &detail["sku"]), (&"/problems/unknown_sku".into(), &"C".into()));
}

#[test]
fn a_partial_order_asks_for_what_is_held() {
    let mut inventory = given(&[receive(&[("A", 4)]), partial(place(1, &[("A", 6)], 100))]);
    then(&mut inventory, 1, go_on());
    let line = &now(&inventory).lines[0];
    assert_eq!((line.requested, line.quantity), (6, 4));
    assert_eq!(promised(&inventory), (4, 0));
}

/// Two of A in MAIN, and an order of six that waits until second 601 and has until second 1,000.
fn waits() -> Inventory {
    let place = waiting(place(1, &[("A", 6)], 1_000), 600);
    let mut inventory = given(&[receive(&[("A", 2)]), place]);
    then(&mut inventory, 1, go_on());
    inventory
}

fn waiting_of_a(inventory: &Inventory) -> i64 {
    inventory.stock(&"A".parse().unwrap(), &"MAIN".parse().unwrap()).figures.waiting
}

#[test]
fn an_order_that_waits_asks_for_payment_when_it_has_all_it_asks_for() {
    let mut inventory = waits();
    let order = now(&inventory);
    assert_eq!((order.status, steps(order)), (OrderStatus::Waiting, vec![(Reserve, Pending)]));
    assert_eq!((order.due_at, order.lines[0].quantity), (Some(at(601)), 0));
    assert_eq!((promised(&inventory), waiting_of_a(&inventory)), ((2, 0), 4));

    // A part of it is not enough.
    then(&mut inventory, 2, receive(&[("A", 3)]));
    let events = then(&mut inventory, 3, go_on());
    assert_eq!(types(&events), ["ReservationFilled"]);
    // Who takes part in holds by events alone passes it over.
    assert!(
        matches!(&events[..], [Event::ReservationFilled(step)] if step.order == Some(order_id(1)))
    );
    assert_eq!(when_at(&inventory, 4, go_on()), Ok(Vec::new()));
    assert_eq!(now(&inventory).status, OrderStatus::Waiting);

    then(&mut inventory, 600, receive(&[("A", 3)]));
    // The sweeper can be late: what was filled in time counts.
    let events = then(&mut inventory, 700, go_on());
    let expected = ["ReservationFilled", "StockHoldExtended", "OrderReserved", "PaymentRequested"];
    assert_eq!(types(&events), expected);
    assert_eq!((now(&inventory).lines[0].quantity, promised(&inventory)), (6, (6, 0)));
    let held = inventory.reservation(&order_id(1).reservation()).unwrap().details.clone().unwrap();
    assert!(held.expires_at >= at(1_060), "{}", held.expires_at);
    then(&mut inventory, 701, authorised());
    assert_eq!((now(&inventory).status, promised(&inventory)), (OrderStatus::Confirmed, (0, 6)));
}

#[test]
fn an_order_that_comes_to_its_stock_when_its_waiting_is_over_does_not_wait() {
    for late in [600, 605] {
        let place = waiting(place(1, &[("A", 6)], 1_000), 600);
        let mut inventory = given(&[receive(&[("A", 2)]), place]);
        assert_eq!(types(&then(&mut inventory, late, go_on())), ["OrderFailed"]);
        assert_eq!((promised(&inventory), waiting_of_a(&inventory)), ((0, 0), 0));
    }
}

#[test]
fn an_order_that_may_wait_and_lacks_nothing_does_not_wait() {
    let place = waiting(place(1, &[("A", 6)], 100), 60);
    let mut inventory = given(&[receive(&[("A", 6)]), place]);
    let types_of = ["ReservationHeld", "StockReserved", "OrderReserved", "PaymentRequested"];
    assert_eq!(types(&then(&mut inventory, 1, go_on())), types_of);
    let held = inventory.reservation(&order_id(1).reservation()).unwrap().details.clone().unwrap();
    assert!(held.expires_at >= at(160), "{}", held.expires_at);
}

#[test]
fn an_order_that_does_not_get_in_time_what_it_waits_for_fails_and_gives_all_back() {
    let mut inventory = waits();
    then(&mut inventory, 2, receive(&[("A", 3)]));
    assert!(matches!(
        when_at(&inventory, 600, go_on()).unwrap()[..],
        [Event::ReservationFilled(_)]
    ));
    let mut late = inventory.clone();
    let events = then(&mut inventory, 601, go_on());
    assert_eq!(types(&events).last(), Some(&"OrderFailed"), "{:?}", types(&events));
    let order = now(&inventory);
    assert_eq!((order.status, order.due_at), (OrderStatus::Failed, None));
    assert_eq!(steps(order), [(Reserve, Refused), (Release, Done)]);
    let detail = order.steps[0].detail.as_ref().unwrap();
    assert_eq!(detail["type"], "/problems/reservation_expired");
    assert_eq!((promised(&inventory), waiting_of_a(&inventory)), ((0, 0), 0));

    // The same if the reservation has ended before its order.
    let (id, precondition, cause) = (order_id(1).reservation(), None, Cause::default());
    let settle = ChangeReservation { id, step: Step::Settle, precondition, cause };
    then(&mut late, 601, Command::ChangeReservation(settle));
    assert_eq!(types(&then(&mut late, 601, go_on())), ["OrderFailed"]);
    assert_eq!((promised(&late), waiting_of_a(&late)), ((0, 0), 0));
}

#[test]
fn an_order_that_ends_while_it_waits_is_undone_also_what_it_does_not_know_it_has() {
    for (second, end, status) in [
        (300, cancel(), OrderStatus::Cancelled),
        (601, cancel(), OrderStatus::Cancelled),
        (1_000, go_on(), OrderStatus::TimedOut),
    ] {
        for received in [0, 3, 4] {
            let mut inventory = waits();
            if received > 0 {
                then(&mut inventory, 2, receive(&[("A", received)]));
            }
            then(&mut inventory, second, end.clone());
            assert_eq!(now(&inventory).status, status, "{received} in {second}");
            assert_eq!(now(&inventory).step(Void), None, "nobody was asked to pay");
            let left = (promised(&inventory), waiting_of_a(&inventory));
            assert_eq!(left, ((0, 0), 0), "{received} in {second}");
        }
    }
}

#[test]
fn an_order_waits_no_longer_than_its_deadline_and_as_long_as_its_reservation() {
    let place = waiting(place(1, &[("A", 6)], 100), 600);
    let mut inventory = given(&[receive(&[("A", 2)]), place]);
    then(&mut inventory, 1, go_on());
    assert_eq!(now(&inventory).due_at, Some(at(100)));
    then(&mut inventory, 100, go_on());
    assert_eq!(now(&inventory).status, OrderStatus::TimedOut);

    let mut inventory = waits();
    let change = |step| {
        let (precondition, cause) = (None, Cause::default());
        let id = order_id(1).reservation();
        Command::ChangeReservation(ChangeReservation { id, step, precondition, cause })
    };
    then(&mut inventory, 2, change(Step::ChangeWait { priority: None, seconds: Some(800) }));
    assert_eq!(types(&then(&mut inventory, 601, go_on())), ["OrderWaitlisted"]);
    assert_eq!(now(&inventory).due_at, Some(at(802)));
    then(&mut inventory, 602, change(Step::Release(None)));
    assert_eq!(types(&then(&mut inventory, 603, go_on())), ["OrderFailed"]);
    let detail = now(&inventory).steps[0].detail.as_ref().unwrap();
    assert_eq!(detail["status"], "released");
}

#[test]
fn a_declined_order_releases_its_stock_and_voids_nothing() {
    let mut inventory = asked();
    let events = then(&mut inventory, 2, declined());
    let expected = ["ReservationReleased", "StockReleased", "PaymentDeclined", "OrderDeclined"];
    assert_eq!(types(&events), expected);
    let order = now(&inventory);
    assert_eq!(order.status, OrderStatus::Declined);
    assert_eq!(steps(order), [(Reserve, Done), (Authorise, Refused), (Release, Done)]);
    assert_eq!((promised(&inventory), order.due_at), ((0, 0), None));
}

#[test]
fn an_order_that_is_not_paid_by_its_deadline_is_undone_and_voided() {
    let mut inventory = asked();
    assert_eq!(then(&mut inventory, 99, go_on()).len(), 1, "it is only asked again");
    let events = then(&mut inventory, 100, go_on());
    let expected = ["ReservationReleased", "StockReleased", "OrderTimedOut", "PaymentRequested"];
    assert_eq!(types(&events), expected);
    assert_eq!(requests(&events), [RequestKind::Void]);
    assert_eq!((now(&inventory).status, promised(&inventory)), (OrderStatus::TimedOut, (0, 0)));

    // The authorisation comes all the same; the void goes on until it is answered.
    let events = then(&mut inventory, 101, authorised());
    assert_eq!(types(&events), ["PaymentAuthorised"]);
    assert_eq!(types(&then(&mut inventory, 105, go_on())), ["PaymentRequested"]);
    assert_eq!(types(&then(&mut inventory, 106, voided())), ["PaymentVoided"]);
    let all = [(Reserve, Done), (Authorise, Done), (Release, Done), (Void, Done)];
    assert_eq!((steps(now(&inventory)), now(&inventory).due_at), (all.to_vec(), None));
    for late in [authorised(), declined(), voided(), go_on()] {
        assert_eq!(when_at(&inventory, 2 * HOUR, late.clone()), Ok(Vec::new()), "{late:?}");
    }
}

#[test]
fn a_reply_after_the_deadline_is_too_late_even_if_nothing_timed_out_yet() {
    let mut inventory = asked();
    let events = then(&mut inventory, 100, authorised());
    let expected = [
        "ReservationReleased",
        "StockReleased",
        "OrderTimedOut",
        "PaymentRequested",
        "PaymentAuthorised",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!((now(&inventory).status, promised(&inventory)), (OrderStatus::TimedOut, (0, 0)));
    assert!(now(&inventory).due_at.is_some(), "the void is asked for again");
}

#[test]
fn a_decline_after_the_deadline_leaves_nothing_to_void() {
    let mut inventory = asked();
    then(&mut inventory, 100, go_on());
    assert_eq!(types(&then(&mut inventory, 101, declined())), ["PaymentDeclined"]);
    assert_eq!(now(&inventory).step(Void), Some(Done));
    assert_eq!(when_at(&inventory, HOUR, go_on()), Ok(Vec::new()));
}

#[test]
fn an_order_that_was_placed_too_late_for_its_deadline_holds_nothing() {
    let mut inventory = placed();
    assert_eq!(types(&then(&mut inventory, 100, go_on())), ["OrderTimedOut"]);
    assert_eq!(steps(now(&inventory)), [(Reserve, Refused)]);
    assert_eq!((promised(&inventory), now(&inventory).due_at), ((0, 0), None));
}

#[test]
fn a_cancelled_order_is_undone_once() {
    let mut inventory = placed();
    assert_eq!(types(&then(&mut inventory, 0, cancel())), ["OrderCancelled"]);
    let mut inventory = asked();
    let events = then(&mut inventory, 2, cancel());
    let expected = ["ReservationReleased", "StockReleased", "OrderCancelled", "PaymentRequested"];
    assert_eq!(types(&events), expected);
    assert_eq!(when_at(&inventory, 3, cancel()), Ok(Vec::new()));
    assert_eq!(promised(&inventory), (0, 0));
}

#[test]
fn an_order_that_has_ended_otherwise_cannot_be_cancelled() {
    let refused = |status| Err(Rejection::OrderState { status });
    let mut inventory = asked();
    assert_eq!(when_at(&inventory, 100, cancel()), refused(OrderStatus::TimedOut));
    then(&mut inventory, 2, authorised());
    assert_eq!(when_at(&inventory, 3, cancel()), refused(OrderStatus::Confirmed));
    let unknown = order(2, OrderChange::Cancel);
    assert_eq!(when(&inventory, unknown), Err(Rejection::UnknownOrder { id: order_id(2) }));
}

#[test]
fn an_order_whose_hold_is_gone_when_it_is_paid_fails_and_is_voided() {
    let reservation = order_id(1).reservation();
    let gone = |step| {
        let (precondition, cause) = (None, Cause::default());
        let id = reservation.clone();
        Command::ChangeReservation(ChangeReservation { id, step, precondition, cause })
    };
    let mut inventory = asked();
    then(&mut inventory, 1, gone(Step::Release(None)));
    let events = then(&mut inventory, 2, authorised());
    assert_eq!(types(&events), ["PaymentAuthorised", "OrderFailed", "PaymentRequested"]);
    assert_eq!(requests(&events), [RequestKind::Void]);
    let order = now(&inventory);
    let all = [(Reserve, Done), (Authorise, Done), (Confirm, Refused), (Release, Done)];
    assert_eq!(steps(order), [&all[..], &[(Void, Pending)]].concat());

    // Nor does the end of an order leave anything promised that others confirmed meanwhile.
    let mut inventory = asked();
    then(&mut inventory, 1, gone(Step::Confirm));
    then(&mut inventory, 2, declined());
    assert_eq!(promised(&inventory), (0, 0));
}

#[test]
fn the_payment_service_is_asked_again_ever_more_slowly_under_one_id() {
    let mut inventory = given(&[receive(&[("A", 10)]), place(1, &[("A", 6)], 10_000)]);
    then(&mut inventory, 0, go_on());
    let first = now(&inventory).asked.clone().unwrap();
    for (seconds, attempt) in [(5, 2), (15, 3), (35, 4), (75, 5)] {
        assert_eq!(when_at(&inventory, seconds - 1, go_on()), Ok(Vec::new()), "too early");
        assert_eq!(types(&then(&mut inventory, seconds, go_on())), ["PaymentRequested"]);
        let asked = now(&inventory).asked.clone().unwrap();
        assert_eq!((asked.attempt, asked.request), (attempt, first.request.clone()));
    }
    assert_eq!(now(&inventory).due_at, Some(at(155)));
}

#[test]
fn a_void_without_an_answer_for_a_day_needs_an_operator_who_can_resume_it() {
    let mut inventory = asked();
    let resume = || order(1, OrderChange::Resume);
    assert!(when(&inventory, resume()).is_err(), "nothing waits for an operator");
    then(&mut inventory, 2, cancel());
    let mut seconds = 2;
    let needs = loop {
        let Some(due_at) = now(&inventory).due_at else { break seconds };
        seconds = (seconds..).find(|second| at(*second) >= due_at).unwrap();
        then(&mut inventory, seconds, go_on());
    };
    assert_eq!(needs, 2 + 24 * HOUR);
    assert_eq!(now(&inventory).step(Void), Some(NeedsOperator));
    let asked = inventory.version(&Stream::Order(order_id(1))).0;
    assert!((20..60).contains(&asked), "{asked} events");
    assert_eq!(when_at(&inventory, needs + HOUR, go_on()), Ok(Vec::new()));

    let events = then(&mut inventory, needs + HOUR, resume());
    assert_eq!(types(&events), ["OrderResumed", "PaymentRequested"]);
    assert_eq!(now(&inventory).step(Void), Some(Pending));
    assert_eq!(types(&then(&mut inventory, needs + HOUR, voided())), ["PaymentVoided"]);
    assert_eq!(now(&inventory).step(Authorise), Some(Refused));
}

#[test]
fn a_reply_that_comes_twice_or_to_another_request_changes_nothing() {
    let mut inventory = asked();
    let Command::ChangeOrder(mut other) = authorised() else { unreachable!() };
    let OrderChange::Reply(reply) = &mut other.change else { unreachable!() };
    reply.request = "another".parse().unwrap();
    assert_eq!(when(&inventory, Command::ChangeOrder(other)), Ok(Vec::new()));
    assert_eq!(when(&inventory, voided()), Ok(Vec::new()), "no void was asked for");
    then(&mut inventory, 1, authorised());
    for again in [authorised(), declined(), voided()] {
        assert_eq!(when_at(&inventory, 2, again.clone()), Ok(Vec::new()), "{again:?}");
    }
}

#[test]
fn the_steps_of_an_order_cannot_be_reversed() {
    let mut inventory = placed();
    let events = when(&inventory, place(2, &[("A", 1)], 10)).unwrap();
    let id: shared_events::lane::EventId = "0-1".parse().unwrap();
    let target = Target::Event(id);
    let event = TargetEvent {
        event: events[0].clone(),
        occurred_at: at(0),
        is_reversed: false,
        reversed_by: None,
        dependents: Vec::new(),
        promises: Vec::new(),
    };
    inventory.insert_selection(target.clone(), [(id, event)]);
    let rejection = when(&inventory, reverse(1, target)).unwrap_err();
    let why = Irreversible::Order;
    assert_eq!(rejection, Rejection::NotReversible { why, dependents: Vec::new() });
}
