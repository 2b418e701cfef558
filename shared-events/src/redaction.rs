//! Redaction: bytes of a recorded event are removed for good, and the log proves what was left.
//!
//! The redacted event keeps the hashes that its link of the chain covers. `EventsRedacted`, a later event of the
//! same lane, says which members went and what the rest hashes to; so a change that no event announces is found
//! in a redacted event, too.

use std::collections::BTreeSet;

use crate::chain::Hash;
use crate::words::words;

words! {
    /// What can be removed from an event. No figure follows from any of it.
    #[derive(PartialOrd, Ord)]
    pub enum RedactedMember {
        /// The note for people.
        Note = "note",
        /// The caller's own names and values.
        Metadata = "metadata",
        /// The caller's document, also where the event repeats it for a reservation, a transfer or an order.
        Reference = "reference",
        /// The references for the payment service.
        Payment = "payment",
        /// Personal data, sealed.
        Personal = "personal",
    }
}

/// That an event is redacted, and the hashes that its link in the chain covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// Everything that was removed.
    pub members: BTreeSet<RedactedMember>,
    /// The hash of the data that was recorded.
    pub data_hash: Hash,
    /// The hash of the personal data, if that was removed.
    pub personal_hash: Option<Hash>,
}
