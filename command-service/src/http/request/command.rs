//! JSON objects as commands: one form for each, read the same way in a request of its own and in a
//! batch.

mod catalogue;
mod stock;
mod reservation;
mod reversal;

pub(super) use self::reversal::{Reversal, Window, reversal};
use super::address::Address;
use super::reader::{Fault, MISSING, Members};
use super::value::text;
use crate::inventory::{Command, Request};

/// Lines that one command may have.
const LINES_MAX: usize = 5_000;

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Form {
    /// RegisterItem, ChangeItem: `PUT /v1/items/{sku}`
    Item,
    /// RegisterLocation, ChangeLocation: `PUT /v1/locations/{code}`
    Location,
    /// ReceiveStock: `POST /v1/receipts`
    Receipt,
    /// IssueStock: `POST /v1/issues`
    Issue,
    /// AdjustStock: `POST /v1/adjustments`
    Adjustment,
    /// SetStock: `PUT /v1/stock/{sku}/{location}`
    Count,
    /// MoveStock: `POST /v1/moves`
    Move,
    /// RetireItem: `POST /v1/items/{sku}/retire`
    Retirement,
    /// ReserveStock: `POST /v1/reservations`
    Reservation,
    /// ExtendReservation: `POST /v1/reservations/{id}/extend`
    Extension,
    /// ConfirmReservation: `POST /v1/reservations/{id}/confirm`
    Confirmation,
    /// ReleaseReservation: `POST /v1/reservations/{id}/release`
    Release,
    /// CancelReservation: `POST /v1/reservations/{id}/cancel`
    Cancellation,
    /// FulfilReservation: `POST /v1/reservations/{id}/fulfil`
    Fulfilment,
    /// ReturnReservation: `POST /v1/reservations/{id}/return`
    Return,
    /// Reverse, but of a window: `POST /v1/reversals`
    Reversal,
}

impl Form {
    /// What commands are called in a batch. To register and to change is the same command, which
    /// takes a thing from what it is to what it should be.
    pub(in crate::http) const TYPES: [(&str, Self); 18] = [
        ("register_item", Self::Item),
        ("change_item", Self::Item),
        ("retire_item", Self::Retirement),
        ("register_location", Self::Location),
        ("change_location", Self::Location),
        ("receive_stock", Self::Receipt),
        ("issue_stock", Self::Issue),
        ("move_stock", Self::Move),
        ("adjust_stock", Self::Adjustment),
        ("set_stock", Self::Count),
        ("reserve_stock", Self::Reservation),
        ("extend_reservation", Self::Extension),
        ("confirm_reservation", Self::Confirmation),
        ("release_reservation", Self::Release),
        ("cancel_reservation", Self::Cancellation),
        ("fulfil_reservation", Self::Fulfilment),
        ("return_reservation", Self::Return),
        ("reverse", Self::Reversal),
    ];

    /// Whether the command is about one stream, which If-Match can speak of.
    pub(in crate::http) fn is_of_one_stream(self) -> bool {
        match self {
            Self::Item
            | Self::Location
            | Self::Count
            | Self::Retirement
            | Self::Extension
            | Self::Confirmation
            | Self::Release
            | Self::Cancellation
            | Self::Fulfilment
            | Self::Return => true,
            Self::Receipt
            | Self::Issue
            | Self::Adjustment
            | Self::Move
            | Self::Reservation
            | Self::Reversal => false,
        }
    }

    /// Whether a request without a body says all there is to say.
    pub(super) fn needs_no_body(self) -> bool {
        matches!(
            self,
            Self::Retirement
                | Self::Confirmation
                | Self::Release
                | Self::Cancellation
                | Self::Fulfilment
        )
    }

    /// Whether nothing is wrong but that an adjustment does not say why.
    pub(super) fn lacks_only_reason(self, faults: &[Fault]) -> bool {
        let reason = Fault { pointer: "/reason".to_owned(), message: MISSING.to_owned() };
        self == Self::Adjustment && faults == [reason]
    }

    /// Reads the members; nothing after noting what is wrong with them, all of it, or where the path
    /// names something that cannot exist.
    ///
    /// In every reader, all members are read before the first `?`, so that every fault is found.
    pub(super) fn read(self, address: Address<'_>, body: &mut Members<'_>) -> Option<Request> {
        // A reversal happens when it is recorded.
        let occurred_at =
            if self == Self::Reversal { None } else { body.optional("occurred_at", text) };
        Some(Request { command: self.command(address, body)?, occurred_at })
    }

    fn command(self, address: Address<'_>, body: &mut Members<'_>) -> Option<Command> {
        match self {
            Self::Item => catalogue::register_item(address, body),
            Self::Location => catalogue::register_location(address, body),
            Self::Retirement => catalogue::retire_item(address, body),
            Self::Receipt => stock::receive_stock(body),
            Self::Issue => stock::issue_stock(body),
            Self::Adjustment => stock::adjust_stock(body),
            Self::Count => stock::set_stock(address, body),
            Self::Move => stock::move_stock(body),
            Self::Reservation => reservation::reserve_stock(body),
            Self::Extension => reservation::change(address, body, reservation::extend),
            Self::Confirmation => reservation::change(address, body, reservation::confirm),
            Self::Release => reservation::change(address, body, reservation::release),
            Self::Cancellation => reservation::change(address, body, reservation::cancel),
            Self::Fulfilment => reservation::change(address, body, reservation::fulfil),
            Self::Return => reservation::change(address, body, reservation::take_back),
            Self::Reversal => reversal::reverse(body),
        }
    }
}
