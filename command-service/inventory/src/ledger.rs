//! The running stock figures while one command's lines are processed.

mod waiting;

use foldhash::HashMap;
use std::collections::hash_map::Entry;

use shared_events::event::{Cause, Event, Figures, HeldStock};
use shared_events::time::Timestamp;
use shared_events::values::{AMOUNT_MAX, LocationCode, Sku};

use super::queue::Queue;
use super::rejection::{Rejection, Shortage};
use super::state::{Hold, Holds, StockState};
use super::working_set::Inventory;

/// The most expired holds of one stream that one command ends, so that a command always fits into a
/// transaction. Further expired holds count as held until a later command ends them.
const EXPIRED_MAX: usize = 1_000;

/// The figures after the lines so far, so that two lines of one stream see each other. The first
/// access to a stream ends its expired holds and serves those who wait for it, which may be due since then;
/// [`Self::finish`] serves them with what the command freed, and reports all shortages at once.
pub(super) struct Ledger<'a> {
    inventory: &'a Inventory,
    now: Timestamp,
    running: HashMap<(Sku, LocationCode), Running>,
    /// The ends of expired holds and what those who waited got before the command, streams in the order of
    /// their first access.
    due: Vec<Event>,
    /// The streams that somebody waits for, in the order of their first access.
    waited_for: Vec<(Sku, LocationCode)>,
    /// How many entries of queues were filled or left.
    served: usize,
    /// The streams in the order in which they first ran short.
    short: Vec<(Sku, LocationCode)>,
}

struct Running {
    figures: Figures,
    /// With what those who waited got.
    holds: Holds,
    queue: Queue,
    was_served: bool,
    /// Whether more can be served than the command does.
    has_more: bool,
    /// The sum of all lines so far.
    taken: i64,
    /// The sum that was possible when the first line did not fit.
    limit: Option<i64>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(inventory: &'a Inventory, now: Timestamp) -> Self {
        Self {
            inventory,
            now,
            running: HashMap::default(),
            due: Vec::new(),
            waited_for: Vec::new(),
            served: 0,
            short: Vec::new(),
        }
    }

    pub(super) fn check_known(&self, sku: &Sku, location: &LocationCode) -> Result<(), Rejection> {
        if self.inventory.item(sku).is_none_or(|item| item.details.is_none()) {
            return Err(Rejection::UnknownSku { sku: sku.clone() });
        }
        if self.inventory.location(location).is_none_or(|known| known.details.is_none()) {
            return Err(Rejection::UnknownLocation { location: location.clone() });
        }
        Ok(())
    }

    /// The recorded stock before the command, which the caller's preconditions refer to.
    pub(super) fn before(&self, sku: &Sku, location: &LocationCode) -> StockState {
        self.inventory.stock(sku, location)
    }

    /// Ends one expired hold, also if it is beyond the first [`EXPIRED_MAX`].
    pub(super) fn end(&mut self, sku: &Sku, location: &LocationCode, hold: &Hold) {
        self.running(sku, location);
        let stock = self.inventory.stock(sku, location);
        let is_beyond = stock.holds.expired(self.now).nth(EXPIRED_MAX);
        let quantity = stock.holds.quantity(hold);
        if quantity > 0 && is_beyond.is_some_and(|(first, _)| hold >= first) {
            let running = self.running(sku, location);
            running.figures.reserved -= quantity;
            let figures = running.figures;
            self.due.push(hold_expired(sku, location, hold, quantity, figures));
        }
    }

    pub(super) fn figures(&mut self, sku: &Sku, location: &LocationCode) -> Figures {
        self.running(sku, location).figures
    }

    fn running(&mut self, sku: &Sku, location: &LocationCode) -> &mut Running {
        match self.running.entry((sku.clone(), location.clone())) {
            Entry::Occupied(running) => running.into_mut(),
            Entry::Vacant(new) => {
                let StockState { mut figures, holds, queue, .. } =
                    self.inventory.stock(sku, location);
                for (hold, quantity) in holds.expired(self.now).take(EXPIRED_MAX) {
                    figures.reserved -= quantity;
                    self.due.push(hold_expired(sku, location, hold, quantity, figures));
                }
                let mut running = Running {
                    figures,
                    holds,
                    queue,
                    was_served: false,
                    has_more: false,
                    taken: 0,
                    limit: None,
                };
                if !running.queue.is_empty() {
                    running.serve((sku, location), self.now, &mut self.served, &mut self.due);
                    self.waited_for.push((sku.clone(), location.clone()));
                }
                new.insert(running)
            }
        }
    }

    /// Adds a quantity, unless the item is retired or the figure would become too large.
    pub(super) fn put_in(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
    ) -> Result<Figures, Rejection> {
        self.add(sku, location, quantity, |figures| &mut figures.on_hand)
    }

    /// Notes a quantity that is on its way here, with the same conditions.
    pub(super) fn expect(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
    ) -> Result<Figures, Rejection> {
        self.add(sku, location, quantity, |figures| &mut figures.incoming)
    }

    /// Adds a quantity that was on its way here, with the same conditions.
    pub(super) fn arrive(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
    ) -> Result<Figures, Rejection> {
        self.put_in(sku, location, quantity)?;
        Ok(self.expect_less(sku, location, quantity))
    }

    /// Takes back a quantity that a transfer has on its way here, so there is always enough.
    pub(super) fn expect_less(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
    ) -> Figures {
        let figures = &mut self.running(sku, location).figures;
        figures.incoming -= quantity;
        *figures
    }

    fn add(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
        figure: fn(&mut Figures) -> &mut i64,
    ) -> Result<Figures, Rejection> {
        if self.inventory.item(sku).is_some_and(|item| item.retired) {
            return Err(Rejection::ItemRetired { sku: sku.clone() });
        }
        let running = self.running(sku, location);
        if running.limit.is_some() {
            return Ok(running.figures);
        }
        let amount = figure(&mut running.figures);
        match amount.checked_add(quantity).filter(|sum| *sum <= AMOUNT_MAX) {
            Some(sum) => {
                *amount = sum;
                Ok(running.figures)
            }
            None => {
                Err(Rejection::QuantityOverflow { sku: sku.clone(), location: location.clone() })
            }
        }
    }

    /// Removes a quantity, at most the `takeable` one.
    pub(super) fn take(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
        takeable: fn(Figures) -> i64,
    ) -> Figures {
        self.claim(sku, location, quantity, takeable, |figures, quantity| {
            figures.on_hand -= quantity;
        })
    }

    /// Reserves a quantity, at most the available one.
    pub(super) fn hold(&mut self, sku: &Sku, location: &LocationCode, quantity: i64) -> Figures {
        self.claim(sku, location, quantity, Figures::available, |figures, quantity| {
            figures.reserved += quantity;
        })
    }

    /// Removes an allocated quantity, at most on_hand, which an accepted shortage can leave below the
    /// allocated quantity.
    pub(super) fn fulfil(&mut self, sku: &Sku, location: &LocationCode, quantity: i64) -> Figures {
        self.claim(
            sku,
            location,
            quantity,
            |figures| figures.on_hand,
            |figures, quantity| {
                figures.allocated -= quantity;
                figures.on_hand -= quantity;
            },
        )
    }

    /// Applies a change if there is enough, else notes the shortage for [`Self::finish`]. After a
    /// shortage the stream's figures stay as they are: the command is rejected anyway, and they cannot
    /// overflow.
    fn claim(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
        claimable: fn(Figures) -> i64,
        change: fn(&mut Figures, i64),
    ) -> Figures {
        let running = self.running(sku, location);
        let may_take = claimable(running.claimable());
        let first_short = quantity > may_take && running.limit.is_none();
        if first_short {
            running.limit = Some(running.taken.saturating_add(may_take));
        }
        if running.limit.is_none() {
            change(&mut running.figures, quantity);
        }
        // Only this reported sum saturates, never a figure.
        running.taken = running.taken.saturating_add(quantity);
        let figures = running.figures;
        if first_short {
            self.short.push((sku.clone(), location.clone()));
        }
        figures
    }

    /// Changes reserved and allocated by quantities that a reservation has there, so there is always
    /// enough.
    pub(super) fn change(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        reserved: i64,
        allocated: i64,
    ) -> Figures {
        let figures = &mut self.running(sku, location).figures;
        figures.reserved += reserved;
        figures.allocated += allocated;
        *figures
    }

    /// The streams that ran short, in the order in which they did.
    pub(super) fn short(&self) -> &[(Sku, LocationCode)] {
        &self.short
    }

    /// What was due before the command, then the command's own events, then what those who wait get of
    /// what it freed; or all shortages. A command without an event must not call this, since it may not end
    /// holds either.
    pub(super) fn finish(mut self, events: Vec<Event>) -> Result<Vec<Event>, Rejection> {
        if !self.short.is_empty() {
            return Err(Rejection::InsufficientStock { lines: self.shortages() });
        }
        let mut all = self.due;
        if all.is_empty() {
            all = events;
        } else {
            all.extend(events);
        }
        for (sku, location) in self.waited_for {
            let Some(running) = self.running.get_mut(&(sku.clone(), location.clone())) else {
                continue;
            };
            running.serve((&sku, &location), self.now, &mut self.served, &mut all);
            if running.has_more {
                waiting::mark_more(&mut all, (&sku, &location), self.now);
            }
        }
        Ok(all)
    }

    pub(super) fn shortages(&self) -> Vec<Shortage> {
        let shortage = |key: &(Sku, LocationCode)| {
            let running = self.running.get(key)?;
            Some(Shortage {
                sku: key.0.clone(),
                location: key.1.clone(),
                requested: running.taken,
                available: running.limit?,
            })
        };
        self.short.iter().filter_map(shortage).collect()
    }
}

fn hold_expired(
    sku: &Sku,
    location: &LocationCode,
    hold: &Hold,
    quantity: i64,
    after: Figures,
) -> Event {
    Event::StockHoldExpired(HeldStock {
        sku: sku.clone(),
        location: location.clone(),
        reservation: hold.reservation.clone(),
        line: hold.line,
        quantity,
        expires_at: hold.expires_at,
        after,
        cause: Cause::default(),
    })
}
