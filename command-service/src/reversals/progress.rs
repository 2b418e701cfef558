//! How far a reversal of a window is.

use serde::Serialize;
use shared_events::lane::PositionToken;
use shared_events::values::{Label, ReversalId};

use crate::inventory::Irreversible::{Description, MovedOn, Reservation};
use crate::inventory::Rejection;

/// How far a reversal of a window is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Its id.
    pub reversal_id: ReversalId,
    /// Whether there is more to do.
    pub status: Status,
    /// Whether nothing is to happen.
    pub dry_run: bool,
    /// What is recorded after this is not taken back.
    pub position: PositionToken,
    /// Events that are to be taken back, and those of reservations that stand in the way of it.
    pub events: u64,
    /// Correlations that they belong to; each is taken back whole or not at all. One of more than
    /// 5,000 events counts, and is taken back, as several.
    pub correlations: u64,
    /// Correlations taken back so far.
    pub reversed: u64,
    /// Correlations refused so far; while it runs, some of them may still be taken back.
    pub refused: u64,
    /// The first refusals, at most [`REFUSALS_MAX`].
    pub refusals: Vec<Refusal>,
}

/// Refusals that are told of one reversal.
pub const REFUSALS_MAX: usize = 1_000;

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There is.
    Running,
    /// There is not.
    Done,
}

/// A correlation that is not taken back.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The correlation.
    pub correlation_id: Label,
    /// Why not.
    pub rejection: Rejection,
}

/// Whether a step that was refused may be possible when others of its job are done: what stands in
/// its way, or fills the place, may be among them.
pub(super) fn may_yet(rejection: &Rejection) -> bool {
    match rejection {
        Rejection::NotReversible { why: MovedOn, .. } | Rejection::QuantityOverflow { .. } => true,
        Rejection::NotReversible { why: Description | Reservation, .. }
        | Rejection::AlreadyReversed { .. }
        | Rejection::UnknownEvent { .. }
        | Rejection::UnknownSku { .. }
        | Rejection::UnknownLocation { .. }
        | Rejection::ItemInUse { .. }
        | Rejection::ItemHasStock { .. }
        | Rejection::ItemRetired { .. }
        | Rejection::InsufficientStock { .. }
        | Rejection::VersionConflict { .. }
        | Rejection::StaleQuantity { .. }
        | Rejection::UnknownReservation { .. }
        | Rejection::ReservationExpired {}
        | Rejection::ReservationState { .. }
        | Rejection::OverRelease { .. }
        | Rejection::OverFulfil { .. }
        | Rejection::OverReturn { .. }
        | Rejection::OccurredAtOutOfRange { .. } => false,
    }
}
