//! The rules of an inventory, pure: no IO, no clock, no randomness, no async.
//!
//! A [`Command`] asks, [`decide()`] answers with the events that it makes or the [`Rejection`] that
//! refuses it, and [`Inventory::evolve`] folds an event into what is known. All rules stand in
//! `decide`; an event carries the result, so folding needs none.

mod command;
mod rejection;
mod state;
mod decide;
mod ledger;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod spec;

pub use command::{
    AdjustLine, AdjustStock, Command, IssueStock, MoveLine, MoveStock, ReceiveStock, RegisterItem,
    RegisterLocation, Request, RetireItem, SetStock, StockLine,
};
pub use decide::decide;
pub use rejection::{Rejection, Shortage};
pub use state::{Inventory, ItemState, LocationState, StockState, StreamState};
