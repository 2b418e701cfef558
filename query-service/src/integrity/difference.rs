//! A difference between the log and the views, or within either of them.

use std::fmt::{self, Display};

use serde::Serialize;
use shared_events::lane::EventId;
use shared_events::lane_check::{Rule, Violation};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use utoipa::ToSchema;

use super::rows::Columns;

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The log misses an event, or has one in another's place.
    Position,
    /// An event is not the one that was recorded: its chain does not follow.
    Chain,
    /// An event has lost something, or something of what is left of it, that no event announces.
    Redaction,
    /// The time of recording runs back within a lane.
    RecordedAt,
    /// An event is not the next of its stream.
    Version,
    /// An event cannot be read.
    Data,
    /// An event stands in the stream, or the lane, of something else.
    Stream,
    /// The figures after an event are not those before it and what it did.
    FiguresAfter,
    /// The views have applied another event than the log has.
    Checkpoint,
    /// A row of `movements`.
    Movement,
    /// A row of `stock_levels`.
    Level,
    /// A row of `stock_totals`.
    Total,
    /// A row of `items`.
    Item,
    /// A row of `locations`.
    Location,
    /// A row of `reservations`.
    Reservation,
    /// A row of `transfers`.
    Transfer,
    /// A row of `waitlist`.
    Waitlist,
    /// A name in the history of an item or a location.
    Name,
    /// A day of an item in `daily_flow`.
    Flow,
    /// A pair of an item and a location in `low_stock`.
    LowStock,
    /// What open reservations hold or promise, or transfers have on their way, is not what the figures
    /// say.
    Promise,
}

impl Kind {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::Chain => "chain",
            Self::Redaction => "redaction",
            Self::RecordedAt => "recorded_at",
            Self::Version => "version",
            Self::Data => "data",
            Self::Stream => "stream",
            Self::FiguresAfter => "figures_after",
            Self::Checkpoint => "checkpoint",
            Self::Movement => "movement",
            Self::Level => "level",
            Self::Total => "total",
            Self::Item => "item",
            Self::Location => "location",
            Self::Reservation => "reservation",
            Self::Transfer => "transfer",
            Self::Waitlist => "waitlist",
            Self::Name => "name",
            Self::Flow => "flow",
            Self::LowStock => "low_stock",
            Self::Promise => "promise",
        }
    }
}

/// A difference, with the event at which it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// What differs.
    pub what: Kind,
    /// The item it is about, if it is about one.
    pub sku: Option<String>,
    /// The stream it is about; null for totals and for what has no stream.
    pub stream: Option<String>,
    /// The event at which it shows: the one that is wrong, or the last one that the row should show
    /// the state after. Null for a row that no event accounts for.
    #[schema(value_type = Option<String>, example = "3-1042")]
    pub event: Option<EventId>,
    /// The member or column.
    pub member: Option<String>,
    /// What the events before it, or for a row the log, say.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Difference {
    pub fn new(what: Kind, expected: impl Display, found: impl Display) -> Self {
        Self {
            what,
            sku: None,
            stream: None,
            event: None,
            member: None,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// The first column that differs.
    pub fn between<'a>(
        what: Kind,
        expected: &Columns,
        found: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let mut both = expected.iter().zip(found);
        match both.find(|((_, expected), found)| expected != *found) {
            Some(((name, expected), found)) => {
                Self { member: Some((*name).to_owned()), ..Self::new(what, expected, found) }
            }
            None => Self::new(what, "the same members", "others"),
        }
    }

    /// The same difference, at an event and in its stream.
    pub fn at(self, event: &RecordedEvent) -> Self {
        self.at_event(event.id()).of(&event.stream)
    }

    /// The same difference, at an event.
    pub fn at_event(self, event: EventId) -> Self {
        Self { event: Some(event), ..self }
    }

    /// The same difference, in a stream.
    pub fn of(self, stream: &Stream) -> Self {
        let sku = match stream {
            Stream::Item(sku) | Stream::Stock(sku, _) => Some(sku.to_string()),
            Stream::Location(_)
            | Stream::Reservation(_)
            | Stream::Transfer(_)
            | Stream::Order(_)
            | Stream::Subject(_)
            | Stream::Redaction(_) => None,
        };
        Self { sku, stream: Some(stream.to_string()), ..self }
    }

    /// The same difference, in the stream with this name, which need not be a valid one.
    pub fn of_name(self, name: &str) -> Self {
        match name.parse() {
            Ok(stream) => self.of(&stream),
            Err(_) => Self { stream: Some(name.to_owned()), ..self },
        }
    }
}

impl From<Violation> for Difference {
    fn from(violation: Violation) -> Self {
        let what = match violation.rule {
            Rule::Position => Kind::Position,
            Rule::Version => Kind::Version,
            Rule::Chain => Kind::Chain,
            Rule::Redaction => Kind::Redaction,
            Rule::RecordedAt => Kind::RecordedAt,
            Rule::Data => Kind::Data,
            Rule::Stream => Kind::Stream,
            Rule::Figures => Kind::FiguresAfter,
        };
        let member = violation.member.map(str::to_owned);
        Self { member, ..Self::new(what, violation.expected, violation.found) }
    }
}

impl Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, sku, stream, event, member, expected, found } = self;
        out.write_str(what.as_str())?;
        if let Some(member) = member {
            write!(out, " ({member})")?;
        }
        match (stream, sku) {
            (Some(stream), _) => write!(out, " of {stream}")?,
            (None, Some(sku)) => write!(out, " of {sku}")?,
            (None, None) => {}
        }
        if let Some(event) = event {
            write!(out, " at event {event}")?;
        }
        write!(out, ": expected {expected}, found {found}")
    }
}
