//! Requests to the writer and their outcomes.

use std::sync::Arc;
use std::time::Duration;

use inventory::{ChangeReservation, Command, Rejection, Request, Step};
use serde::{Deserialize, Serialize};
use shared_events::event::{Cause, Event};
use shared_events::lane::{EventId, PositionToken};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::Reservation;
use shared_events::time::Timestamp;
use shared_events::values::{Label, ReservationId};
use tokio::time::Instant;

use crate::digest::digest;
use crate::personal::{PersonalData, PersonalVault};

/// One request to the writer.
#[derive(Debug)]
pub struct Submission {
    pub payload: Payload,
    /// The personal data of each command; empty if there is none at all.
    pub personal: Vec<Option<PersonalData>>,
    pub origin: Origin,
    /// Stores the outcome under this key.
    pub key: Option<IdempotencyKey>,
    /// Decide without recording anything or storing the outcome.
    pub validate_only: bool,
    /// After this time the request is not executed.
    pub deadline: Instant,
}

/// How long the writer may take for a command that nobody asked for.
const OWN_REQUEST_MAX: Duration = Duration::from_secs(10);

/// The actor in the events of commands that nobody asked for.
const OWN_ACTOR: &str = "stockbook";

impl Submission {
    /// A command that nobody asked for: time or another command made it due.
    pub(crate) fn by_itself(
        command: Command,
        correlation_id: Label,
        caused_by: Option<EventId>,
    ) -> Self {
        Self {
            payload: Payload::One(Request { command, occurred_at: None }),
            personal: Vec::new(),
            origin: Origin {
                actor: Some(Label::known(OWN_ACTOR)),
                caller: None,
                correlation_id,
                causation_id: caused_by.map(|event| Label::known(&event.to_string())),
                traceparent: None,
            },
            key: None,
            validate_only: false,
            deadline: Instant::now() + OWN_REQUEST_MAX,
        }
    }

    /// Lets a reservation follow the fills of what it waits for, or end.
    pub(crate) fn settling(id: ReservationId) -> Self {
        let (correlation_id, step) = (Label::known(id.as_str()), Step::Settle);
        let command = ChangeReservation { id, step, precondition: None, cause: Cause::default() };
        Self::by_itself(Command::ChangeReservation(command), correlation_id, None)
    }

    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.payload.requests().iter().map(|request| &request.command)
    }

    /// The key under which the outcome is stored.
    pub(crate) fn stored_key(&self) -> Option<&IdempotencyKey> {
        self.key.as_ref().filter(|_| !self.validate_only)
    }

    pub(super) fn has_personal(&self) -> bool {
        !self.personal.is_empty()
    }

    /// Seals its personal data and keys the hash of its request, before anybody stores anything of it.
    pub(super) fn protect(&mut self, vault: &PersonalVault) {
        if let Some(key) = &mut self.key {
            key.request_hash.key(vault);
        }
        self.seal(vault);
    }

    /// Seals its personal data with the keys that hold now, unless nothing will be recorded.
    pub(super) fn seal(&mut self, vault: &PersonalVault) {
        if self.validate_only {
            return;
        }
        for personal in self.personal.iter_mut().flatten() {
            vault.seal(personal, &self.origin.correlation_id);
        }
    }

    /// The personal data of its nth command.
    pub(super) fn personal_of(&self, nth: usize) -> Option<&PersonalData> {
        self.personal.get(nth)?.as_ref()
    }

    /// The estimated bytes of the request's events: a share for each line, and the caller's free texts,
    /// which each event repeats.
    pub fn size(&self) -> usize {
        self.commands().map(|command| self.size_of(command, command.stock_keys().len())).sum()
    }

    /// The estimate for one command that has so many lines.
    pub(super) fn size_of(&self, command: &Command, lines: usize) -> usize {
        const LINE: usize = 640;
        let context = command.cause().and_then(|cause| cause.context.as_ref());
        let free = context.map_or(0, |context| {
            let metadata = context.metadata.iter().map(|(name, value)| name.len() + value.len());
            context.note.as_ref().map_or(0, String::len) + metadata.sum::<usize>()
        });
        let reference = command.cause().and_then(|cause| cause.reference.as_ref());
        let reference = reference.map_or(0, |reference| {
            let line = reference.line.as_ref().map_or(0, |line| line.as_str().len());
            reference.kind.as_str().len() + reference.id.as_str().len() + line
        });
        let personal = self.personal.iter().flatten().map(PersonalData::size).max();
        let free = free + reference + self.origin.correlation_id.as_str().len();
        let free = free + personal.unwrap_or_default();
        // The details of an item may take as much as a few lines.
        (lines + 8) * LINE + lines.max(1) * free
    }
}

/// The commands of one submission.
#[derive(Debug)]
pub enum Payload {
    One(Request),
    /// In this order, all or none.
    Together(Vec<Request>),
}

impl Payload {
    pub fn requests(&self) -> &[Request] {
        match self {
            Self::One(request) => std::slice::from_ref(request),
            Self::Together(requests) => requests,
        }
    }
}

/// The origin of a request, recorded with its events.
#[derive(Debug, Clone)]
pub struct Origin {
    pub actor: Option<Label>,
    /// The credential that asked.
    pub caller: Option<Label>,
    pub correlation_id: Label,
    pub causation_id: Option<Label>,
    pub traceparent: Option<Label>,
}

/// A caller's name for one request, so that a repeated request has one effect.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// The credential; the same for everybody where nobody signs in.
    pub caller: Label,
    pub key: Label,
    pub request_hash: RequestHash,
}

/// A hash of route and body, which must be the same when a key is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHash {
    plain: [u8; 32],
    /// The same under the log's key, where there is one: nobody can guess a request and check the guess.
    keyed: Option<[u8; 32]>,
}

impl RequestHash {
    /// How a stored hash begins that is keyed. Those without a key have no such byte, and are shorter.
    const KEYED: u8 = 2;

    pub const fn of(plain: [u8; 32]) -> Self {
        Self { plain, keyed: None }
    }

    pub(crate) fn key(&mut self, vault: &PersonalVault) {
        self.keyed = vault.fingerprint(&self.plain);
    }

    pub(crate) fn stored(&self) -> Vec<u8> {
        match &self.keyed {
            Some(keyed) => [&[Self::KEYED][..], keyed].concat(),
            None => self.plain.to_vec(),
        }
    }

    /// Whether a stored hash, with a key or of before, is that of the same request.
    pub(crate) fn is(&self, stored: &[u8]) -> bool {
        match (stored.split_first(), &self.keyed) {
            (Some((&Self::KEYED, hash)), Some(keyed)) if hash.len() == keyed.len() => hash == keyed,
            _ => stored == self.plain,
        }
    }
}

impl IdempotencyKey {
    /// The digest of the key with its caller.
    pub(crate) fn digest(&self) -> [u8; 32] {
        digest([self.caller.as_str().as_bytes(), self.key.as_str().as_bytes()])
    }
}

#[derive(Debug, Clone)]
pub enum Outcome {
    /// Decided now and committed.
    Decided(Decision),
    /// Decided earlier under the same key.
    Replayed(Decision),
    /// Possible, with the events it would record.
    Valid(Vec<Event>),
    /// All commands are possible, with the events that each would record.
    ValidTogether(Vec<Vec<Event>>),
    /// Another instance is deciding a request with the same key.
    InProgress,
    /// The key was used for another request.
    KeyReused,
    NotExecuted(NotExecuted),
    /// The commit was not answered, so it may or may not have happened. Repeating the key finds out.
    Unknown,
}

impl Outcome {
    /// The events that one command recorded now.
    pub(crate) fn recorded(&self) -> &[Arc<RecordedEvent>] {
        match self {
            Self::Decided(Decision::Accepted(events)) => events,
            _ => &[],
        }
    }

    /// How many of them are of this type.
    pub(crate) fn recorded_of(&self, event_type: &str) -> usize {
        self.recorded().iter().filter(|event| event.event_type == event_type).count()
    }
}

/// A decided request. Stored under its idempotency key, accepted ones by their events and the others as
/// JSON, so a released shape must stay readable.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    #[serde(skip)]
    Accepted(Vec<Arc<RecordedEvent>>),
    /// All commands were accepted and at least one has events. `sizes` has the number of events of each
    /// command.
    #[serde(skip)]
    AcceptedTogether {
        events: Vec<Arc<RecordedEvent>>,
        sizes: Vec<usize>,
    },
    /// Accepted with nothing to do.
    Unchanged(Unchanged),
    Rejected(Rejection),
    /// At least one command was rejected, and so all.
    RefusedTogether(Vec<Verdict>),
}

/// The result of one command in a rejected payload.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Possible, with the events it would have recorded.
    Possible(#[serde(with = "stored_events")] Vec<Event>),
    Refused(Rejection),
}

impl Verdict {
    pub fn events(&self) -> Option<&Vec<Event>> {
        match self {
            Self::Possible(events) => Some(events),
            Self::Refused(_) => None,
        }
    }
}

/// The result of a command that had nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchanged {
    /// The heads of the command's lanes.
    pub position: PositionToken,
    /// The log's time.
    pub recorded_at: Timestamp,
    pub correlation_id: Label,
    /// The reservation that the command names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
}

/// Why a request was not executed. It certainly had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotExecuted {
    /// Its deadline passed while it waited.
    DeadlinePassed,
    /// The database could not be reached, or refused the transaction.
    DatabaseUnavailable,
    /// Its events would take more bytes than a transaction may have.
    TooLarge {
        limit: usize,
    },
    /// It would reverse more events than one reversal may.
    TooManyEvents {
        limit: usize,
    },
    /// This binary cannot read an event of a stream that the request names.
    Unreadable,
    /// It has personal data, and the service has no key for any.
    PersonalNotKept,
    QueueFull {
        retry_after: Duration,
    },
    /// The service is stopping.
    Stopping,
}

/// Events as JSON with their types.
mod stored_events {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::value::RawValue;
    use shared_events::event::Event;

    #[derive(Serialize, Deserialize)]
    struct StoredEvent {
        #[serde(rename = "type")]
        event_type: String,
        schema_version: i16,
        data: Box<RawValue>,
    }

    pub(super) fn serialize<S: Serializer>(events: &[Event], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(events.iter().map(|event| StoredEvent {
            event_type: event.event_type().to_owned(),
            schema_version: event.schema_version(),
            data: event.to_data(),
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Event>, D::Error> {
        let read = |stored: StoredEvent| {
            Event::from_json(&stored.event_type, stored.schema_version, stored.data.get())
        };
        let stored = Vec::<StoredEvent>::deserialize(from)?;
        stored.into_iter().map(read).collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_shape_of_a_rejected_payload_never_changes() {
        let stored = r#"{"refused_together":[{"possible":[{"type":"ItemRetired","schema_version":1,"data":{"sku":"A"}}]},{"refused":{"rejection":"unknown_sku","sku":"B"}}]}"#;
        let decision: Decision = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&decision).unwrap(), stored);
    }
}
