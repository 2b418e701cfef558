//! Our own arithmetic: what every item's figures must be after what was accepted. Pure.

use std::collections::BTreeMap;
use std::fmt;

use shared_events::lane::{PositionToken, Version};
use shared_events::stream::Stream;
use shared_events::values::Sku;

use crate::replay::answer::Accepted;
use crate::replay::command::{Command, LOCATION};

/// What Stockbook must say about every item, and where in its log it said so.
#[derive(Debug, Default)]
pub struct Ledger {
    stock: BTreeMap<Sku, Level>,
    reached: PositionToken,
    events: u64,
}

/// The stock of one item: what is there, and after how many events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Level {
    /// Physically there.
    pub on_hand: i64,
    /// The version of the item's stock stream.
    pub version: Version,
}

/// What the query-service says about one item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Physically there, and after how many events.
    pub level: Level,
    /// Held; the trade holds nothing.
    pub reserved: i64,
    /// Promised; the trade promises nothing.
    pub allocated: i64,
    /// What may still be sold.
    pub available: i64,
}

/// An item of which the query-service says something else than the arithmetic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The item.
    pub sku: Sku,
    /// What it must be.
    pub expected: Level,
    /// What it is said to be.
    pub found: Found,
}

impl Ledger {
    /// The books of items of which nothing is there yet.
    pub fn of<'a>(skus: impl IntoIterator<Item = &'a Sku>) -> Self {
        Self {
            stock: skus.into_iter().map(|sku| (sku.clone(), Level::default())).collect(),
            ..Self::default()
        }
    }

    /// Books an accepted command: its changes as we know them, its place as the answer says.
    pub fn accept(&mut self, command: &Command, accepted: &Accepted) {
        for (lane, position) in accepted.position.iter() {
            self.reached.reach(lane, position);
        }
        self.events += accepted.events.len() as u64;
        for change in command.changes() {
            self.level(&change.sku).on_hand += change.delta;
        }
        for event in &accepted.events {
            if let Stream::Stock(sku, location) = &event.stream
                && location.as_str() == LOCATION
            {
                let version = &mut self.level(sku).version;
                *version = version.next();
            }
        }
    }

    /// As far as the log reached with all that was accepted.
    pub fn reached(&self) -> &PositionToken {
        &self.reached
    }

    /// How many events were answered.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many items there are.
    pub fn skus(&self) -> usize {
        self.stock.len()
    }

    /// What is found otherwise than expected, by sku. An item without history is not found, and
    /// an item found that is not in the books differs.
    pub fn differences(&self, found: &BTreeMap<Sku, Found>) -> Vec<Difference> {
        let unknown = found.keys().filter(|sku| !self.stock.contains_key(*sku));
        self.stock
            .keys()
            .chain(unknown)
            .map(|sku| Difference {
                sku: sku.clone(),
                expected: self.stock.get(sku).copied().unwrap_or_default(),
                found: found.get(sku).copied().unwrap_or_default(),
            })
            .filter(|difference| difference.found != Found::of(difference.expected))
            .collect()
    }

    fn level(&mut self, sku: &Sku) -> &mut Level {
        self.stock.entry(sku.clone()).or_default()
    }
}

impl Found {
    /// What must be found for an item of which nothing is held or promised.
    pub fn of(level: Level) -> Self {
        Self { level, reserved: 0, allocated: 0, available: level.on_hand }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sku, expected, found } = self;
        write!(
            out,
            "{sku}: expected on_hand {} after {} events, found on_hand {} reserved {} allocated {} available {} version {}",
            expected.on_hand,
            expected.version,
            found.level.on_hand,
            found.reserved,
            found.allocated,
            found.available,
            found.level.version
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::command::{Action, Change, Movement, MovementKind};

    fn sku(text: &str) -> Sku {
        text.parse().expect("a sku")
    }

    fn sale(changes: &[(&str, i64)]) -> Command {
        let change = |(text, delta): &(&str, i64)| Change { sku: sku(text), delta: *delta };
        Command {
            key: "k".to_owned(),
            correlation_id: "c".to_owned(),
            action: Action::Move(Movement {
                kind: MovementKind::Sale { invoice: "536365".to_owned() },
                occurred_at: "2010-12-01T08:26:00Z".parse().expect("a time"),
                changes: changes.iter().map(change).collect(),
            }),
        }
    }

    fn answer(position: &str, streams: &[&str]) -> Accepted {
        let events: Vec<_> = streams
            .iter()
            .map(|stream| serde_json::json!({ "stream": stream, "version": 1 }))
            .collect();
        serde_json::from_value(serde_json::json!({ "position": position, "events": events }))
            .expect("an answer")
    }

    fn level(on_hand: i64, version: i64) -> Level {
        let version = Version(version);
        Level { on_hand, version }
    }

    #[test]
    fn what_was_accepted_is_summed_up_and_the_furthest_position_kept() {
        let mut ledger = Ledger::of([&sku("A"), &sku("B"), &sku("C")]);
        let (a, b) = ("stock/A/MAIN", "stock/B/MAIN");
        ledger.accept(&sale(&[("A", 9), ("B", 4)]), &answer("1:5,2:7", &[a, b]));
        ledger.accept(&sale(&[("A", -2), ("A", -3)]), &answer("1:3", &[a, a]));
        assert_eq!(ledger.reached().to_string(), "1:5,2:7");
        assert_eq!(ledger.events(), 4);

        let mut found: BTreeMap<Sku, Found> = BTreeMap::new();
        found.insert(sku("A"), Found::of(level(4, 3)));
        found.insert(sku("B"), Found::of(level(4, 1)));
        assert_eq!(ledger.differences(&found), []);
    }

    #[test]
    fn every_other_figure_is_a_difference() {
        let mut ledger = Ledger::of([&sku("A")]);
        ledger.accept(&sale(&[("A", 9)]), &answer("1:5", &["stock/A/MAIN"]));
        let right = Found::of(level(9, 1));
        let wrong = [
            Found::of(level(8, 1)),
            Found::of(level(9, 2)),
            Found::default(),
            Found { reserved: 1, ..right },
            Found { allocated: 1, ..right },
            Found { available: 8, ..right },
        ];
        for found in wrong {
            let differences = ledger.differences(&BTreeMap::from([(sku("A"), found)]));
            assert_eq!(differences.len(), 1, "{found:?}");
        }
        assert_eq!(ledger.differences(&BTreeMap::new()).len(), 1, "not found");
        let both = BTreeMap::from([(sku("A"), right), (sku("X"), right)]);
        let differences = ledger.differences(&both);
        assert_eq!(
            differences[0].to_string(),
            "X: expected on_hand 0 after 0 events, found on_hand 9 reserved 0 allocated 0 \
             available 9 version 1"
        );
    }
}
