//! Integrity: the log, the figures in its events, the views and the chain have to agree.
//!
//! - [`verification`] holds the rules of one lane, without IO.
//! - [`scan`] reads one lane from the log and its rows from the views, and verifies them.
//! - [`check`] scans all lanes, or the lane of one item, for a request.
//! - [`background`] scans lane after lane, slowly, for as long as the service runs.
//! - [`allocations`] compares reservations with figures, which may be in different lanes.
//! - [`agreement`] compares the other views with those of `stock`.

pub mod difference;
pub mod rows;
pub mod verification;
pub mod scan;
pub mod allocations;
pub mod agreement;
pub mod check;
pub mod background;
