//! Streams: the ordered events of one thing each.

use std::fmt;
use std::str::FromStr;

use crate::slot::slot_of;
use crate::values::{
    Label, LocationCode, OrderId, ReservationId, Sku, TransferId, ValueError, serde_as_text,
};

/// The name of a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// `item/{sku}`
    Item(Sku),
    /// `location/{code}`
    Location(LocationCode),
    /// `stock/{sku}/{location}`
    Stock(Sku, LocationCode),
    /// `reservation/{id}`
    Reservation(ReservationId),
    /// `transfer/{id}`
    Transfer(TransferId),
    /// `order/{id}`
    Order(OrderId),
    /// `subject/{subject}`, where the subject may have slashes
    Subject(Label),
    /// `redaction/{lane}`: what was removed from events of the lane
    Redaction(u16),
}

impl Stream {
    /// The slot, which decides the lane. An item and its stock share one, so all their events are ordered
    /// in one lane. The id of a reservation, a transfer or an order contains its slot. The redactions of a
    /// lane are in that lane, whatever its slots.
    pub fn slot(&self) -> Option<u16> {
        Some(match self {
            Self::Item(sku) | Self::Stock(sku, _) => slot_of(sku.as_str()),
            Self::Location(code) => slot_of(code.as_str()),
            Self::Reservation(id) => id.slot(),
            Self::Transfer(id) => id.slot(),
            Self::Order(id) => id.slot(),
            Self::Subject(subject) => slot_of(subject.as_str()),
            Self::Redaction(_) => return None,
        })
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(sku) => write!(out, "item/{sku}"),
            Self::Location(code) => write!(out, "location/{code}"),
            Self::Stock(sku, location) => write!(out, "stock/{sku}/{location}"),
            Self::Reservation(id) => write!(out, "reservation/{id}"),
            Self::Transfer(id) => write!(out, "transfer/{id}"),
            Self::Order(id) => write!(out, "order/{id}"),
            Self::Subject(subject) => write!(out, "subject/{subject}"),
            Self::Redaction(lane) => write!(out, "redaction/{lane}"),
        }
    }
}

serde_as_text!(Stream);

impl FromStr for Stream {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(subject) = text.strip_prefix("subject/") {
            return Ok(Self::Subject(subject.parse()?));
        }
        let mut parts = text.split('/');
        let stream = match (parts.next(), parts.next(), parts.next()) {
            (Some("item"), Some(sku), None) => Self::Item(sku.parse()?),
            (Some("location"), Some(code), None) => Self::Location(code.parse()?),
            (Some("stock"), Some(sku), Some(location)) => {
                Self::Stock(sku.parse()?, location.parse()?)
            }
            (Some("reservation"), Some(id), None) => Self::Reservation(id.parse()?),
            (Some("transfer"), Some(id), None) => Self::Transfer(id.parse()?),
            (Some("order"), Some(id), None) => Self::Order(id.parse()?),
            (Some("redaction"), Some(text), None) => {
                let lane: u16 = text.parse().map_err(|_| NOT_A_STREAM)?;
                // One stream has one name: no sign, no leading zero.
                if lane.to_string() != text {
                    return Err(NOT_A_STREAM);
                }
                Self::Redaction(lane)
            }
            _ => return Err(NOT_A_STREAM),
        };
        if parts.next().is_some() { Err(NOT_A_STREAM) } else { Ok(stream) }
    }
}

const NOT_A_STREAM: ValueError = ValueError {
    expected: "a stream's name: item/{sku}, location/{code}, stock/{sku}/{location}, reservation/{id}, \
               transfer/{id}, order/{id}, subject/{subject} or redaction/{lane}",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_reads_back_from_its_name() {
        let reservation = "reservation/7-019a9f3c-5a3e-7cc1-8a05-0242ac120002";
        let transfer = "transfer/7-019a9f3c-5a3e-7cc1-8a05-0242ac120002";
        let order = "order/7-019a9f3c-5a3e-7cc1-8a05-0242ac120002";
        for name in
            ["item/85123A", "location/MAIN", "stock/85123A/MAIN", reservation, transfer, order]
                .into_iter()
                .chain(["subject/c-81", "subject/a/b c", "redaction/3"])
        {
            let stream: Stream = name.parse().expect("a stream's name");
            assert_eq!(stream.to_string(), name);
        }
    }

    #[test]
    fn other_text_is_not_a_stream() {
        for bad in [
            "",
            "item",
            "item/",
            "item/a/b",
            "stock/a",
            "stock/a/b/c",
            "order/1",
            "item/a b",
            "subject/",
            "redaction/03",
        ] {
            assert!(bad.parse::<Stream>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_item_and_its_stock_share_a_slot_and_a_reservation_has_its_own() {
        let item: Stream = "item/85123A".parse().expect("a stream's name");
        let stock: Stream = "stock/85123A/MAIN".parse().expect("a stream's name");
        assert_eq!(item.slot(), stock.slot());
        let reservation: Stream =
            "reservation/7-019a9f3c-5a3e-7cc1-8a05-0242ac120002".parse().expect("a stream's name");
        assert_eq!(reservation.slot(), Some(7));
    }
}
