//! One lane, event after event: what each must be, given those before it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Display};

use shared_events::chain::{Chain, data_hash};
use shared_events::event::{Event, Figures};
use shared_events::lane::{Lane, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;

/// Something in the log that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) lane: Lane,
    pub(super) position: Position,
    /// The stream as the row names it; nothing where there is no row.
    pub(super) stream: Option<String>,
    pub(super) what: String,
    pub(super) expected: String,
    pub(super) found: String,
}

impl Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, position, stream, what, expected, found } = self;
        write!(out, "lane {lane}, position {position}, ")?;
        if let Some(stream) = stream {
            write!(out, "stream {stream}, ")?;
        }
        write!(out, "{what}: expected {expected}, found {found}")
    }
}

/// An event with the hash that is stored beside it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) event: RecordedEvent,
    pub(super) data_hash: Vec<u8>,
}

/// What is known of a stream after the events so far.
#[derive(Debug, Default)]
struct Known {
    version: Version,
    figures: Figures,
}

/// What is known of a lane after the events so far.
#[derive(Debug)]
pub(super) struct LaneCheck {
    lane: Lane,
    position: Position,
    chain: Chain,
    recorded_at: Timestamp,
    streams: HashMap<Stream, Known>,
}

impl LaneCheck {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            position: Position::default(),
            chain: Chain::default(),
            recorded_at: Timestamp::UNIX_EPOCH,
            streams: HashMap::new(),
        }
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    pub(super) fn chain(&self) -> Chain {
        self.chain
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// The difference that the lane ends before its head.
    pub(super) fn missing(&self) -> Difference {
        Difference {
            lane: self.lane,
            position: self.position.next(),
            stream: None,
            what: "position".to_owned(),
            expected: self.position.next().to_string(),
            found: "no event".to_owned(),
        }
    }

    /// The difference that the next row's column holds no value of its kind.
    pub(super) fn unreadable(
        &self,
        stream: Option<String>,
        column: &str,
        error: &dyn Error,
    ) -> Difference {
        Difference {
            lane: self.lane,
            position: self.position.next(),
            stream,
            what: column.to_owned(),
            expected: "a value of its kind".to_owned(),
            found: error.to_string(),
        }
    }

    /// Takes the next event of the lane, which must follow on what is known.
    pub(super) fn follow(&mut self, entry: &Entry) -> Result<(), Difference> {
        let event = &entry.event;
        let expect = Expect { lane: self.lane, position: self.position.next(), event };
        let known = self.streams.entry(event.stream.clone()).or_default();
        expect.same("position", &self.position.next(), &event.position)?;
        expect.same("version", &known.version.next(), &event.version)?;
        expect.same(
            "data_hash",
            &hex::encode(data_hash(event.data.get())),
            &hex::encode(&entry.data_hash),
        )?;
        expect.same("chain", &event.chain_after(self.chain), &event.chain)?;
        if event.recorded_at < self.recorded_at {
            let earliest = format!("{} or later", self.recorded_at);
            return Err(expect.difference("recorded_at", &earliest, &event.recorded_at));
        }
        let fact = event.event().map_err(|error| {
            expect.difference("data", &"an event that this binary knows", &error)
        })?;
        expect.same("stream of data", &event.stream, &fact.stream())?;
        known.figures = expect.figures(known.figures, &fact)?;
        known.version = event.version;
        self.position = event.position;
        self.chain = event.chain;
        self.recorded_at = event.recorded_at;
        Ok(())
    }
}

/// Where an expectation stands.
struct Expect<'a> {
    lane: Lane,
    position: Position,
    event: &'a RecordedEvent,
}

impl Expect<'_> {
    fn same<T: PartialEq + Display>(
        &self,
        what: &str,
        expected: &T,
        found: &T,
    ) -> Result<(), Difference> {
        if expected == found { Ok(()) } else { Err(self.difference(what, expected, found)) }
    }

    fn difference(&self, what: &str, expected: &dyn Display, found: &dyn Display) -> Difference {
        Difference {
            lane: self.lane,
            position: self.position,
            stream: Some(self.event.stream.to_string()),
            what: what.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// The figures after a fact, which must be those before it and what it did.
    fn figures(&self, before: Figures, fact: &Event) -> Result<Figures, Difference> {
        let Some(change) = fact.stock_change() else {
            return Ok(before);
        };
        let members = |figures: Figures| [figures.on_hand, figures.reserved, figures.allocated];
        let names = ["on_hand", "reserved", "allocated"];
        let befores = members(before).into_iter().zip(members(change.delta));
        for (name, ((before, delta), after)) in
            names.into_iter().zip(befores.zip(members(change.after)))
        {
            let what = format!("{name} after it");
            // Beyond 64 bits there is nothing that could be stored.
            self.same(&what, &before.saturating_add(delta), &after)?;
            if after < 0 {
                return Err(self.difference(&what, &"0 or more", &after));
            }
        }
        Ok(change.after)
    }
}
