//! What can be asked. Every value was checked on the way in; whether it is possible is decided later.

mod catalogue;
mod stock;
mod reservation;
mod reversal;

use shared_events::event::Cause;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, ReservationId, Sku};

pub use self::catalogue::{RegisterItem, RegisterLocation, RetireItem};
pub use self::reservation::{ChangeReservation, Policy, ReserveStock, Step};
pub use self::reversal::{Reverse, Target};
pub use self::stock::{
    AdjustLine, AdjustStock, IssueStock, MoveLine, MoveStock, ReceiveStock, SetStock, StockLine,
};

/// A command with what holds for every kind of command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// When it happened, as the caller says; absent means when it is recorded.
    pub occurred_at: Option<Timestamp>,
}

/// Everything that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make an item known, or describe a known one anew.
    RegisterItem(RegisterItem),
    /// Make a location known, or describe a known one anew.
    RegisterLocation(RegisterLocation),
    /// Take goods in.
    ReceiveStock(ReceiveStock),
    /// Let goods go, from what is available.
    IssueStock(IssueStock),
    /// Put the count on the books right by a difference.
    AdjustStock(AdjustStock),
    /// Set the count on the books to what was found.
    SetStock(SetStock),
    /// Take goods from one location to another, at once.
    MoveStock(MoveStock),
    /// Trade an item no more.
    RetireItem(RetireItem),
    /// Hold stock for somebody until a moment.
    ReserveStock(ReserveStock),
    /// Take a reservation a step on in its life.
    ChangeReservation(ChangeReservation),
    /// Take back what was booked.
    Reverse(Reverse),
}

impl Command {
    /// The streams whose exact state decides the command, which it may add to, as far as the command
    /// itself names them; the same one may come twice. [`Self::reservation`] and
    /// [`Self::reversal`] name more, which only the log knows.
    pub fn streams(&self) -> Vec<Stream> {
        let own = match self {
            Self::RegisterItem(RegisterItem { sku, .. })
            | Self::RetireItem(RetireItem { sku, .. }) => Some(Stream::Item(sku.clone())),
            Self::RegisterLocation(location) => Some(Stream::Location(location.code.clone())),
            Self::ReserveStock(ReserveStock { id, .. })
            | Self::ChangeReservation(ChangeReservation { id, .. }) => {
                Some(Stream::Reservation(id.clone()))
            }
            Self::ReceiveStock(_)
            | Self::IssueStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_)
            | Self::Reverse(_) => None,
        };
        let places = self.places().into_iter();
        own.into_iter().chain(places.flat_map(|(sku, location)| place(sku, location))).collect()
    }

    /// The stream that the command begins, under an id made for this very request: it has no history
    /// that could be looked for.
    pub fn new_stream(&self) -> Option<Stream> {
        match self {
            Self::ReserveStock(command) => Some(Stream::Reservation(command.id.clone())),
            _ => None,
        }
    }

    /// The locations that must exist. What is known of one is advisory and read without its lock,
    /// so that one warehouse is not one lock.
    pub fn locations(&self) -> Vec<LocationCode> {
        self.places().into_iter().map(|(_, location)| location.clone()).collect()
    }

    /// The item whose stock decides the command wherever it is.
    pub fn item_everywhere(&self) -> Option<&Sku> {
        match self {
            Self::RetireItem(command) => Some(&command.sku),
            _ => None,
        }
    }

    /// The reservation whose lines' items and stock decide the command too.
    pub fn reservation(&self) -> Option<&ReservationId> {
        match self {
            Self::ChangeReservation(command) => Some(&command.id),
            _ => None,
        }
    }

    /// What is taken back, whose events' items and stock decide the command too.
    pub fn reversal(&self) -> Option<&Target> {
        match self {
            Self::Reverse(command) => Some(&command.target),
            _ => None,
        }
    }

    /// Why it is asked, where a command may say so; each of its events repeats it.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::RegisterItem(_) | Self::RegisterLocation(_) => None,
            Self::ReceiveStock(ReceiveStock { cause, .. })
            | Self::IssueStock(IssueStock { cause, .. })
            | Self::AdjustStock(AdjustStock { cause, .. })
            | Self::SetStock(SetStock { cause, .. })
            | Self::MoveStock(MoveStock { cause, .. })
            | Self::RetireItem(RetireItem { cause, .. })
            | Self::ReserveStock(ReserveStock { cause, .. })
            | Self::ChangeReservation(ChangeReservation { cause, .. })
            | Self::Reverse(Reverse { cause, .. }) => Some(cause),
        }
    }

    /// Every item and location whose stock the command names, in the order of its lines.
    pub fn places(&self) -> Vec<(&Sku, &LocationCode)> {
        match self {
            Self::RegisterItem(_)
            | Self::RegisterLocation(_)
            | Self::RetireItem(_)
            | Self::ChangeReservation(_)
            | Self::Reverse(_) => Vec::new(),
            Self::ReceiveStock(ReceiveStock { lines, .. })
            | Self::IssueStock(IssueStock { lines, .. })
            | Self::ReserveStock(ReserveStock { lines, .. }) => {
                lines.iter().map(|line| (&line.sku, &line.location)).collect()
            }
            Self::AdjustStock(AdjustStock { lines, .. }) => {
                lines.iter().map(|line| (&line.sku, &line.location)).collect()
            }
            Self::SetStock(SetStock { sku, location, .. }) => vec![(sku, location)],
            Self::MoveStock(MoveStock { lines, .. }) => lines
                .iter()
                .flat_map(|line| [(&line.sku, &line.from), (&line.sku, &line.to)])
                .collect(),
        }
    }
}

/// The streams that decide what happens to the stock of an item at a location.
pub fn place(sku: &Sku, location: &LocationCode) -> [Stream; 2] {
    [Stream::Item(sku.clone()), Stream::Stock(sku.clone(), location.clone())]
}
