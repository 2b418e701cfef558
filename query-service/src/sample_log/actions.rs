//! Logs of any actions.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{LANES, Log, Step, TransferChange, WaitStep, at};

#[derive(Debug, Clone, Copy)]
pub(crate) enum ActionKind {
    /// Later events happened on this day, whenever they are recorded.
    Day,
    Item,
    Location,
    Receive,
    Issue,
    Adjust,
    Move,
    Retire,
    Reinstate,
    Set,
    Reverse,
    Reserve,
    Step(Step),
    Dispatch,
    Transfer(TransferChange),
    Order,
    ContinueOrder,
    Wait,
    WaitStep(WaitStep),
    RefuseStep,
}

/// What happens next: a kind, a sku, a location, an amount, an earlier reservation, and whether only
/// half of that is meant.
pub(crate) type Action = (ActionKind, u8, u8, i64, Index, bool);

pub(crate) fn actions(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Action>> {
    use ActionKind::{
        Adjust, Day, Issue, Item, Location, Move, Receive, Reinstate, Retire, Reverse, Set,
    };
    let plain =
        [Day, Item, Location, Receive, Issue, Adjust, Move, Retire, Reinstate, Set, Reverse];
    let kind = prop_oneof![
        4 => select(plain.to_vec()),
        1 => Just(ActionKind::Reserve),
        3 => select(&Step::ALL[..]).prop_map(ActionKind::Step),
        1 => Just(ActionKind::Dispatch),
        2 => select(&TransferChange::ALL[..]).prop_map(ActionKind::Transfer),
        1 => Just(ActionKind::RefuseStep),
        1 => Just(ActionKind::Order),
        4 => Just(ActionKind::ContinueOrder),
        1 => Just(ActionKind::Wait),
        2 => select(&WaitStep::ALL[..]).prop_map(ActionKind::WaitStep),
    ];
    let action = (kind, 0..6u8, 0..3u8, 1..100i64, any::<Index>(), any::<bool>());
    prop::collection::vec(action, count)
}

pub(crate) fn log_of(actions: &[Action]) -> Log {
    let mut log = Log::with_lanes(LANES);
    for (kind, sku, location, amount, reservation, half) in actions {
        let (sku, next_sku) = (format!("S{sku}"), format!("S{}", (sku + 1) % 6));
        let (location, amount) = (format!("L{location}"), *amount);
        let delta = amount % 19 - 9;
        match kind {
            ActionKind::Day => log.happened_at(at(amount % 5 * 86_400 + 40_000)),
            ActionKind::Item => log.register_item(&sku, amount % 9),
            ActionKind::Location => log.register_location(&location),
            ActionKind::Receive => log.receive(&sku, &location, amount),
            ActionKind::Issue => log.issue(&sku, &location, amount),
            ActionKind::Adjust => log.adjust(&sku, &location, delta),
            ActionKind::Move => log.move_stock(&sku, "L0", "L1", amount),
            ActionKind::Retire => log.retire_item(&sku),
            ActionKind::Reinstate => log.reinstate_item(&sku, amount % 9),
            ActionKind::Set => log.set(&sku, &location, delta),
            ActionKind::Reverse => log.reverse(&sku, &location, delta),
            ActionKind::Step(step) if log.reservations() > 0 => {
                let number = reservation.index(log.reservations());
                let mut parts = log.whole(number, *step);
                if *half {
                    parts.iter_mut().for_each(|part| part.quantity = (part.quantity + 1) / 2);
                }
                log.step(number, *step, &parts);
            }
            ActionKind::Transfer(change) if log.transfers() > 0 => {
                log.transfer(reservation.index(log.transfers()), *change, amount % 7 + 1);
            }
            ActionKind::ContinueOrder if log.orders() > 0 => {
                log.continue_order(reservation.index(log.orders()), amount);
            }
            ActionKind::Order | ActionKind::ContinueOrder => {
                log.place_order(&location, &sku, amount);
            }
            ActionKind::WaitStep(step) if log.waiting() > 0 => {
                log.wait_step(reservation.index(log.waiting()), *step, amount % 7 + 1);
            }
            ActionKind::Wait | ActionKind::WaitStep(_) => {
                log.wait(&sku, &location, amount, (amount % 10) as u8);
            }
            ActionKind::Dispatch | ActionKind::Transfer(_) => {
                // The two skus are mostly in different lanes.
                log.dispatch(&[(&sku, &location, "L9", amount), (&next_sku, "L0", "L1", amount)]);
            }
            ActionKind::RefuseStep if log.reservations() > 0 => {
                log.refuse_step(reservation.index(log.reservations()));
            }
            ActionKind::Reserve | ActionKind::RefuseStep | ActionKind::Step(_) => {
                // The two skus are mostly in different lanes.
                let held = amount % 8 + 1;
                log.reserve(&[
                    (&sku, &location, held + 3, held),
                    (&next_sku, &location, held, held),
                ]);
            }
        }
    }
    log
}
