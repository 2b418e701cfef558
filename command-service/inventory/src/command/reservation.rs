//! The life of a reservation.

use shared_events::event::Cause;
use shared_events::lane::Version;
use shared_events::reservation::Part;
use shared_events::values::{Label, ReservationId};

use super::StockLine;

/// Hold stock for somebody until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveStock {
    /// The id that the reservation gets. It carries the slot of the first line's sku.
    pub id: ReservationId,
    /// For whom, as an opaque id.
    pub owner: Label,
    /// What is held, in the order in which the lines are numbered.
    pub lines: Vec<StockLine>,
    /// How long, in seconds, from the recorded time on.
    pub ttl_seconds: u32,
    /// What happens when there is not enough.
    pub policy: Policy,
    /// Why.
    pub cause: Cause,
}

/// What a reservation does where there is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// All lines or none.
    All,
    /// Of each line what is there; refused when that is nothing at all.
    Partial,
}

/// A step in the life of a reservation that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeReservation {
    /// The reservation.
    pub id: ReservationId,
    /// What is to become of it.
    pub step: Step,
    /// Refuse unless the reservation's stream is at this version.
    pub expected_version: Option<Version>,
    /// Why. The reference of a confirmation becomes that of the reservation.
    pub cause: Cause,
}

/// What becomes of a reservation. Where the parts are absent it is all that is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It ends this many seconds from the recorded time on.
    Extend {
        /// In seconds.
        ttl_seconds: u32,
    },
    /// It becomes a firm promise, whole.
    Confirm,
    /// It is let go while it is held.
    Release(Option<Vec<Part>>),
    /// The promise is taken back where it is not fulfilled.
    Cancel(Option<Vec<Part>>),
    /// What was promised goes out.
    Fulfil(Option<Vec<Part>>),
    /// What went out comes back.
    Return(Vec<Part>),
    /// It ends if its time has come, and nothing happens if not: asked by the sweeper.
    Expire,
}
