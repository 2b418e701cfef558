//! An inventory with its log, checked after every command.

use std::collections::{BTreeMap, HashMap};

use proptest::sample::Index;
use shared_events::event::{Cause, Event, StockReversed};
use shared_events::lane::{EventId, Lane, LaneMap, Position};
use shared_events::time::Timestamp;

use super::requests::{By, Lacking, Next, RandomRequest, What};
use super::rules::{
    check_change, check_order, check_orders, check_reservations, check_transfer_balance,
    check_transfers,
};
use crate::spec::commands::{
    continuing, correlation, dispatch, id, order, order_id, partial, place, reply, reserve,
    reverse, step, transfer, transfer_id, waiting,
};
use crate::spec::{at, beginning, when_at};
use crate::*;

/// An inventory with the log of all that it was folded from.
pub(super) struct World {
    inventory: Inventory,
    log: Vec<Logged>,
    heads: HashMap<Lane, i64>,
    lanes: LaneMap,
    /// In seconds.
    now: u64,
    /// The number of commands so far; each is its own correlation.
    commands: usize,
}

struct Logged {
    id: EventId,
    event: Event,
    occurred_at: Timestamp,
    command: usize,
    reversed_by: Option<EventId>,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            inventory: Inventory::default(),
            log: Vec::new(),
            heads: HashMap::new(),
            lanes: LaneMap::even(3).unwrap(),
            now: 0,
            commands: 0,
        };
        for event in beginning() {
            world.fold(event);
        }
        world
    }

    /// Runs a request, if its subject exists; returns the command and its outcome.
    pub(super) fn run_request(
        &mut self,
        request: &RandomRequest,
    ) -> Option<(Command, Result<Vec<Event>, Rejection>)> {
        self.now += request.seconds;
        let command = self.command(&request.what)?;
        let outcome = self.run(&command);
        Some((command, outcome))
    }

    fn command(&self, what: &What) -> Option<Command> {
        let number = u128::try_from(self.commands).unwrap();
        match what {
            What::Command(command) => Some(command.clone()),
            What::Reserve { lines, ttl_seconds, policy, replaces } => {
                let (lines, ttl_seconds, policy) = (lines.clone(), *ttl_seconds, *policy);
                let replaces = replaces.and_then(|index| self.made(&index)).map(id);
                let new = reserve(number, &[]);
                let command = ReserveStock { lines, ttl_seconds, policy, replaces, ..new };
                Some(Command::ReserveStock(command))
            }
            What::Step { of, step: next } => Some(step(self.made(of)?, next.clone())),
            What::Dispatch { lines, seconds } => {
                let expected_at = seconds.map(|seconds| at(self.now + seconds));
                Some(dispatch(number, lines, expected_at))
            }
            What::Transfer { of, change } => Some(transfer(self.dispatched(of)?, change.clone())),
            What::Place { lines, seconds, lacking } => {
                let command = place(number, lines, *seconds);
                Some(match lacking {
                    Lacking::Fail => command,
                    Lacking::TakeLess => partial(command),
                    Lacking::Wait(seconds) => waiting(command, *seconds),
                })
            }
            What::Order { of, next } => {
                let number = self.placed(of)?;
                Some(match next {
                    Next::Continue => continuing(number),
                    Next::Cancel => order(number, OrderChange::Cancel),
                    Next::Resume => order(number, OrderChange::Resume),
                    Next::Reply(outcome) => reply(number, *outcome),
                })
            }
            What::Settle { of, outcome } => {
                let (id, cause) = (id(self.made(of)?), Cause::default());
                let command = SettleReservation { id, outcome: *outcome, cause };
                Some(Command::SettleReservation(command))
            }
            What::Reverse { of, by } => {
                let logged = &self.log[of.index(self.log.len())];
                let of_command = self.log.iter().filter(|other| other.command == logged.command);
                let target = match (by, &logged.event) {
                    (By::Event, _) => Target::Event(logged.id),
                    (By::Reversal, Event::StockReversed(one)) => {
                        Target::Reversal(one.reversal.clone())
                    }
                    (By::Command | By::Reversal, _) => correlation(logged.command),
                    (By::Some, _) => Target::Events(
                        of_command.map(|one| one.id).filter(|id| id.1.0 % 2 == 0).collect(),
                    ),
                };
                Some(reverse(number, target))
            }
        }
    }

    /// The number of one of the reservations that were made, if there are any.
    fn made(&self, which: &Index) -> Option<u128> {
        let held = self.log.iter().filter_map(|logged| match &logged.event {
            Event::ReservationHeld(step) | Event::ReservationWaitlisted(step) => {
                Some((logged.command, step.after.id.clone()))
            }
            _ => None,
        });
        // Those of orders are not made by the command of their number.
        let all: Vec<_> = held.filter(|(by, made)| *made == id(*by as u128)).collect();
        let (made_by, made) = all.get(which.index(all.len().max(1)))?;
        let made_by = u128::try_from(*made_by).unwrap();
        assert_eq!(*made, id(made_by));
        Some(made_by)
    }

    /// The number of the command that dispatched a transfer, if there is one.
    fn dispatched(&self, which: &Index) -> Option<u128> {
        let transfers = self.log.iter().filter_map(|logged| match &logged.event {
            Event::TransferDispatched(step) => Some((logged.command, &step.after.id)),
            _ => None,
        });
        let all: Vec<_> = transfers.collect();
        let (made_by, made) = all.get(which.index(all.len().max(1)))?;
        let made_by = u128::try_from(*made_by).unwrap();
        assert_eq!(**made, transfer_id(made_by));
        Some(made_by)
    }

    /// The number of the command that placed an order, if there is one.
    fn placed(&self, which: &Index) -> Option<u128> {
        let orders = self.log.iter().filter_map(|logged| match &logged.event {
            Event::OrderPlaced(step) => Some((logged.command, &step.after.id)),
            _ => None,
        });
        let all: Vec<_> = orders.collect();
        let (placed_by, placed) = all.get(which.index(all.len().max(1)))?;
        let placed_by = u128::try_from(*placed_by).unwrap();
        assert_eq!(**placed, order_id(placed_by));
        Some(placed_by)
    }

    /// Decides a command and folds its events.
    pub(super) fn run(&mut self, command: &Command) -> Result<Vec<Event>, Rejection> {
        let outcome = self.decide(command);
        if let Ok(events) = &outcome {
            self.accept(command, events);
        }
        self.commands += 1;
        outcome
    }

    pub(super) fn decide(&self, command: &Command) -> Result<Vec<Event>, Rejection> {
        match command.reversal() {
            None => when_at(&self.inventory, self.now, command.clone()),
            Some(target) => {
                let mut inventory = self.inventory.clone();
                inventory.insert_selection(target.clone(), self.select(target));
                when_at(&inventory, self.now, command.clone())
            }
        }
    }

    /// The events of a target, as found in the log.
    fn select(&self, target: &Target) -> Vec<(EventId, TargetEvent)> {
        let half = |id: &EventId| {
            let index = self.index(*id)?;
            Some(self.log[self.other_half(index)?].id)
        };
        let is_named = |logged: &Logged| match target {
            Target::Event(id) => logged.id == *id || half(id) == Some(logged.id),
            Target::Correlation(_) => correlation(logged.command) == *target,
            Target::Reversal(reversal) => match &logged.event {
                Event::StockReversed(reversed) => reversed.reversal == *reversal,
                _ => false,
            },
            Target::Events(ids) => ids.contains(&logged.id),
        };
        let named = self.log.iter().enumerate().filter(|(_, logged)| is_named(logged));
        named.map(|(index, logged)| (logged.id, self.target_event(index))).collect()
    }

    fn target_event(&self, index: usize) -> TargetEvent {
        let Logged { event, occurred_at, reversed_by, .. } = &self.log[index];
        let of_stream = |other: &&Logged| other.event.stream() == event.stream();
        let later = self.log[index + 1..].iter().filter(of_stream).filter(|later| {
            let change = later.event.stock_change();
            later.reversed_by.is_none() && change.is_some_and(|change| change.delta.on_hand < 0)
        });
        let promises = self.log.iter().filter(of_stream).filter(|other| {
            matches!(
                other.event,
                Event::StockReserved(_) | Event::StockAllocated(_) | Event::StockWaitlistFilled(_)
            )
        });
        TargetEvent {
            event: event.clone(),
            occurred_at: *occurred_at,
            is_reversed: reversed_by.is_some(),
            reversed_by: *reversed_by,
            dependents: later.map(|later| later.id).collect(),
            promises: promises.map(|promise| promise.id).collect(),
        }
    }

    /// The index of the other half of a move or of a reversed move.
    fn other_half(&self, index: usize) -> Option<usize> {
        match &self.log[index].event {
            Event::StockMovedOut(_) => Some(index + 1),
            Event::StockMovedIn(_) => Some(index - 1),
            Event::StockReversed(StockReversed { reverses, .. }) => {
                let other = self.other_half(self.index(*reverses)?)?;
                self.index(self.log[other].reversed_by?)
            }
            _ => None,
        }
    }

    fn index(&self, id: EventId) -> Option<usize> {
        self.log.iter().position(|logged| logged.id == id)
    }

    fn accept(&mut self, command: &Command, events: &[Event]) {
        check_order(events);
        check_transfer_balance(command, events);
        for event in events {
            check_change(&self.inventory, command, event);
            self.fold(event.clone());
        }
        for change in events.iter().filter_map(Event::stock_change) {
            let stock = self.inventory.stock(change.sku, change.location);
            assert_eq!(
                stock.holds.expired(at(self.now)).count(),
                0,
                "all expired holds have ended"
            );
            assert_eq!(
                stock.queue.first_ended(at(self.now)),
                None,
                "those who waited long enough left"
            );
        }
        check_reservations(&self.inventory, at(self.now));
        check_transfers(&self.inventory);
        check_orders(&self.inventory, events);
    }

    fn fold(&mut self, event: Event) {
        let lane = self.lanes.lane_of(&event.stream());
        let head = self.heads.entry(lane).or_default();
        *head += 1;
        let id = EventId(lane, Position(*head));
        if let Event::StockReversed(StockReversed { reverses, delta, .. }) = &event {
            let index = self.index(*reverses).expect("the reversed event is in the log");
            let earlier = &mut self.log[index];
            assert_eq!(earlier.reversed_by.replace(id), None, "only once");
            let opposite = earlier.event.stock_change().map(|change| -change.delta.on_hand);
            assert_eq!(opposite, Some(*delta));
        }
        let occurred_at = event.own_time().unwrap_or(at(self.now));
        self.inventory.evolve(&event, occurred_at);
        let command = self.commands;
        self.log.push(Logged { id, event, occurred_at, command, reversed_by: None });
    }

    /// As a cache or a snapshot does between two batches.
    pub(super) fn store_and_restore(&mut self) {
        for state in std::mem::take(&mut self.inventory).into_states() {
            let written = serde_json::to_string(&state).expect("a state is written as JSON");
            let read = serde_json::from_str(&written).expect("a state is read again");
            assert_eq!(state, read);
            self.inventory.insert(read);
        }
    }

    pub(super) fn commands(&self) -> usize {
        self.commands
    }

    pub(super) fn events(&self) -> Vec<&Event> {
        self.log.iter().map(|logged| &logged.event).collect()
    }

    pub(super) fn reversals_of_reversals(&self) -> usize {
        let is_reversal = |logged: &&Logged| matches!(logged.event, Event::StockReversed(_));
        self.log.iter().filter(is_reversal).filter(|logged| logged.reversed_by.is_some()).count()
    }

    pub(super) fn states(&self) -> Vec<StreamState> {
        sorted(self.inventory.clone())
    }

    /// Every state as folded from the log alone.
    pub(super) fn folded(&self) -> Vec<StreamState> {
        let mut inventory = Inventory::default();
        for logged in &self.log {
            inventory.evolve(&logged.event, logged.occurred_at);
        }
        sorted(inventory)
    }

    /// on_hand of every stock stream with stock, by name.
    pub(super) fn on_hand(&self) -> BTreeMap<String, i64> {
        let figures = self.inventory.clone().into_states().filter_map(|state| match state {
            StreamState::Stock((sku, location), stock) => {
                Some((format!("{sku}/{location}"), stock.figures.on_hand))
            }
            _ => None,
        });
        figures.filter(|(_, on_hand)| *on_hand != 0).collect()
    }
}

fn sorted(inventory: Inventory) -> Vec<StreamState> {
    let mut states: Vec<_> = inventory.into_states().collect();
    states.sort_by_key(StreamState::stream);
    states
}
