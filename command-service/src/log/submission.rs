//! What the writer is asked, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_events::event::Event;
use shared_events::lane::PositionToken;
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::Reservation;
use shared_events::time::Timestamp;
use shared_events::values::Label;
use tokio::time::Instant;

use crate::inventory::{Command, Rejection, Request};

/// One request on its way into the log.
#[derive(Debug)]
pub struct Submission {
    /// What is asked.
    pub asked: Asked,
    /// Who asks, and what it belongs to.
    pub origin: Origin,
    /// The caller's key, if the outcome is to be stored.
    pub key: Option<IdempotencyKey>,
    /// Only decide, record nothing and store no outcome.
    pub validate_only: bool,
    /// After this moment the request is not executed any more.
    pub deadline: Instant,
}

impl Submission {
    /// The commands in their order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.asked.requests().iter().map(|request| &request.command)
    }

    /// The key under which the outcome is stored.
    pub(super) fn stored_key(&self) -> Option<&IdempotencyKey> {
        self.key.as_ref().filter(|_| !self.validate_only)
    }

    /// About how many bytes the request's events will take: a line's share, and what the caller
    /// gave freely, which each of its events repeats.
    pub fn weight(&self) -> usize {
        self.commands().map(|command| self.weight_of(command, command.places().len())).sum()
    }

    /// The same of one of its commands, when it is known how many items and locations it is about.
    pub(super) fn weight_of(&self, command: &Command, places: usize) -> usize {
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
        let free = free + reference + self.origin.correlation_id.as_str().len();
        // What an item is may take as much as a few lines.
        (places + 8) * LINE + places.max(1) * free
    }
}

/// What one submission asks.
#[derive(Debug)]
pub enum Asked {
    /// One command.
    One(Request),
    /// Several commands, in this order, all or none.
    Together(Vec<Request>),
}

impl Asked {
    /// The requests in their order.
    pub fn requests(&self) -> &[Request] {
        match self {
            Self::One(request) => std::slice::from_ref(request),
            Self::Together(requests) => requests,
        }
    }
}

/// Where a request comes from; recorded with its events.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Who, as an opaque id.
    pub actor: Option<Label>,
    /// What belongs together.
    pub correlation_id: Label,
    /// What brought it about.
    pub causation_id: Option<Label>,
    /// The trace it was made in.
    pub traceparent: Option<Label>,
}

/// A caller's name for one request, so that repeating it has one effect.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// Whose key it is; one name for everybody until there is sign-in.
    pub caller: Label,
    /// The key.
    pub key: Label,
    /// SHA-256 over route and body: what the key may be repeated with.
    pub request_hash: [u8; 32],
}

/// How a request ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was decided now, and what was decided is committed.
    Decided(Decision),
    /// It was decided earlier under the same key; nothing happened now.
    Replayed(Decision),
    /// It is possible: the events it would make. Nothing was recorded.
    Valid(Vec<Event>),
    /// All of it is possible: the events that each command would make. Nothing was recorded.
    ValidTogether(Vec<Vec<Event>>),
    /// Another request with the same key is being decided, by another instance.
    InProgress,
    /// The key was used for another request.
    KeyReused,
    /// It was not executed.
    NotExecuted(NotExecuted),
    /// The commit was not answered: it happened or it did not. The same key will tell.
    Unknown,
}

/// What deciding returned. Stored for requests with a key.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Recorded.
    Accepted(Vec<Arc<RecordedEvent>>),
    /// Several commands together, recorded: their events one after another, and how many are of each
    /// command. At least one has some.
    AcceptedTogether {
        /// All events, in the order decided.
        events: Vec<Arc<RecordedEvent>>,
        /// How many of them each command made, in the order of the commands.
        sizes: Vec<usize>,
    },
    /// Nothing to do.
    Unchanged(Unchanged),
    /// Refused.
    Rejected(Rejection),
    /// Several commands together, of which at least one was refused, and so all.
    RefusedTogether(Vec<Verdict>),
}

/// How one of several commands would have ended, when they were refused together.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It was possible: the events it would have made.
    Possible(Vec<Event>),
    /// It was refused.
    Refused(Rejection),
}

impl Verdict {
    /// The events it would have made; nothing where it was refused.
    pub fn events(&self) -> Option<&Vec<Event>> {
        match self {
            Self::Possible(events) => Some(events),
            Self::Refused(_) => None,
        }
    }
}

/// The answer to a command that found nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchanged {
    /// The heads of the command's lanes.
    pub position: PositionToken,
    /// The log's time.
    pub recorded_at: Timestamp,
    /// The request's correlation id.
    pub correlation_id: Label,
    /// The reservation as it stands, where the command is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
}

/// Why a request was certainly not executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotExecuted {
    /// Its deadline passed while it waited.
    DeadlinePassed,
    /// The database could not be reached, or refused the transaction.
    DatabaseUnavailable,
    /// Its events would take more bytes than one transaction may.
    TooLarge {
        /// The bytes that they may take.
        limit: usize,
    },
    /// It would take back more events than one reversal may.
    TooManyEvents {
        /// The events that it may take back.
        limit: usize,
    },
    /// A stream that it names holds an event which this binary does not know.
    Unreadable,
    /// The queue is full; try again after this long.
    QueueFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// The service is stopping.
    Stopping,
}
