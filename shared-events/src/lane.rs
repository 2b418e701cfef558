//! Lanes, positions in them, and position tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::slot::{SLOTS, slot_of};
use crate::stream::Stream;
use crate::values::{Sku, ValueError, serde_as_text};

/// One of the ordered logs. Each has a Kafka partition, a checkpoint and a lock with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16")]
pub struct Lane(pub u16);

impl TryFrom<u16> for Lane {
    type Error = ValueError;

    fn try_from(lane: u16) -> Result<Self, ValueError> {
        let is_possible = lane < SLOTS;
        is_possible.then_some(Self(lane)).ok_or(ValueError { expected: "a lane from 0 to 1023" })
    }
}

impl FromStr for Lane {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().unwrap_or(u16::MAX).try_into()
    }
}

/// As Postgres keeps it.
impl From<Lane> for i16 {
    fn from(lane: Lane) -> Self {
        i16::try_from(lane.0).expect("a lane is below 1024")
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The number of an event in its lane: 1, 2, 3 … without gaps; 0 is before the first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub i64);

impl Position {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The id of an event: `{lane}-{position}`, such as `3-1042`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub Lane, pub Position);

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.0, self.1)
    }
}

serde_as_text!(EventId);

impl FromStr for EventId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const EXPECTED: ValueError =
            ValueError { expected: "an event's id: {lane}-{position}, such as 3-1042" };
        let (lane, position) = text.split_once('-').ok_or(EXPECTED)?;
        let id = Self(
            lane.parse().map_err(|_| EXPECTED)?,
            position.parse().map(Position).map_err(|_| EXPECTED)?,
        );
        // One event has one spelling: no sign, no leading zero.
        if id.to_string() == text { Ok(id) } else { Err(EXPECTED) }
    }
}

/// The number of an event in its stream: 1, 2, 3 …; 0 means that the stream has no events.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub i64);

impl Version {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The lane of each slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneMap(Vec<Lane>);

impl LaneMap {
    /// The map of a new log with 1 to [`SLOTS`] lanes, to which slots are assigned in turn.
    pub fn even(lanes: u16) -> Result<Self, ValueError> {
        if !(1..=SLOTS).contains(&lanes) {
            return Err(ValueError { expected: "1 to 1024 lanes" });
        }
        Ok(Self((0..SLOTS).map(|slot| Lane(slot % lanes)).collect()))
    }

    /// A stored map: the lane of each of the [`SLOTS`] slots, in order.
    pub fn from_slots(lanes: Vec<Lane>) -> Result<Self, ValueError> {
        if lanes.len() == usize::from(SLOTS) {
            Ok(Self(lanes))
        } else {
            Err(ValueError { expected: "one lane for each of the 1024 slots" })
        }
    }

    /// The lane of a stream.
    pub fn lane_of(&self, stream: &Stream) -> Lane {
        match (stream, stream.slot()) {
            (Stream::Redaction(lane), _) => Lane(*lane),
            (_, slot) => self.0[usize::from(slot.unwrap_or_default())],
        }
    }

    /// The lane of an item and of its stock at every location.
    pub fn lane_of_item(&self, sku: &Sku) -> Lane {
        self.0[usize::from(slot_of(sku.as_str()))]
    }

    /// Every lane once, ascending.
    pub fn lanes(&self) -> Vec<Lane> {
        let lanes: BTreeSet<Lane> = self.0.iter().copied().collect();
        lanes.into_iter().collect()
    }

    /// The lane of every slot, in slot order.
    pub fn slots(&self) -> &[Lane] {
        &self.0
    }
}

/// The header with the position that an answer reflects.
pub const POSITION_HEADER: &str = "stock-position";

/// Positions of one or more lanes: `3:1042` or `3:1042,7:88`, lanes ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PositionToken(BTreeMap<Lane, Position>);

impl PositionToken {
    /// Raises the position of a lane to at least `position`.
    pub fn reach(&mut self, lane: Lane, position: Position) {
        let reached = self.0.entry(lane).or_default();
        *reached = position.max(*reached);
    }

    /// The position of a lane, if the token names it.
    pub fn get(&self, lane: Lane) -> Option<Position> {
        self.0.get(&lane).copied()
    }

    /// Lanes with their positions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Lane, Position)> + '_ {
        self.0.iter().map(|(lane, position)| (*lane, *position))
    }

    /// Whether the token names no lane.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Lane, Position)> for PositionToken {
    fn from_iter<I: IntoIterator<Item = (Lane, Position)>>(pairs: I) -> Self {
        let mut token = Self::default();
        for (lane, position) in pairs {
            token.reach(lane, position);
        }
        token
    }
}

impl fmt::Display for PositionToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (lane, position)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{lane}:{position}")?;
        }
        Ok(())
    }
}

const NOT_A_TOKEN: ValueError = ValueError {
    expected: "a position token such as 3:1042 or 3:1042,7:88 (lane:position, lanes ascending)",
};

serde_as_text!(PositionToken);

impl FromStr for PositionToken {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut token = BTreeMap::new();
        for pair in text.split(',') {
            let (lane, position) = pair.split_once(':').ok_or(NOT_A_TOKEN)?;
            let lane = u16::try_from(digits(lane)?).map_err(|_| NOT_A_TOKEN)?;
            let lane = Lane::try_from(lane).map_err(|_| NOT_A_TOKEN)?;
            let position = Position(digits(position)?);
            let ascending = token.last_key_value().is_none_or(|(last, _)| *last < lane);
            if !ascending {
                return Err(NOT_A_TOKEN);
            }
            token.insert(lane, position);
        }
        Ok(Self(token))
    }
}

/// Digits only: `parse` alone would accept a plus sign.
fn digits(text: &str) -> Result<i64, ValueError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NOT_A_TOKEN);
    }
    text.parse().map_err(|_| NOT_A_TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lane_has_all_streams() {
        let map = LaneMap::even(1).expect("one lane is legal");
        assert_eq!(map.lane_of(&"item/85123A".parse().expect("a stream's name")), Lane(0));
        assert!(LaneMap::even(0).is_err() && LaneMap::even(1025).is_err());
    }

    #[test]
    fn an_event_is_in_a_lane_that_there_can_be() {
        assert_eq!("1023-7".parse::<EventId>(), Ok(EventId(Lane(1023), Position(7))));
        for bad in ["", "3", "3-", "-3", "+3-1", "03-1", "1024-1", "40000-1", "70000-1"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
        for (lane, is_read) in [("1023", true), ("1024", false), ("40000", false), ("-1", false)] {
            assert_eq!(serde_json::from_str::<Lane>(lane).is_ok(), is_read, "{lane}");
        }
    }

    #[test]
    fn a_token_reads_back_from_its_text() {
        for text in ["3:1042", "0:0", "3:1042,7:88"] {
            let token: PositionToken = text.parse().expect("a valid token");
            assert_eq!(token.to_string(), text);
        }
    }

    #[test]
    fn other_text_is_not_a_token() {
        for bad in
            ["", "3", "3:", ":3", "3:-1", "3:+1", "7:1,3:1", "3:1,3:2", "1024:1", "3:1,", "a:b"]
        {
            assert!(bad.parse::<PositionToken>().is_err(), "{bad}");
        }
    }
}
