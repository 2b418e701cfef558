//! The running figures of one command, line by line.

use std::collections::HashMap;

use shared_events::event::Figures;
use shared_events::values::{AMOUNT_MAX, LocationCode, Sku};

use super::rejection::{Rejection, Shortage};
use super::state::{Inventory, StockState};

/// The figures while a command's lines are gone through in order, so that lines naming one stream
/// twice see each other. Shortages are gathered, to be told all at once.
pub(super) struct Ledger<'a> {
    inventory: &'a Inventory,
    running: HashMap<(Sku, LocationCode), Running>,
    /// The streams in the order in which they first ran short.
    short: Vec<(Sku, LocationCode)>,
}

struct Running {
    figures: Figures,
    /// All that the lines take out so far.
    taken: i64,
    /// What the lines could have taken out together when the first of them did not fit.
    limit: Option<i64>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        Self { inventory, running: HashMap::new(), short: Vec::new() }
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

    /// The stock before the command.
    pub(super) fn before(&self, sku: &Sku, location: &LocationCode) -> StockState {
        self.inventory.stock(sku, location)
    }

    fn running(&mut self, sku: &Sku, location: &LocationCode) -> &mut Running {
        let inventory = self.inventory;
        self.running.entry((sku.clone(), location.clone())).or_insert_with(|| Running {
            figures: inventory.stock(sku, location).figures,
            taken: 0,
            limit: None,
        })
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

    /// Takes a quantity out, of what `takeable` says may be taken; a shortage is remembered and
    /// told by [`Self::check_enough`].
    pub(super) fn take(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        quantity: i64,
        takeable: fn(Figures) -> i64,
    ) -> Figures {
        let running = self.running(sku, location);
        let may_take = takeable(running.figures);
        let first_short = quantity > may_take && running.limit.is_none();
        if first_short {
            running.limit = Some(running.taken.saturating_add(may_take));
        }
        // Figures are far within 64 bits unless the command is short, and then only the report
        // shows a sum that stopped at the edge.
        running.taken = running.taken.saturating_add(quantity);
        running.figures.on_hand = running.figures.on_hand.saturating_sub(quantity);
        let figures = running.figures;
        if first_short {
            self.short.push((sku.clone(), location.clone()));
        }
        figures
    }

    pub(super) fn check_enough(self) -> Result<(), Rejection> {
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
