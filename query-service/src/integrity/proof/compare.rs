//! The views' rows against what the log left: each row that is there, then those that are not.

use shared_events::lane::{EventId, Position, Version};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Sku;

use super::difference::{Difference, Kind};
use super::fold::members_of;
use super::rows::{DescribedRow, FigureRow, Members, digest};
use super::{Content, Description, LaneProof, Standing, TotalProof};
use crate::pipeline::delivery::Fact;

/// What comparing a row came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// It is what the log says.
    Same,
    /// It is not.
    Differs(Difference),
    /// It describes something else than the event at this position does, which is not kept: read it
    /// again, and let [`describe`] say where they differ.
    Described(Position),
}

impl LaneProof {
    /// Compares a row of `stock_levels`.
    pub fn compare_level(&mut self, found: &FigureRow) -> Option<Difference> {
        let name = format!("stock/{}/{}", found.sku, found.location.as_deref().unwrap_or_default());
        let Some(stream) = self.met(&name) else {
            let (sku, stream) = (Some(found.sku.clone()), Some(name));
            return Some(Difference { sku, stream, ..unaccounted(Kind::Level, found.version) });
        };
        let Some(Standing { version, position, recorded_at, content: Content::Figures(figures) }) =
            self.streams[&stream].row
        else {
            return Some(unaccounted(Kind::Level, found.version).of(&stream));
        };
        let expected = FigureRow {
            figures,
            reorder_point: Some(self.reorder_point(&stream)),
            version,
            position,
            updated_at: recorded_at,
            ..found.clone()
        };
        self.differing(Kind::Level, &expected, found).map(|difference| difference.of(&stream))
    }

    /// Compares a row of `stock_totals`.
    pub fn compare_total(&mut self, found: &FigureRow) -> Option<Difference> {
        let total = found.sku.parse::<Sku>().ok().and_then(|sku| self.totals.get_mut(&sku));
        let difference = match total {
            None => Some(unaccounted(Kind::Total, found.version)),
            Some(total) => {
                total.is_met = true;
                let expected = total.row(&found.sku);
                self.differing(Kind::Total, &expected, found)
            }
        };
        difference.map(|difference| Difference { sku: Some(found.sku.clone()), ..difference })
    }

    /// Compares a row of `items`, `locations` or `reservations`.
    pub fn compare_described(&mut self, found: &DescribedRow) -> Comparison {
        let Some(stream) = self.met(&found.stream) else {
            let kind = kind_of_name(&found.stream);
            let stream = Some(found.stream.clone());
            return Comparison::Differs(Difference { stream, ..unaccounted(kind, found.version) });
        };
        let kind = kind_of(&stream);
        let Some(Standing { version, position, recorded_at, content: Content::Description(known) }) =
            self.streams[&stream].row
        else {
            return Comparison::Differs(unaccounted(kind, found.version).of(&stream));
        };
        let expected = DescribedRow {
            version,
            position,
            updated_at: recorded_at,
            made_at: found.made_at.map(|_| known.made_at),
            retired: known.retired,
            ..found.clone()
        };
        if expected != *found {
            let difference = Difference::between(kind, &frame(&expected), &frame(found));
            let event = Some(EventId(self.lane, position));
            return Comparison::Differs(Difference { event, ..difference.of(&stream) });
        }
        let Description { digest: expected, described_at, .. } = known;
        if digest(&found.members) == expected {
            Comparison::Same
        } else {
            Comparison::Described(described_at)
        }
    }

    /// What the log left and no row was compared with; to be asked when all rows were.
    pub fn absent(&self) -> Option<Difference> {
        let streams = self.streams.iter().filter_map(|(stream, proof)| {
            let row = proof.row.filter(|_| !proof.is_met)?;
            let event = Some(EventId(self.lane, row.position));
            let difference = Difference::new(kind_of(stream), "a row", "no row");
            Some((row.position, Difference { event, ..difference.of(stream) }))
        });
        let totals = self.totals.iter().filter(|(_, total)| !total.is_met).map(|(sku, total)| {
            let (sku, event) = (Some(sku.to_string()), Some(EventId(self.lane, total.position)));
            let difference = Difference::new(Kind::Total, "a row", "no row");
            (total.position, Difference { sku, event, ..difference })
        });
        streams
            .chain(totals)
            .min_by_key(|(position, difference)| (*position, difference.what))
            .map(|(_, difference)| difference)
    }

    /// The difference that `movements` has a row where the log has no event.
    pub fn beyond(&self, position: Position) -> Difference {
        let event = Some(EventId(self.lane, position));
        Difference { event, ..Difference::new(Kind::Movement, "no event, no row", "a row") }
    }

    /// The stream with this name, if the log has it; its row is met with that.
    fn met(&mut self, name: &str) -> Option<Stream> {
        let stream: Stream = name.parse().ok()?;
        let proof = self.streams.get_mut(&stream)?;
        proof.is_met = true;
        Some(stream)
    }

    /// The reorder point of the item that a stream is about; 0 for one that was never described.
    fn reorder_point(&self, stream: &Stream) -> i64 {
        let item = super::fold::sku_of(stream).map(|sku| Stream::Item(sku.clone()));
        match item.and_then(|item| self.streams.get(&item)?.row) {
            Some(Standing { content: Content::Description(known), .. }) => known.reorder_point,
            _ => 0,
        }
    }

    fn differing(&self, kind: Kind, expected: &FigureRow, found: &FigureRow) -> Option<Difference> {
        (expected != found).then(|| Difference {
            event: Some(EventId(self.lane, expected.position)),
            ..Difference::between(kind, &expected.members(), &found.members())
        })
    }
}

impl TotalProof {
    fn row(&self, sku: &str) -> FigureRow {
        FigureRow {
            sku: sku.to_owned(),
            location: None,
            figures: self.figures,
            reorder_point: None,
            version: Version(self.events),
            position: self.position,
            updated_at: self.recorded_at,
        }
    }
}

/// Where a row differs from the event that describes it.
pub fn describe(fact: &Fact, found: &DescribedRow) -> Difference {
    let kind = kind_of(&fact.recorded.stream);
    let expected = fact.event.as_ref().ok().and_then(members_of).unwrap_or_default();
    Difference::at(&fact.recorded, Difference::between(kind, &expected, &found.members))
}

/// The columns of a described row that are not its description.
fn frame(row: &DescribedRow) -> Members {
    let made_at = row.made_at.as_ref().map(Timestamp::to_string).unwrap_or_default();
    vec![
        ("version", row.version.to_string()),
        ("position", row.position.to_string()),
        ("updated_at", row.updated_at.to_string()),
        ("made_at", made_at),
        ("retired", row.retired.to_string()),
    ]
}

/// A row that no event accounts for.
fn unaccounted(kind: Kind, version: Version) -> Difference {
    Difference::new(kind, "no row", format_args!("a row of version {version}"))
}

fn kind_of(stream: &Stream) -> Kind {
    match stream {
        Stream::Item(_) => Kind::Item,
        Stream::Location(_) => Kind::Location,
        Stream::Stock(..) => Kind::Level,
        Stream::Reservation(_) => Kind::Reservation,
    }
}

/// What a row is of whose stream has no history, or whose key is no name at all.
fn kind_of_name(name: &str) -> Kind {
    match name.split('/').next() {
        Some("item") => Kind::Item,
        Some("location") => Kind::Location,
        _ => Kind::Reservation,
    }
}
