//! The rules of an inventory, pure: no IO, no clock, no randomness, no async.
//!
//! [`decide()`] turns a [`Command`] into events or a [`Rejection`], and [`Inventory::evolve`] folds an
//! event into the state. All rules are in `decide`: an event carries the result, so folding needs none.

mod command;
mod rejection;
mod state;
mod queue;
mod working_set;
mod decide;
mod ledger;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod spec;

pub use command::*;
pub use decide::decide;
pub use queue::{Place, Queue, Waiter};
pub use rejection::{Excess, Irreversible, Rejection, Shortage};
pub use state::{
    FOLD_VERSION, Hold, Holds, ItemState, LocationState, OrderState, RedactionState,
    ReservationState, StockState, StreamState, SubjectState, TransferState,
};
pub use working_set::{Inventory, TargetEvent};
