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

pub use command::{
    AdjustLine, AdjustStock, ChangeOrder, ChangeReservation, ChangeTransfer, Command,
    DispatchTransfer, FillWaitlist, IssueStock, MoveLine, MoveStock, OrderChange, PlaceOrder,
    Policy, Precondition, ReceiveStock, RegisterItem, RegisterLocation, ReinstateItem, Reply,
    Request, ReserveStock, RetireItem, Reverse, SetStock, SettleReservation, Step, StockLine,
    Target, TransferChange, Wait, item_and_stock,
};
pub use decide::decide;
pub use queue::{Place, Queue, Waiter};
pub use rejection::{Excess, Irreversible, Rejection, Shortage};
pub use state::{
    FOLD_VERSION, Hold, Holds, ItemState, LocationState, OrderState, ReservationState, StockState,
    StreamState, TransferState,
};
pub use working_set::{Inventory, TargetEvent};
