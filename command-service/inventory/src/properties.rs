//! Properties of any list of commands at any times.

mod requests;
mod world;
mod rules;
mod orders;

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use shared_events::event::Event;

use self::requests::{
    RandomRequest, bookings, lines, order_requests, requests, requests_without_waiting,
};
use self::rules::is_due;
use self::world::World;
use super::spec::commands::{correlation, issue, reserving, reversal, reverse};
use super::*;

/// The world after all requests.
fn after(requests: &[RandomRequest]) -> World {
    let mut world = World::new();
    for request in requests {
        let _ = world.run_request(request);
    }
    world
}

/// All events except what was due before, whose order depends on the first access to their stream.
fn own(events: Vec<Event>) -> Vec<Event> {
    let mut events = events;
    events.retain(|event| !is_due(event));
    events
}

#[test]
fn the_random_requests_cause_every_event_type() {
    let mut runner = TestRunner::deterministic();
    let mut missing: HashSet<&str> = Event::TYPES.iter().map(|(name, _)| *name).collect();
    // Nothing is decided on a state: what an event holds decides what is removed from it.
    missing.remove("EventsRedacted");
    let mut reversals_of_reversals = 0;
    for number in 0..1_200 {
        let requests = match number % 5 {
            0 => order_requests().new_tree(&mut runner).unwrap().current(),
            _ => requests(true).new_tree(&mut runner).unwrap().current(),
        };
        let world = after(&requests);
        for event in world.events() {
            missing.remove(event.event_type());
        }
        reversals_of_reversals += world.reversals_of_reversals();
    }
    assert!(missing.is_empty() && reversals_of_reversals > 10, "{missing:?}");
}

proptest! {
    #[test]
    fn states_are_the_fold_of_the_log_and_rejections_change_nothing(
        requests in requests(true),
    ) {
        let world = after(&requests);
        prop_assert_eq!(world.states(), world.folded());
    }

    #[test]
    fn an_order_ends_well_or_is_undone(requests in order_requests()) {
        // The world checks every order after each of its events.
        let world = after(&requests);
        prop_assert_eq!(world.states(), world.folded());
    }

    #[test]
    fn storing_and_restoring_the_inventory_between_commands_changes_no_event(
        requests in requests(true),
        apart in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut world = World::new();
        for (request, apart) in requests.iter().zip(apart) {
            if apart {
                world.store_and_restore();
            }
            let _ = world.run_request(request);
        }
        let together = after(&requests);
        prop_assert_eq!(world.events(), together.events());
    }

    #[test]
    fn confirming_releasing_or_cancelling_all_changes_nothing_the_second_time(
        requests in requests(true),
    ) {
        let mut world = World::new();
        for request in &requests {
            let Some((command, Ok(events))) = world.run_request(request) else { continue };
            let Command::ChangeReservation(change) = &command else { continue };
            let again = world.decide(&command);
            match &change.step {
                Step::Confirm | Step::Release(None) | Step::Cancel(None) => {
                    prop_assert_eq!(again, Ok(vec![]));
                }
                Step::Settle | Step::ChangeWait { .. } => prop_assert_eq!(again, Ok(vec![])),
                Step::Fulfil(None) if !events.is_empty() => prop_assert!(again.is_err()),
                Step::Extend { .. } => prop_assert_eq!(again, Ok(vec![])),
                Step::Release(_) | Step::Cancel(_) | Step::Fulfil(_) | Step::Return(_) => {}
            }
        }
    }

    #[test]
    fn reversing_all_bookings_restores_the_stock_any_number_of_times(
        requests in requests_without_waiting(),
        bookings in prop::collection::vec(bookings(false), 1..12),
    ) {
        let mut world = after(&requests);
        let start = world.on_hand();
        let mut targets = Vec::new();
        for booking in bookings {
            let number = world.commands();
            if world.run(&booking).is_ok_and(|events| !events.is_empty()) {
                targets.push(correlation(number));
            }
        }
        let end = world.on_hand();
        for turn in 0..3 {
            let mut reversals = Vec::new();
            for target in targets.into_iter().rev() {
                let number = u128::try_from(world.commands()).unwrap();
                let outcome = world.run(&reverse(number, target));
                prop_assert!(outcome.is_ok(), "{:?}", outcome);
                reversals.push(Target::Reversal(reversal(number)));
            }
            let expected = if turn % 2 == 0 { &start } else { &end };
            prop_assert_eq!(&world.on_hand(), expected);
            targets = reversals;
        }
    }

    #[test]
    fn a_command_is_rejected_exactly_when_one_of_its_lines_alone_would_be(
        requests in requests(true),
        lines in lines(1_i64..50),
    ) {
        let mut world = after(&requests);
        let whole = world.decide(&issue(&lines));
        let held = world.decide(&reserving(u128::MAX, &lines));
        prop_assert_eq!(held.as_ref().err(), whole.as_ref().err(), "reserving follows the same rule as issuing");
        let mut by_lines = Ok(Vec::new());
        for line in &lines {
            match (world.run(&issue(&[*line])), &mut by_lines) {
                (Ok(events), Ok(all)) => all.extend(events),
                (Ok(_), Err(_)) => {}
                (Err(rejection), _) => by_lines = Err(rejection),
            }
        }
        prop_assert_eq!(whole.is_ok(), by_lines.is_ok());
        if let (Ok(whole), Ok(by_lines)) = (whole, by_lines) {
            prop_assert_eq!(own(whole), own(by_lines));
        }
    }
}
