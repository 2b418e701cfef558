//! The accepted forms of the contract's text values as regular expressions (ECMA-262), for schemas. The
//! parsers of the values decide what is accepted.

/// A sku or the code of a location.
pub const NAME: &str = r"^(?!\.{1,2}$)[A-Za-z0-9._~:+-]{1,64}$";

/// A code: the reason, kind or purpose of something.
pub const CODE: &str = "^[a-z0-9_]{1,64}$";

/// Text on one line.
pub const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// A slot and a UUID, as [`ReservationId`](crate::values::ReservationId) writes them.
pub const RESERVATION_ID: &str =
    "^[0-9]{1,4}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

/// As [`TransferId`](crate::values::TransferId) writes it.
pub const TRANSFER_ID: &str = RESERVATION_ID;

/// As [`OrderId`](crate::values::OrderId) writes it.
pub const ORDER_ID: &str = RESERVATION_ID;

/// Positions of one lane or several, as [`PositionToken`](crate::lane::PositionToken) writes them.
pub const POSITION_TOKEN: &str = "^[0-9]{1,4}:[0-9]{1,18}(,[0-9]{1,4}:[0-9]{1,18})*$";

/// A time in UTC, to the microsecond at most.
pub const TIMESTAMP: &str = concat!(
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$",
);
