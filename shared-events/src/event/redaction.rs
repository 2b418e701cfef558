//! The content of events about redactions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::chain::Hash;
use crate::lane::{EventId, Lane};
use crate::redaction::RedactedMember;
use crate::values::Code;

/// Bytes of earlier events of one lane were removed, in the transaction that recorded this.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsRedacted {
    pub lane: Lane,
    /// Why, as a code of the caller.
    pub reason: Code,
    /// In the order of their positions, each once.
    pub events: Vec<RedactedEvent>,
}

impl EventsRedacted {
    /// The events that lost this member.
    pub fn without(&self, member: RedactedMember) -> impl Iterator<Item = EventId> + '_ {
        let lost = self.events.iter().filter(move |one| one.members.contains(&member));
        lost.map(|one| one.id)
    }
}

/// What was removed from one event.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactedEvent {
    pub id: EventId,
    /// What it held and does not hold any more.
    pub members: BTreeSet<RedactedMember>,
    /// The hash of its data before.
    pub hash_before: Hash,
    /// The hash of what is left of its data.
    pub hash_after: Hash,
}
