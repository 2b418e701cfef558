//! Refusals and failures, as the problems that callers get.

mod catalogue;

use service_edge::database::is_unavailable;
use service_edge::outage::Outage;
use shared_events::lane::PositionToken;

pub use self::catalogue::{Code, Problem};
use crate::read_model::LanesUnknown;

impl Problem {
    pub fn unknown_sku(sku: impl Into<String>) -> Self {
        let sku = sku.into();
        Self::new(Code::UnknownSku, format!("no item is registered as {sku:?}")).with("sku", sku)
    }

    pub fn unknown_location(location: impl Into<String>) -> Self {
        let location = location.into();
        let detail = format!("no location is registered as {location:?}");
        Self::new(Code::UnknownLocation, detail).with("location", location)
    }

    pub fn unknown_reservation(id: impl Into<String>) -> Self {
        let id = id.into();
        let detail = format!("no reservation has the id {id:?}");
        Self::new(Code::UnknownReservation, detail).with("id", id)
    }

    pub fn unknown_transfer(id: impl Into<String>) -> Self {
        let id = id.into();
        Self::new(Code::UnknownTransfer, format!("no transfer has the id {id:?}")).with("id", id)
    }

    pub fn unknown_order(id: impl Into<String>) -> Self {
        let id = id.into();
        Self::new(Code::UnknownOrder, format!("no order has the id {id:?}")).with("id", id)
    }

    /// The requested position is not applied yet; `position` is.
    pub fn not_yet_applied(position: &PositionToken) -> Self {
        Self::new(Code::NotYetApplied, format!("the views are at {position}"))
            .with("position", position)
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Code::ProjectionUnavailable, detail.into())
    }

    /// The service was not given the read database as its owner.
    pub fn not_configured() -> Self {
        Self::new(Code::NotConfigured, "this instance has no MIGRATE_DATABASE_URL")
    }

    pub fn overloaded() -> Self {
        Self::new(Code::Overloaded, "too many requests are in progress")
    }

    pub fn invalid_position(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidPosition, detail.into())
    }

    pub fn invalid_cursor() -> Self {
        Self::new(Code::InvalidCursor, "the cursor does not come from this list")
    }

    pub fn invalid_parameter(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameter, detail.into()).with("parameter", parameter.into())
    }
}

impl From<LanesUnknown> for Problem {
    fn from(_: LanesUnknown) -> Self {
        Self::unavailable("the read database has not answered yet")
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        if is_unavailable(&error) {
            static READS: Outage = Outage::none();
            if let Some(failures) = READS.failed() {
                tracing::warn!(%error, failures, "the read database is unavailable");
            }
            Self::unavailable("the read database does not answer")
        } else {
            Self::internal(&error)
        }
    }
}
