//! Checks that each event of a lane follows from the events before it.

mod redactions;

use std::collections::HashMap;
use std::fmt::Display;

use crate::chain::Chain;
use crate::event::{DecodeError, Event, Figures, StockChange};
use crate::lane::{EventId, Lane, Position, Version};
use crate::recorded::RecordedEvent;
use crate::stream::Stream;
use crate::time::Timestamp;

pub use self::redactions::Redactions;

/// What every event has to fulfil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The event stands at the next position of its lane.
    Position,
    /// The event has the next version of its stream.
    Version,
    /// The chain follows from the chain before and the event.
    Chain,
    /// What an event has lost, and what is left of it, is what an event of the lane announces.
    Redaction,
    /// The time of recording never runs back within a lane.
    RecordedAt,
    /// This binary can decode the event.
    Data,
    /// The event stands in the stream that its data is about.
    Stream,
    /// The figures after the event are the figures before it plus its change, and none is negative.
    Figures,
}

impl Rule {
    /// The name of the rule in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::Version => "version",
            Self::Chain => "chain",
            Self::Redaction => "redaction",
            Self::RecordedAt => "recorded_at",
            Self::Data => "data",
            Self::Stream => "stream",
            Self::Figures => "figures",
        }
    }
}

/// The first rule that an event breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    /// The figure, where one is wrong.
    pub member: Option<&'static str>,
    /// The value that follows from the events before.
    pub expected: String,
    /// The value of the event.
    pub found: String,
}

/// The state of one lane after the events so far: one small entry for each stream.
#[derive(Debug)]
pub struct LaneCheck {
    lane: Lane,
    position: Position,
    chain: Chain,
    recorded_at: Timestamp,
    streams: HashMap<Stream, StreamEnd>,
    redactions: Redactions,
    redacted: u64,
}

#[derive(Debug)]
struct StreamEnd {
    version: Version,
    /// Unknown after an event that could not be decoded, until the next event states them.
    figures: Option<Figures>,
}

impl LaneCheck {
    /// A check before the first event of the lane.
    pub fn new(lane: Lane) -> Self {
        Self {
            lane,
            position: Position::default(),
            chain: Chain::default(),
            recorded_at: Timestamp::UNIX_EPOCH,
            streams: HashMap::new(),
            redactions: Redactions::default(),
            redacted: 0,
        }
    }

    /// Sets what the lane says of redactions, which stands behind the events that it is about.
    pub fn expect(&mut self, redactions: Redactions) {
        self.redactions = redactions;
    }

    /// What the lane is known to say of redactions.
    pub fn redactions(&self) -> &Redactions {
        &self.redactions
    }

    /// The number of redacted events so far.
    pub fn redacted(&self) -> u64 {
        self.redacted
    }

    /// The position of the last event.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The chain after the last event.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The number of streams so far.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Checks the next event and returns the first rule that it breaks. The events after it are
    /// checked against this one as it is, so one wrong event is reported once.
    pub fn follow(
        &mut self,
        event: &RecordedEvent,
        decoded: Result<&Event, &DecodeError>,
    ) -> Option<Violation> {
        let end = self.streams.get(&event.stream);
        let version = end.map_or(Version::default(), |end| end.version).next();
        let before = end.map_or(Some(Figures::default()), |end| end.figures);
        let position = EventId(self.lane, self.position.next());
        let broken = differs(Rule::Position, position, event.id())
            .or_else(|| differs(Rule::Version, version, event.version))
            .or_else(|| differs(Rule::Chain, event.chain_after(self.chain), event.chain))
            .or_else(|| {
                let (expected, found) = self.redactions.difference(event)?;
                Some(violation(Rule::Redaction, expected, found))
            })
            .or_else(|| self.check_time(event));
        let (figures, in_data) = match decoded {
            Err(error) => {
                (None, Some(violation(Rule::Data, "an event that this binary knows", error)))
            }
            Ok(fact) if fact.stream() != event.stream => {
                (before, differs(Rule::Stream, &fact.stream(), &event.stream))
            }
            Ok(fact) => match fact.stock_change() {
                Some(change) => (Some(change.after), check_figures(before, change)),
                None => (before, None),
            },
        };
        self.redacted += u64::from(event.redacted.is_some());
        self.pass(event);
        let end = StreamEnd { version: event.version, figures };
        match self.streams.get_mut(&event.stream) {
            Some(known) => *known = end,
            None => drop(self.streams.insert(event.stream.clone(), end)),
        }
        broken.or(in_data)
    }

    /// Takes the next event as it is, without checking it.
    pub fn pass(&mut self, event: &RecordedEvent) {
        self.position = event.position;
        self.chain = event.chain;
        self.recorded_at = event.recorded_at;
    }

    fn check_time(&self, event: &RecordedEvent) -> Option<Violation> {
        let earliest = self.recorded_at;
        let expected = format_args!("{earliest} or later");
        (event.recorded_at < earliest)
            .then(|| violation(Rule::RecordedAt, expected, event.recorded_at))
    }
}

fn check_figures(before: Option<Figures>, change: StockChange<'_>) -> Option<Violation> {
    let after = change.after.amounts();
    // Saturates, for nothing beyond 64 bits can be stored.
    let expected = before.map_or(after, |before| {
        let (before, delta) = (before.amounts(), change.delta.amounts());
        std::array::from_fn(|nth| before[nth].saturating_add(delta[nth]))
    });
    Figures::NAMES.into_iter().zip(expected.into_iter().zip(after)).find_map(
        |(name, (expected, after))| {
            let broken = differs(Rule::Figures, expected, after)
                .or_else(|| (after < 0).then(|| violation(Rule::Figures, "0 or more", after)))?;
            Some(Violation { member: Some(name), ..broken })
        },
    )
}

fn differs<T: PartialEq + Display>(rule: Rule, expected: T, found: T) -> Option<Violation> {
    (expected != found).then(|| violation(rule, expected, found))
}

fn violation(rule: Rule, expected: impl Display, found: impl Display) -> Violation {
    Violation { rule, member: None, expected: expected.to_string(), found: found.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::value::RawValue;

    use super::*;
    use crate::chain::{Hash, data_hash};
    use crate::event::{EventsRedacted, RedactedEvent, StockIssued, StockReceived};
    use crate::redaction::{Redacted, RedactedMember};

    /// Receipts and issues of ten units each, two of either.
    fn lane() -> Vec<RecordedEvent> {
        let mut events = Vec::new();
        for (nth, on_hand) in (1..).zip([10, 20, 10, 0]) {
            let (sku, location) = ("A".parse().unwrap(), "MAIN".parse().unwrap());
            let after = Figures { on_hand, ..Figures::default() };
            let (quantity, cause) = (10, Default::default());
            let fact = if nth <= 2 {
                Event::StockReceived(StockReceived { sku, location, quantity, after, cause })
            } else {
                let purpose = None;
                Event::StockIssued(StockIssued { sku, location, quantity, purpose, after, cause })
            };
            let at: Timestamp = format!("2026-01-01T00:00:0{nth}Z").parse().unwrap();
            events.push(RecordedEvent {
                lane: Lane(3),
                position: Position(nth),
                stream: fact.stream(),
                version: Version(nth),
                event_type: fact.event_type().to_owned(),
                schema_version: fact.schema_version(),
                occurred_at: at,
                recorded_at: at,
                actor: None,
                caller: None,
                personal: None,
                redacted: None,
                correlation_id: "c".parse().unwrap(),
                causation_id: None,
                data: fact.to_data(),
                chain: Chain::default(),
                traceparent: None,
            });
        }
        rechain(&mut events);
        events
    }

    /// Computes the chain of every event again, as somebody who knows the algorithm could.
    fn rechain(events: &mut [RecordedEvent]) {
        let mut chain = Chain::default();
        for event in events {
            chain = event.chain_after(chain);
            event.chain = chain;
        }
    }

    fn violations(events: &[RecordedEvent]) -> Vec<Violation> {
        let mut check = LaneCheck::new(Lane(3));
        let follow = |event: &RecordedEvent| check.follow(event, event.event().as_ref());
        events.iter().filter_map(follow).collect()
    }

    fn replace(event: &mut RecordedEvent, from: &str, to: &str) {
        let data = event.data.get().replace(from, to);
        event.data = RawValue::from_string(data).unwrap();
    }

    #[test]
    fn an_untouched_lane_breaks_no_rule() {
        let events = lane();
        assert_eq!(violations(&events), []);
        let mut check = LaneCheck::new(Lane(3));
        events.iter().for_each(|event| drop(check.follow(event, event.event().as_ref())));
        let end = (check.position(), check.chain(), check.streams());
        assert_eq!(end, (Position(4), events[3].chain, 1));
    }

    #[test]
    fn a_changed_event_breaks_the_chain_at_that_event_only() {
        let changes: [fn(&mut RecordedEvent); 2] = [
            |event| replace(event, "{", "{ "),
            |event| event.actor = Some("mallory".parse().unwrap()),
        ];
        for change in changes {
            let mut events = lane();
            change(&mut events[2]);
            let found = violations(&events);
            assert_eq!(found.iter().map(|one| one.rule).collect::<Vec<_>>(), [Rule::Chain]);
        }
    }

    #[test]
    fn a_change_with_a_forged_chain_breaks_the_rule_it_is_about() {
        type Case = (fn(&mut RecordedEvent), Rule, &'static str, &'static str);
        let cases: [Case; 8] = [
            (|event| event.position = Position(4), Rule::Position, "3-3", "3-4"),
            (|event| event.lane = Lane(4), Rule::Position, "3-3", "4-3"),
            (|event| event.version = Version(2), Rule::Version, "3", "2"),
            (
                |event| event.recorded_at = Timestamp::UNIX_EPOCH,
                Rule::RecordedAt,
                "2026-01-01T00:00:02.000000Z or later",
                "1970-01-01T00:00:00.000000Z",
            ),
            (|event| event.schema_version = 9, Rule::Data, "an event that this binary knows", ""),
            (|event| replace(event, "MAIN", "SIDE"), Rule::Stream, "stock/A/SIDE", "stock/A/MAIN"),
            (|event| replace(event, ":10,\"r", ":9,\"r"), Rule::Figures, "10", "9"),
            (
                |event| {
                    replace(event, ":10", ":30");
                    replace(event, "\"on_hand\":30", "\"on_hand\":-10");
                },
                Rule::Figures,
                "0 or more",
                "-10",
            ),
        ];
        for (change, rule, expected, found) in cases {
            let mut events = lane();
            change(&mut events[2]);
            rechain(&mut events);
            let first = violations(&events).swap_remove(0);
            assert_eq!((first.rule, first.expected.as_str()), (rule, expected), "{first:?}");
            assert!(first.found.contains(found), "{first:?}");
        }
    }

    /// A lane whose first two events lost their notes, which the fifth announces.
    fn redacted_lane() -> (Vec<RecordedEvent>, Redactions) {
        let mut events = lane();
        for event in &mut events[..2] {
            replace(event, "}}", "},\"context\":{\"note\":\"of a person\"}}");
        }
        rechain(&mut events);
        let mut gone = Vec::new();
        for event in &mut events[..2] {
            let before = Hash(data_hash(event.data.get()));
            replace(event, ",\"context\":{\"note\":\"of a person\"}", "");
            let members = BTreeSet::from([RedactedMember::Note]);
            let redacted =
                Redacted { members: members.clone(), data_hash: before, personal_hash: None };
            event.redacted = Some(Box::new(redacted));
            gone.push(RedactedEvent {
                id: event.id(),
                members,
                hash_before: before,
                hash_after: Hash(data_hash(event.data.get())),
            });
        }
        let mut redactions = Redactions::default();
        let reason = "request".parse().unwrap();
        redactions.add(Position(5), &EventsRedacted { lane: Lane(3), reason, events: gone });
        (events, redactions)
    }

    fn redaction_violations(events: &[RecordedEvent], redactions: Redactions) -> Vec<Violation> {
        let mut check = LaneCheck::new(Lane(3));
        check.expect(redactions);
        events.iter().filter_map(|event| check.follow(event, event.event().as_ref())).collect()
    }

    #[test]
    fn an_announced_redaction_breaks_no_rule_and_is_counted() {
        let (events, redactions) = redacted_lane();
        let mut check = LaneCheck::new(Lane(3));
        check.expect(redactions);
        for event in &events {
            assert_eq!(check.follow(event, event.event().as_ref()), None);
        }
        assert_eq!(check.redacted(), 2);
    }

    #[test]
    fn a_redaction_that_is_not_as_announced_is_found_at_its_event() {
        let (events, announced) = redacted_lane();
        let rules = |events: &[RecordedEvent], redactions: &Redactions| {
            let found = redaction_violations(events, redactions.clone());
            found.iter().map(|one| one.rule).collect::<Vec<_>>()
        };
        // Nothing announces them.
        let two = [Rule::Redaction, Rule::Redaction];
        assert_eq!(rules(&events, &Redactions::default()), two);
        // What was left is changed, or the bytes are back.
        let changes: [fn(&mut RecordedEvent); 4] = [
            |event| replace(event, "{", "{ "),
            |event| event.redacted = None,
            |event| {
                let redacted = event.redacted.as_mut().unwrap();
                redacted.members.insert(RedactedMember::Reference);
            },
            |event| event.redacted.as_mut().unwrap().data_hash = Hash([7; 32]),
        ];
        let expected = [Rule::Redaction, Rule::Chain, Rule::Redaction, Rule::Chain];
        for (change, expected) in changes.into_iter().zip(expected) {
            let mut events = events.clone();
            change(&mut events[1]);
            assert_eq!(rules(&events, &announced), [expected]);
        }
        let mut restored = events.clone();
        restored[1].redacted = None;
        replace(&mut restored[1], "}}", "},\"context\":{\"note\":\"of a person\"}}");
        assert_eq!(rules(&restored, &announced), [Rule::Redaction]);
    }

    #[test]
    fn the_event_after_an_undecodable_one_states_the_figures_again() {
        let mut events = lane();
        events[1].event_type = "StockSealed".to_owned();
        rechain(&mut events);
        let found = violations(&events);
        assert_eq!(found.iter().map(|one| one.rule).collect::<Vec<_>>(), [Rule::Data]);
    }
}
