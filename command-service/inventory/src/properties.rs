//! What holds for any list of commands, at whatever times they are asked.

mod asks;
mod world;
mod rules;
mod orders;

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use shared_events::event::Event;

use self::asks::{Ask, asks, bookings, lines};
use self::world::World;
use super::spec::asking::{correlation, issue, reserving, reversal, reverse};
use super::*;

/// A world after all that is asked.
fn after(asks: &[Ask]) -> World {
    let mut world = World::new();
    for ask in asks {
        let _ = world.ask(ask);
    }
    world
}

/// All events but the ends of holds, which come at the first touch of their stream.
fn own(events: Vec<Event>) -> Vec<Event> {
    let mut events = events;
    events.retain(|event| !matches!(event, Event::StockHoldExpired(_)));
    events
}

#[test]
fn what_is_asked_brings_about_every_fact() {
    let mut runner = TestRunner::deterministic();
    let mut missing: HashSet<&str> = Event::TYPES.iter().map(|(name, _)| *name).collect();
    let mut reversals_of_reversals = 0;
    for _ in 0..256 {
        let world = after(&asks(true).new_tree(&mut runner).unwrap().current());
        for event in world.events() {
            missing.remove(event.event_type());
        }
        reversals_of_reversals += world.reversals_of_reversals();
    }
    assert!(missing.is_empty() && reversals_of_reversals > 10, "{missing:?}");
}

proptest! {
    #[test]
    fn every_figure_is_what_its_events_and_reservations_make_it_and_refusals_change_nothing(
        asks in asks(true),
    ) {
        let world = after(&asks);
        prop_assert_eq!(world.states(), world.folded());
    }

    #[test]
    fn taking_the_inventory_apart_between_commands_changes_no_event(
        asks in asks(true),
        apart in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut world = World::new();
        for (ask, apart) in asks.iter().zip(apart) {
            if apart {
                world.take_apart_and_put_together();
            }
            let _ = world.ask(ask);
        }
        let together = after(&asks);
        prop_assert_eq!(world.events(), together.events());
    }

    #[test]
    fn a_whole_confirmation_release_or_cancellation_changes_nothing_the_second_time(
        asks in asks(true),
    ) {
        let mut world = World::new();
        for ask in &asks {
            let Some((command, Ok(events))) = world.ask(ask) else { continue };
            let Command::ChangeReservation(change) = &command else { continue };
            let again = world.decide(&command);
            match &change.step {
                Step::Confirm | Step::Release(None) | Step::Cancel(None) | Step::Expire => {
                    prop_assert_eq!(again, Ok(vec![]));
                }
                Step::Fulfil(None) if !events.is_empty() => prop_assert!(again.is_err()),
                Step::Extend { .. } => prop_assert_eq!(again, Ok(vec![])),
                Step::Release(_) | Step::Cancel(_) | Step::Fulfil(_) | Step::Return(_) => {}
            }
        }
    }

    #[test]
    fn bookings_that_are_taken_back_in_turn_leave_what_was_there_however_often(
        asks in asks(false),
        bookings in prop::collection::vec(bookings(false), 1..12),
    ) {
        let mut world = after(&asks);
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
    fn a_command_is_refused_exactly_when_its_lines_one_by_one_would_be(
        asks in asks(true),
        lines in lines(1_i64..50),
    ) {
        let mut world = after(&asks);
        let whole = world.decide(&issue(&lines));
        let held = world.decide(&reserving(u128::MAX, &lines));
        prop_assert_eq!(held.as_ref().err(), whole.as_ref().err(), "to hold is as hard as to issue");
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
