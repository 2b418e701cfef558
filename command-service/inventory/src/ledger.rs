//! The running figures of one command, line by line.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use shared_events::event::{Cause, Event, Figures, HeldStock};
use shared_events::time::Timestamp;
use shared_events::values::{AMOUNT_MAX, LocationCode, Sku};

use super::rejection::{Rejection, Shortage};
use super::state::{Hold, StockState};
use super::working_set::Inventory;

/// Holds of one stream that one command ends at most, so that a command is never larger than a
/// transaction may be. The rest counts as held until the next command meets it.
const LAPSED_MAX: usize = 1_000;

/// The figures while a command's lines are gone through in order, so that lines naming one stream
/// twice see each other. Holds whose time has come count no more from the first touch of their
/// stream on. Shortages are gathered, to be told all at once.
pub(super) struct Ledger<'a> {
    inventory: &'a Inventory,
    now: Timestamp,
    running: HashMap<(Sku, LocationCode), Running>,
    /// The ends of the holds that lapsed, streams in the order in which they were first touched.
    lapsed: Vec<Event>,
    /// The streams in the order in which they first ran short.
    short: Vec<(Sku, LocationCode)>,
}

struct Running {
    figures: Figures,
    /// All that the lines take so far.
    taken: i64,
    /// What the lines could have taken together when the first of them did not fit.
    limit: Option<i64>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(inventory: &'a Inventory, now: Timestamp) -> Self {
        let (running, lapsed, short) = (HashMap::new(), Vec::new(), Vec::new());
        Self { inventory, now, running, lapsed, short }
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

    /// The stock before the command, as it is recorded: what a caller's preconditions are about.
    pub(super) fn before(&self, sku: &Sku, location: &LocationCode) -> StockState {
        self.inventory.stock(sku, location)
    }

    /// Ends the holds there whose time has come.
    pub(super) fn touch(&mut self, sku: &Sku, location: &LocationCode) {
        self.running(sku, location);
    }

    /// Ends one hold whose time has come, however many end with it.
    pub(super) fn end(&mut self, sku: &Sku, location: &LocationCode, hold: &Hold) {
        self.touch(sku, location);
        let stock = self.inventory.stock(sku, location);
        let is_beyond = stock.holds.lapsed(self.now).nth(LAPSED_MAX);
        let quantity = stock.holds.quantity(hold);
        if quantity > 0 && is_beyond.is_some_and(|(first, _)| hold >= first) {
            let running = self.running(sku, location);
            running.figures.reserved -= quantity;
            let figures = running.figures;
            self.lapsed.push(lapsed(sku, location, hold, quantity, figures));
        }
    }

    /// The figures so far.
    pub(super) fn figures(&mut self, sku: &Sku, location: &LocationCode) -> Figures {
        self.running(sku, location).figures
    }

    fn running(&mut self, sku: &Sku, location: &LocationCode) -> &mut Running {
        match self.running.entry((sku.clone(), location.clone())) {
            Entry::Occupied(running) => running.into_mut(),
            Entry::Vacant(new) => {
                let stock = self.inventory.stock(sku, location);
                let mut figures = stock.figures;
                for (hold, quantity) in stock.holds.lapsed(self.now).take(LAPSED_MAX) {
                    figures.reserved -= quantity;
                    self.lapsed.push(lapsed(sku, location, hold, quantity, figures));
                }
                new.insert(Running { figures, taken: 0, limit: None })
            }
        }
    }

    /// Puts a quantity in, unless the item is retired or the figure would be too large.
    pub(super) fn put_in(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
    ) -> Result<Figures, Rejection> {
        if self.inventory.item(sku).is_some_and(|item| item.retired) {
            return Err(Rejection::ItemRetired { sku: sku.clone() });
        }
        let running = self.running(sku, location);
        if running.limit.is_some() {
            return Ok(running.figures);
        }
        let on_hand = running.figures.on_hand.checked_add(quantity);
        match on_hand.filter(|on_hand| *on_hand <= AMOUNT_MAX) {
            Some(on_hand) => {
                running.figures.on_hand = on_hand;
                Ok(running.figures)
            }
            None => {
                Err(Rejection::QuantityOverflow { sku: sku.clone(), location: location.clone() })
            }
        }
    }

    /// Takes a quantity out, of what `takeable` says may be taken.
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

    /// Holds a quantity, of what is available.
    pub(super) fn hold(&mut self, sku: &Sku, location: &LocationCode, quantity: i64) -> Figures {
        self.claim(sku, location, quantity, Figures::available, |figures, quantity| {
            figures.reserved += quantity;
        })
    }

    /// Lets a promised quantity go out, of what is there: after an accepted shortage that may be
    /// less than was promised.
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

    /// A shortage is remembered and told by [`Self::settle`]. A stream that ran short stands still:
    /// the command is refused anyway, and its figures never leave what 64 bits hold.
    fn claim(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
        claimable: fn(Figures) -> i64,
        change: fn(&mut Figures, i64),
    ) -> Figures {
        let running = self.running(sku, location);
        let may_take = claimable(running.figures);
        let first_short = quantity > may_take && running.limit.is_none();
        if first_short {
            running.limit = Some(running.taken.saturating_add(may_take));
        }
        if running.limit.is_none() {
            change(&mut running.figures, quantity);
        }
        // Only sums that are reported stop at the edge of 64 bits, no figure does.
        running.taken = running.taken.saturating_add(quantity);
        let figures = running.figures;
        if first_short {
            self.short.push((sku.clone(), location.clone()));
        }
        figures
    }

    /// Changes what is held and promised by what a reservation has there, which is always enough.
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

    /// The command's events, after the ends of the holds that lapsed where it touches the stock. Not
    /// for a command that makes no event of its own: that ends no hold either.
    pub(super) fn settle(mut self, events: Vec<Event>) -> Result<Vec<Event>, Rejection> {
        self.check_enough()?;
        if self.lapsed.is_empty() {
            return Ok(events);
        }
        self.lapsed.extend(events);
        Ok(self.lapsed)
    }

    fn check_enough(&self) -> Result<(), Rejection> {
        if self.short.is_empty() {
            return Ok(());
        }
        let lines = self
            .short
            .iter()
            .filter_map(|key| {
                let running = self.running.get(key)?;
                Some(Shortage {
                    sku: key.0.clone(),
                    location: key.1.clone(),
                    requested: running.taken,
                    available: running.limit?,
                })
            })
            .collect();
        Err(Rejection::InsufficientStock { lines })
    }
}

/// The end of a hold by itself.
fn lapsed(sku: &Sku, location: &LocationCode, hold: &Hold, quantity: i64, after: Figures) -> Event {
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
