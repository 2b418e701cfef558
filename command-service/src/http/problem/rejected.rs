//! What the rules refuse, as problems.

use shared_events::reservation::ReservationStatus;

use super::{Code, Members, Problem};
use crate::inventory::Rejection;

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        let (code, members) = match rejection {
            Rejection::UnknownSku { sku } => (Code::UnknownSku, Members::Item { sku }),
            Rejection::UnknownLocation { location } => {
                (Code::UnknownLocation, Members::Location { location })
            }
            Rejection::ItemInUse { sku } | Rejection::ItemHasStock { sku } => {
                (Code::ItemInUse, Members::Item { sku })
            }
            Rejection::ItemRetired { sku } => (Code::ItemRetired, Members::Item { sku }),
            Rejection::InsufficientStock { lines } => {
                (Code::InsufficientStock, Members::Lines { lines })
            }
            Rejection::VersionConflict { expected, actual } => (
                Code::VersionConflict,
                Members::Mismatch { expected: expected.0, actual: actual.0 },
            ),
            Rejection::StaleQuantity { expected, actual } => {
                (Code::StaleQuantity, Members::Mismatch { expected, actual })
            }
            Rejection::UnknownReservation { id } => {
                (Code::UnknownReservation, Members::Id { id: id.into() })
            }
            Rejection::ReservationExpired {} => {
                let reservation_status = ReservationStatus::Expired;
                (Code::ReservationExpired, Members::State { reservation_status })
            }
            Rejection::ReservationState { status } => {
                (Code::ReservationState, Members::State { reservation_status: status })
            }
            Rejection::OverRelease { part } => (Code::OverRelease, Members::Part(part)),
            Rejection::OverFulfil { part } => (Code::OverFulfil, Members::Part(part)),
            Rejection::OverReturn { part } => (Code::OverReturn, Members::Part(part)),
            Rejection::UnknownEvent { id } => (Code::UnknownEvent, Members::Id { id }),
            Rejection::AlreadyReversed { dependents } => {
                (Code::AlreadyReversed, Members::Dependents { dependents })
            }
            Rejection::NotReversible { why: _, dependents } => {
                (Code::NotReversible, Members::Dependents { dependents })
            }
            Rejection::QuantityOverflow { sku: _, location: _ } => {
                (Code::QuantityOverflow, Members::None {})
            }
            Rejection::OccurredAtOutOfRange { earliest: _, latest: _ } => {
                (Code::OccurredAtOutOfRange, Members::None {})
            }
        };
        Self::new(code, detail).with(members)
    }
}
