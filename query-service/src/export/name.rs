//! What the names of the files say: which positions of which lane are there, and which are missing. PURE.

use std::fmt;
use std::str::FromStr;

use shared_events::lane::{Lane, Position};
use shared_events::slot::SLOTS;
use shared_events::values::ValueError;

/// Digits of a position in a name, so that names sort like positions.
const DIGITS: usize = 20;

const ENDING: &str = ".parquet";

/// The positions that one file holds, first and last included. Written as the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) first: Position,
    pub(super) last: Position,
}

impl Span {
    /// How many events it holds.
    pub(super) fn len(self) -> i64 {
        self.last.0 - self.first.0 + 1
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        write!(out, "{:0DIGITS$}-{:0DIGITS$}{ENDING}", first.0, last.0)
    }
}

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(name: &str) -> Result<Self, ValueError> {
        const EXPECTED: ValueError = ValueError {
            expected: "a first and a last position of 20 digits each, as in \
                       00000000000000000001-00000000000000050000.parquet",
        };
        let (first, last) =
            name.strip_suffix(ENDING).and_then(|name| name.split_once('-')).ok_or(EXPECTED)?;
        let [first, last] = [first, last].map(str::parse);
        let span = Self {
            first: Position(first.map_err(|_| EXPECTED)?),
            last: Position(last.map_err(|_| EXPECTED)?),
        };
        let is_one = span.to_string() == name && span.first.0 >= 1 && span.first <= span.last;
        if is_one { Ok(span) } else { Err(EXPECTED) }
    }
}

/// The folder of a lane.
pub(super) fn folder(lane: Lane) -> String {
    format!("lane={:02}", lane.0)
}

/// The lane of a folder, if it is one of a lane.
pub(super) fn lane_of(name: &str) -> Option<Lane> {
    let lane = Lane(name.strip_prefix("lane=")?.parse().ok()?);
    (lane.0 < SLOTS && folder(lane) == name).then_some(lane)
}

/// Two files that hold the same position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} and {1} hold the same positions: remove one of them")]
pub(super) struct Overlap(Span, Span);

/// The spans of a lane, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    pub(super) fn new(mut spans: Vec<Span>) -> Result<Self, Overlap> {
        spans.sort_unstable();
        match spans.windows(2).find(|two| two[1].first <= two[0].last) {
            Some(two) => Err(Overlap(two[0], two[1])),
            None => Ok(Self(spans)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.0.iter().copied()
    }

    /// The last position that a file holds.
    pub(super) fn last(&self) -> Position {
        self.0.last().map_or(Position::default(), |span| span.last)
    }

    /// What is missing before and between them.
    pub(super) fn holes(&self) -> Vec<Span> {
        let mut before = Position::default();
        let mut holes = Vec::new();
        for span in self.iter() {
            if before.next() < span.first {
                holes.push(Span { first: before.next(), last: Position(span.first.0 - 1) });
            }
            before = span.last;
        }
        holes
    }

    /// The span that ends at a position.
    pub(super) fn ending_at(&self, last: Position) -> Option<Span> {
        self.iter().find(|span| span.last == last)
    }

    /// The span that begins at a position.
    pub(super) fn beginning_at(&self, first: Position) -> Option<Span> {
        self.iter().find(|span| span.first == first)
    }
}

/// Where the file that begins after a position ends at the latest: at the next multiple of `len`, so that the
/// names of two exports of one log are alike.
pub(super) fn end_after(after: Position, len: i64) -> Position {
    Position((after.0 / len + 1) * len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: i64, last: i64) -> Span {
        Span { first: Position(first), last: Position(last) }
    }

    fn spans(all: &[(i64, i64)]) -> Result<Spans, Overlap> {
        Spans::new(all.iter().map(|(first, last)| span(*first, *last)).collect())
    }

    #[test]
    fn a_name_is_what_it_says() {
        let name = "00000000000000000001-00000000000000050000.parquet";
        assert_eq!(span(1, 50_000).to_string(), name);
        assert_eq!(name.parse(), Ok(span(1, 50_000)));
        let long = span(i64::MAX - 1, i64::MAX);
        assert_eq!(long.to_string().parse(), Ok(long));
    }

    #[test]
    fn other_names_are_none() {
        for bad in [
            "",
            "1-2.parquet",
            "00000000000000000001-00000000000000000002",
            "00000000000000000002-00000000000000000001.parquet",
            "00000000000000000000-00000000000000000001.parquet",
            "+0000000000000000001-00000000000000000002.parquet",
            "00000000000000000001-99999999999999999999.parquet",
            ".00000000000000000001-00000000000000000002.parquet",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn folders_of_lanes_have_two_digits_or_more() {
        for (lane, name) in [(3, "lane=03"), (42, "lane=42"), (1_023, "lane=1023")] {
            assert_eq!(folder(Lane(lane)), name);
            assert_eq!(lane_of(name), Some(Lane(lane)));
        }
        for bad in ["lane=3", "lane=003", "lane=1024", "lane=", "lane=+3", "lanes", ".lock"] {
            assert_eq!(lane_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_alone_say_what_is_missing() {
        let none = spans(&[]).expect("none overlap");
        assert_eq!((none.holes(), none.last()), (vec![], Position(0)));
        let some = spans(&[(7, 9), (1, 4), (10, 10)]).expect("none overlap");
        assert_eq!((some.holes(), some.last()), (vec![span(5, 6)], Position(10)));
        let begun_late = spans(&[(3, 4)]).expect("none overlap");
        assert_eq!(begun_late.holes(), [span(1, 2)]);
    }

    #[test]
    fn two_files_with_one_position_are_reported() {
        for overlapping in [&[(1, 4), (4, 6)], &[(1, 9), (3, 4)], &[(1, 4), (1, 4)]] {
            assert!(spans(overlapping).is_err(), "{overlapping:?}");
        }
    }

    #[test]
    fn files_end_at_multiples() {
        for (after, end) in [(0, 10), (1, 10), (9, 10), (10, 20), (13, 20)] {
            assert_eq!(end_after(Position(after), 10), Position(end));
        }
    }
}
