//! Figures kept in memory, for point reads of pairs that did not change since they were read.

use std::sync::{Arc, Mutex, PoisonError};

use shared_events::lane::PositionToken;
use shared_events::values::{LocationCode, Sku};

use crate::http::Service;
use crate::http::answer::Figure;
use crate::http::rows::token;
use crate::http::wait::AsOf;
use crate::metrics;
use crate::pipeline::memory::Stamp;
use crate::projection::{SLOTS, Slot};

/// One figure a slot: the last one that was read.
#[derive(Debug)]
pub struct Kept(Box<[Mutex<Option<Arc<Entry>>>]>);

#[derive(Debug)]
struct Entry {
    sku: Sku,
    location: LocationCode,
    stamp: Stamp,
    figure: Figure,
}

impl Default for Kept {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| Mutex::default()).collect())
    }
}

/// A pair whose figure may be kept once it is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    slot: Slot,
    stamp: Option<Stamp>,
}

/// The slot of a pair, for those who read it and for the batch that changes it.
pub fn slot(sku: &Sku, location: &LocationCode) -> Slot {
    Slot::of(&(sku.as_str(), location.as_str()))
}

impl Kept {
    /// The figure if it is kept and still valid; else what to say when it was read. To be asked before the
    /// reading begins.
    pub fn find(
        &self,
        service: &Service,
        sku: &Sku,
        location: &LocationCode,
    ) -> Result<AsOf<Figure>, Reading> {
        let memory = service.progress.memory();
        let slot = slot(sku, location);
        let position = service.lane_map().ok().and_then(|lane_map| {
            let lane = lane_map.lane_of_item(sku);
            let is_ours = service.assignment.has(lane);
            let position = memory.answers_as_of(lane, service.progress.applied(lane));
            position.filter(|_| is_ours).map(|position| token(lane, position.0))
        });
        let stamp = memory.stamp(slot);
        let reading = Reading { slot, stamp };
        let position: PositionToken = position.ok_or(reading)?;
        let is_valid = |entry: &Arc<Entry>| {
            Some(entry.stamp) == stamp && entry.sku == *sku && entry.location == *location
        };
        let entry = self.entry(slot).filter(is_valid).ok_or(reading)?;
        metrics::figure_from_memory();
        Ok(AsOf { position, value: entry.figure.clone() })
    }

    /// Keeps a figure that was read after `reading` was given out.
    pub fn keep(&self, reading: Reading, sku: Sku, location: LocationCode, figure: Figure) {
        let Reading { slot, stamp: Some(stamp) } = reading else {
            return;
        };
        let entry = Arc::new(Entry { sku, location, stamp, figure });
        *self.0[slot.0].lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
    }

    fn entry(&self, Slot(slot): Slot) -> Option<Arc<Entry>> {
        self.0[slot].lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
