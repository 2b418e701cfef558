//! The commands. Every value is already valid by itself; [`crate::decide()`] finds out whether the
//! command is possible.

mod order;
mod reversal;
mod subject;

use std::collections::BTreeMap;

use shared_events::event::{Cause, Event};
use shared_events::lane::Version;
use shared_events::reservation::{Fill, Part};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Code, Label, LocationCode, ReservationId, Sku, TransferId};

pub use self::order::{ChangeOrder, OrderChange, PlaceOrder, Reply, SettleReservation};
pub use self::reversal::{Reverse, Target};
pub use self::subject::ForgetSubject;

/// A command with the members that every kind of command has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub command: Command,
    /// The caller's time of what happened; absent means the recorded time.
    pub occurred_at: Option<Timestamp>,
}

impl Request {
    /// When an event of this request happened, if the request is decided now.
    pub fn time_of(&self, event: &Event, now: Timestamp) -> Timestamp {
        event.own_time().or(self.occurred_at).unwrap_or(now)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    RegisterItem(RegisterItem),
    RegisterLocation(RegisterLocation),
    ReceiveStock(ReceiveStock),
    IssueStock(IssueStock),
    AdjustStock(AdjustStock),
    SetStock(SetStock),
    MoveStock(MoveStock),
    RetireItem(RetireItem),
    ReinstateItem(ReinstateItem),
    ReserveStock(ReserveStock),
    ChangeReservation(ChangeReservation),
    DispatchTransfer(DispatchTransfer),
    ChangeTransfer(ChangeTransfer),
    PlaceOrder(PlaceOrder),
    ChangeOrder(ChangeOrder),
    FillWaitlist(FillWaitlist),
    SettleReservation(SettleReservation),
    Reverse(Reverse),
    ForgetSubject(ForgetSubject),
}

/// What a caller requires of a stream before the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The stream is at this version; 0 is no history.
    Version(Version),
    /// The stream has history.
    Exists,
}

/// Create or update an item. An absent member keeps its value, or gets its default on a new item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterItem {
    pub sku: Sku,
    /// Default: the sku.
    pub name: Option<String>,
    /// Decimal places of the base unit, 0 to 6; default 0.
    pub scale: Option<u8>,
    /// Default: `each`.
    pub unit: Option<Code>,
    /// Stock is low at or below this available quantity; default 0, never.
    pub reorder_point: Option<i64>,
    /// Default: none.
    pub metadata: Option<BTreeMap<String, String>>,
    /// Required of the item's stream.
    pub precondition: Option<Precondition>,
}

/// Create or update a location. An absent member keeps its value, or gets its default on a new
/// location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterLocation {
    pub code: LocationCode,
    /// Default: the code.
    pub name: Option<String>,
    /// Default: none.
    pub kind: Option<Code>,
    /// Required of the location's stream.
    pub precondition: Option<Precondition>,
}

/// Stop trading an item. Possible only when no stock of it is left at any location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetireItem {
    pub sku: Sku,
    /// Required of the item's stream.
    pub precondition: Option<Precondition>,
    pub cause: Cause,
}

/// Trade a retired item again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReinstateItem {
    pub sku: Sku,
    /// Required of the item's stream.
    pub precondition: Option<Precondition>,
    pub cause: Cause,
}

/// A quantity of an item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLine {
    pub sku: Sku,
    pub location: LocationCode,
    /// In base units, positive.
    pub quantity: i64,
    /// Required version of the stock's stream before the command.
    pub expected_version: Option<Version>,
}

/// Add goods; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveStock {
    pub lines: Vec<StockLine>,
    pub cause: Cause,
}

/// Remove available goods; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueStock {
    pub lines: Vec<StockLine>,
    pub purpose: Option<Code>,
    pub cause: Cause,
}

/// A difference for an item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustLine {
    pub sku: Sku,
    pub location: LocationCode,
    /// Added to on_hand, in base units; not zero.
    pub delta: i64,
    /// Required on_hand before the command.
    pub expected_quantity: Option<i64>,
    /// Required version of the stock's stream before the command.
    pub expected_version: Option<Version>,
}

/// Correct on_hand by differences; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustStock {
    pub lines: Vec<AdjustLine>,
    /// Whether available may become negative.
    pub accept_shortage: bool,
    pub cause: Cause,
}

/// Set on_hand of an item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetStock {
    pub sku: Sku,
    pub location: LocationCode,
    /// The new on_hand in base units, not negative.
    pub quantity: i64,
    /// Required on_hand before the command.
    pub expected_quantity: Option<i64>,
    /// Required of the stock's stream.
    pub precondition: Option<Precondition>,
    /// Whether available may become negative.
    pub accept_shortage: bool,
    pub cause: Cause,
}

/// A quantity of an item to move between two locations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveLine {
    pub sku: Sku,
    pub from: LocationCode,
    /// Differs from `from`.
    pub to: LocationCode,
    /// In base units, positive.
    pub quantity: i64,
    /// Required version of the stream of the stock at `from` before the command.
    pub expected_version: Option<Version>,
}

/// Move available goods to other locations at once; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveStock {
    pub lines: Vec<MoveLine>,
    pub cause: Cause,
}

/// Hold stock for an owner until an expiry time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveStock {
    /// The id of the new reservation. It carries the slot of the first line's sku.
    pub id: ReservationId,
    pub owner: Label,
    /// Numbered from 1 in this order.
    pub lines: Vec<StockLine>,
    /// How long to hold, from the recorded time.
    pub ttl_seconds: u32,
    pub policy: Policy,
    /// A hold of the same owner that ends with this command: its stock can be held again at once.
    pub replaces: Option<ReservationId>,
    pub cause: Cause,
}

/// How a reservation treats lines without enough stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Hold all lines in full or none.
    All,
    /// Hold the available part of each line; reject only if no line gets anything.
    Partial,
    /// Hold the available part of each line, and wait for the rest.
    Wait(Wait),
}

/// How a reservation waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// How long at most, from the recorded time.
    pub seconds: u32,
    /// 0 to 9; the higher is filled first.
    pub priority: u8,
    pub fill: Fill,
}

impl Wait {
    /// The priority of who names none.
    pub const PRIORITY: u8 = 5;
}

/// Change an existing reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeReservation {
    pub id: ReservationId,
    pub step: Step,
    /// Required of the reservation's stream.
    pub precondition: Option<Precondition>,
    /// The reference of a confirmation becomes the reservation's reference.
    pub cause: Cause,
}

/// A step in the life of a reservation. Absent parts mean all that is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Let the hold end this many seconds after the recorded time.
    Extend { ttl_seconds: u32 },
    /// Turn the whole hold into an allocation.
    Confirm,
    /// Release held parts.
    Release(Option<Vec<Part>>),
    /// Cancel allocated parts that are not fulfilled.
    Cancel(Option<Vec<Part>>),
    /// Fulfil allocated parts: they leave the stock.
    Fulfil(Option<Vec<Part>>),
    /// Return fulfilled parts to stock.
    Return(Vec<Part>),
    /// Change the priority of a waiting reservation, and how long it waits from the recorded time on.
    ChangeWait { priority: Option<u8>, seconds: Option<u32> },
    /// Follow the fills of what it waits for; if there are none, end what is over; else do nothing. Only the
    /// deadline sweeper asks for this.
    Settle,
}

/// Go on filling the queue of a stock where a command before had to stop. Only the deadline sweeper asks for
/// this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillWaitlist {
    pub sku: Sku,
    pub location: LocationCode,
}

/// Send available goods on their way to other locations; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchTransfer {
    /// The id of the new transfer. It carries the slot of the first line's sku.
    pub id: TransferId,
    /// Numbered from 1 in this order.
    pub lines: Vec<MoveLine>,
    /// When all of it should be there; later than now.
    pub expected_at: Option<Timestamp>,
    pub cause: Cause,
}

/// Change an existing transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeTransfer {
    pub id: TransferId,
    pub change: TransferChange,
    /// Required of the transfer's stream.
    pub precondition: Option<Precondition>,
    pub cause: Cause,
}

/// What becomes of goods that are on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferChange {
    /// These parts came in.
    Receive(Vec<Part>),
    /// All that is on its way is lost.
    Close,
    /// Parts, or all that is on its way, go back to where they left.
    Return(Option<Vec<Part>>),
    /// Note that it is not done although it was expected, else do nothing. Only the deadline sweeper asks
    /// for this.
    MarkOverdue,
}

impl Command {
    /// The streams that the command itself names, whose exact state decides it and to which it may
    /// add; with duplicates. [`Self::changed`] and [`Self::reversal`] lead to more streams, which only
    /// the log knows.
    pub fn streams(&self) -> Vec<Stream> {
        let own = match self {
            Self::RegisterItem(RegisterItem { sku, .. })
            | Self::RetireItem(RetireItem { sku, .. })
            | Self::ReinstateItem(ReinstateItem { sku, .. }) => Some(Stream::Item(sku.clone())),
            Self::RegisterLocation(location) => Some(Stream::Location(location.code.clone())),
            Self::ReserveStock(ReserveStock { id, .. }) => Some(Stream::Reservation(id.clone())),
            Self::DispatchTransfer(command) => Some(Stream::Transfer(command.id.clone())),
            Self::PlaceOrder(command) => Some(Stream::Order(command.id.clone())),
            Self::ForgetSubject(command) => Some(Stream::Subject(command.subject.clone())),
            Self::ReceiveStock(_)
            | Self::IssueStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_)
            | Self::ChangeReservation(_)
            | Self::ChangeTransfer(_)
            | Self::ChangeOrder(_)
            | Self::FillWaitlist(_)
            | Self::SettleReservation(_)
            | Self::Reverse(_) => None,
        };
        let stock = self.stock_keys().into_iter();
        own.into_iter()
            .chain(self.changed())
            .chain(stock.flat_map(|(sku, location)| item_and_stock(sku, location)))
            .collect()
    }

    /// The stream that the command begins. Its id was made for this request, so there is no history
    /// to read.
    pub fn new_stream(&self) -> Option<Stream> {
        match self {
            Self::ReserveStock(command) => Some(Stream::Reservation(command.id.clone())),
            Self::DispatchTransfer(command) => Some(Stream::Transfer(command.id.clone())),
            Self::PlaceOrder(command) => Some(Stream::Order(command.id.clone())),
            _ => None,
        }
    }

    /// The locations that must exist. They are read without a lock, so that one warehouse is not one
    /// lock.
    pub fn locations(&self) -> Vec<LocationCode> {
        self.stock_keys().into_iter().map(|(_, location)| location.clone()).collect()
    }

    /// The item whose stock at every location decides the command.
    pub fn item_everywhere(&self) -> Option<&Sku> {
        match self {
            Self::RetireItem(command) => Some(&command.sku),
            _ => None,
        }
    }

    /// The known reservation that the command changes or ends.
    pub fn reservation(&self) -> Option<&ReservationId> {
        match self {
            Self::ChangeReservation(command) => Some(&command.id),
            Self::SettleReservation(command) => Some(&command.id),
            Self::ReserveStock(command) => command.replaces.as_ref(),
            _ => None,
        }
    }

    /// The stream of the known reservation, transfer or order that the command changes. Its lines name more
    /// streams that decide the command.
    pub fn changed(&self) -> Option<Stream> {
        match self {
            Self::ChangeTransfer(command) => Some(Stream::Transfer(command.id.clone())),
            Self::ChangeOrder(command) => Some(Stream::Order(command.id.clone())),
            _ => self.reservation().cloned().map(Stream::Reservation),
        }
    }

    /// The reversal targets, whose streams decide the command too.
    pub fn reversal(&self) -> Option<&Target> {
        match self {
            Self::Reverse(command) => Some(&command.target),
            _ => None,
        }
    }

    /// The cause that each event of the command repeats.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::RegisterItem(_)
            | Self::RegisterLocation(_)
            | Self::FillWaitlist(_)
            | Self::ForgetSubject(_) => None,
            Self::ReceiveStock(ReceiveStock { cause, .. })
            | Self::IssueStock(IssueStock { cause, .. })
            | Self::AdjustStock(AdjustStock { cause, .. })
            | Self::SetStock(SetStock { cause, .. })
            | Self::MoveStock(MoveStock { cause, .. })
            | Self::RetireItem(RetireItem { cause, .. })
            | Self::ReinstateItem(ReinstateItem { cause, .. })
            | Self::ReserveStock(ReserveStock { cause, .. })
            | Self::ChangeReservation(ChangeReservation { cause, .. })
            | Self::DispatchTransfer(DispatchTransfer { cause, .. })
            | Self::ChangeTransfer(ChangeTransfer { cause, .. })
            | Self::PlaceOrder(PlaceOrder { cause, .. })
            | Self::ChangeOrder(ChangeOrder { cause, .. })
            | Self::SettleReservation(SettleReservation { cause, .. })
            | Self::Reverse(Reverse { cause, .. }) => Some(cause),
        }
    }

    /// Every item and location whose stock the command names, in the order of its lines.
    pub fn stock_keys(&self) -> Vec<(&Sku, &LocationCode)> {
        match self {
            Self::RegisterItem(_)
            | Self::RegisterLocation(_)
            | Self::RetireItem(_)
            | Self::ReinstateItem(_)
            | Self::ChangeReservation(_)
            | Self::ChangeTransfer(_)
            | Self::ChangeOrder(_)
            | Self::SettleReservation(_)
            | Self::ForgetSubject(_)
            | Self::Reverse(_) => Vec::new(),
            Self::ReceiveStock(ReceiveStock { lines, .. })
            | Self::IssueStock(IssueStock { lines, .. })
            | Self::ReserveStock(ReserveStock { lines, .. }) => {
                lines.iter().map(|line| (&line.sku, &line.location)).collect()
            }
            Self::AdjustStock(AdjustStock { lines, .. }) => {
                lines.iter().map(|line| (&line.sku, &line.location)).collect()
            }
            Self::PlaceOrder(PlaceOrder { lines, .. }) => {
                lines.iter().map(|line| (&line.sku, &line.location)).collect()
            }
            Self::SetStock(SetStock { sku, location, .. })
            | Self::FillWaitlist(FillWaitlist { sku, location }) => vec![(sku, location)],
            Self::MoveStock(MoveStock { lines, .. })
            | Self::DispatchTransfer(DispatchTransfer { lines, .. }) => lines
                .iter()
                .flat_map(|line| [(&line.sku, &line.from), (&line.sku, &line.to)])
                .collect(),
        }
    }
}

/// The streams that decide a change to the stock of an item at a location.
pub fn item_and_stock(sku: &Sku, location: &LocationCode) -> [Stream; 2] {
    [Stream::Item(sku.clone()), Stream::Stock(sku.clone(), location.clone())]
}
