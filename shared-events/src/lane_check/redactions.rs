//! What a lane says about its redactions, and whether its events are so.

use std::collections::{BTreeSet, HashMap};

use crate::chain::{Hash, data_hash};
use crate::event::{Event, EventsRedacted};
use crate::lane::Position;
use crate::recorded::RecordedEvent;
use crate::redaction::RedactedMember;

/// What the events of a lane say about its redactions.
#[derive(Debug, Clone, Default)]
pub struct Redactions(HashMap<Position, Announced>);

#[derive(Debug, Clone)]
struct Announced {
    members: BTreeSet<RedactedMember>,
    /// The hash of the data before the first redaction.
    before: Hash,
    /// The hash of what the last one left.
    after: Hash,
    /// Whether each redaction began with what the one before had left.
    is_gapless: bool,
    /// The event that announced the last one.
    at: Position,
}

impl Redactions {
    /// Adds what the next event of the lane's redactions says.
    pub fn add(&mut self, at: Position, event: &EventsRedacted) {
        for one in event.events.iter().filter(|one| one.id.0 == event.lane) {
            let known = self.0.entry(one.id.1).or_insert_with(|| Announced {
                members: BTreeSet::new(),
                before: one.hash_before,
                after: one.hash_before,
                is_gapless: true,
                at,
            });
            known.is_gapless &= known.after == one.hash_before;
            known.members.extend(&one.members);
            known.after = one.hash_after;
            known.at = at;
        }
    }

    /// Adds the next recorded event of the lane's redactions, if it is one that this binary knows.
    pub fn follow(&mut self, event: &RecordedEvent) {
        if let Ok(Event::EventsRedacted(redacted)) = event.event() {
            self.add(event.position, &redacted);
        }
    }

    /// The last event that announces a redaction of the event at a position.
    pub fn announced_at(&self, position: Position) -> Option<Position> {
        self.0.get(&position).map(|one| one.at)
    }

    /// Whether an event has lost exactly what is announced, so far as it says itself.
    pub fn explain(&self, event: &RecordedEvent) -> bool {
        let announced = self.0.get(&event.position).map(|one| &one.members);
        announced == event.redacted.as_ref().map(|redacted| &redacted.members)
    }

    /// What an event has to be and what it is, unless that is the same.
    pub(super) fn difference(&self, event: &RecordedEvent) -> Option<(String, String)> {
        let (announced, redacted) = match (self.0.get(&event.position), event.redacted.as_deref()) {
            (None, None) => return None,
            (None, Some(redacted)) => {
                return Some(("no redaction".to_owned(), removed(&redacted.members)));
            }
            (Some(announced), None) => {
                return Some((removed(&announced.members), "no redaction".to_owned()));
            }
            (Some(announced), Some(redacted)) => (announced, redacted),
        };
        let left = Hash(data_hash(event.data.get()));
        let is_gone = announced.members.contains(&RedactedMember::Personal);
        let is_present = if event.personal.is_some() { "personal data" } else { "none" };
        let differs =
            |expected: String, found: String| (expected != found).then_some((expected, found));
        differs(removed(&announced.members), removed(&redacted.members))
            .or_else(|| {
                let gap = (!announced.is_gapless)
                    .then(|| "redactions that follow on each other".to_owned());
                gap.map(|expected| (expected, "a gap between them".to_owned()))
            })
            .or_else(|| differs(announced.before.to_string(), redacted.data_hash.to_string()))
            .or_else(|| differs(announced.after.to_string(), left.to_string()))
            .or_else(|| {
                let is_wrong = is_gone && event.personal.is_some()
                    || is_gone != redacted.personal_hash.is_some();
                is_wrong.then(|| {
                    ("what the redaction left of personal data".to_owned(), is_present.to_owned())
                })
            })
    }
}

fn removed(members: &BTreeSet<RedactedMember>) -> String {
    let names: Vec<&str> = members.iter().map(|member| member.as_str()).collect();
    format!("{} removed", names.join(", "))
}
