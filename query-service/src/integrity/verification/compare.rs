//! Compares the rows of the views with the rows that the events have to leave.

use shared_events::lane::{EventId, Position};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;

use super::{Content, Expected, Verification, contents};
use crate::integrity::difference::{Difference, Kind};
use crate::integrity::rows::{Columns, TableRow, WaiterRow, digest, figure_contents, values};
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::fact::Fact;

/// The result for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    Same,
    Differs(Difference),
    /// The contents differ from those in the event at this position, which are not kept: read the
    /// event again and call [`Verification::compare_contents`].
    ContentsDiffer(Position),
}

impl Verification {
    /// Compares the position and chain that the views have applied with the log.
    pub fn compare_checkpoint(&self, found: Checkpoint) -> Option<Difference> {
        let expected = Checkpoint { position: self.check.position(), chain: self.check.chain() };
        let text = |Checkpoint { position, chain }| format!("{position} with chain {chain}");
        (expected != found).then(|| {
            Difference::new(Kind::Checkpoint, text(expected), text(found))
                .at_event(EventId(self.lane, expected.position))
        })
    }

    /// Compares a row of the view that `kind` names.
    pub fn compare(&mut self, kind: Kind, found: &TableRow) -> Comparison {
        let reorder_point = (kind == Kind::Level).then(|| self.reorder_point(&found.key));
        let differs = |difference: Difference| {
            Comparison::Differs(match kind {
                Kind::Total => Difference { sku: Some(found.key.clone()), ..difference },
                _ => difference.of_name(&found.key),
            })
        };
        let row = match kind {
            Kind::Total => found.key.parse().ok().and_then(|sku| self.totals.get_mut(&sku)),
            _ => found.key.parse().ok().and_then(|stream| self.rows.get_mut(&stream)),
        };
        let Some(row) = row else {
            // No event accounts for it.
            let row = format_args!("a row of version {}", found.version);
            return differs(Difference::new(kind, "no row", row));
        };
        row.is_met = true;
        let mut expected = row.columns(found);
        let mut columns = found.columns();
        if let Content::Figures(figures) = row.content {
            let figures = figure_contents(figures, reorder_point);
            let names = figures.iter().map(|(name, _)| *name);
            columns.splice(..0, names.zip(found.contents.iter().cloned()));
            expected.splice(..0, figures);
        }
        match row.content {
            _ if expected != columns => differs(
                Difference::between(kind, &expected, &values(columns))
                    .at_event(EventId(self.lane, row.position)),
            ),
            Content::Description(known) if known.digest != digest(&found.contents) => {
                Comparison::ContentsDiffer(known.described_at)
            }
            Content::Figures(_) | Content::Description(_) => Comparison::Same,
        }
    }

    /// The first column in which the contents of a row differ from those in their event as it is now; none if it
    /// was redacted since it was met, and the row follows it.
    pub fn compare_contents(&self, fact: &Fact, found: &TableRow) -> Option<Difference> {
        let mut expected = fact.event.as_ref().ok().and_then(contents).unwrap_or_default();
        if self.is_ahead_of_views(&fact.recorded) {
            for ((name, value), found) in expected.iter_mut().zip(&found.contents) {
                if REMOVABLE.contains(name) {
                    value.clone_from(found);
                }
            }
        }
        let is_same = values(expected.clone()) == found.contents;
        let kind = kind_of(&fact.recorded.stream);
        (!is_same).then(|| Difference::between(kind, &expected, &found.contents).at(&fact.recorded))
    }

    /// Compares a row of `waitlist`.
    pub fn compare_waiter(&mut self, found: &WaiterRow) -> Option<Difference> {
        self.waiters.compare(self.lane, found)
    }

    /// The first row that the views lack. To be called after all rows were compared.
    pub fn absent(&self) -> Option<Difference> {
        let absent = |kind, position| {
            Difference::new(kind, "a row", "no row").at_event(EventId(self.lane, position))
        };
        let rows = self.rows.iter().filter(|(_, row)| !row.is_met);
        let rows = rows
            .map(|(stream, row)| (row.position, absent(kind_of(stream), row.position).of(stream)));
        let totals = self.totals.iter().filter(|(_, total)| !total.is_met).map(|(sku, total)| {
            let difference = absent(Kind::Total, total.position);
            (total.position, Difference { sku: Some(sku.to_string()), ..difference })
        });
        rows.chain(totals)
            .chain(self.waiters.absent(self.lane))
            .min_by_key(|(position, difference)| (*position, difference.what))
            .map(|(_, difference)| difference)
    }

    /// The difference that `movements` has a row at a position that is not applied.
    pub fn beyond(&self, position: Position) -> Difference {
        Difference::new(Kind::Movement, "no event, no row", "a row")
            .at_event(EventId(self.lane, position))
    }

    /// The reorder point of the item of a stock stream; 0 for an item that was never described.
    fn reorder_point(&self, stream: &str) -> i64 {
        let Ok(Stream::Stock(sku, _)) = stream.parse() else {
            return 0;
        };
        match self.rows.get(&Stream::Item(sku)).map(|item| item.content) {
            Some(Content::Description(known)) => known.reorder_point,
            _ => 0,
        }
    }
}

/// The columns that a redaction empties.
const REMOVABLE: [&str; 4] = ["reference_type", "reference_id", "reference_line", "metadata"];

impl Expected {
    /// The columns of a row other than its key and contents.
    fn columns(&self, found: &TableRow) -> Columns {
        let (made_at, retired) = match self.content {
            Content::Figures(_) => (None, false),
            Content::Description(known) => (found.made_at.and(Some(known.made_at)), known.retired),
        };
        let expected = TableRow {
            key: String::new(),
            version: self.version.0,
            position: self.position.0,
            updated_at: self.recorded_at.to_utc(),
            made_at: made_at.map(Timestamp::to_utc),
            retired,
            contents: Vec::new(),
        };
        expected.columns()
    }
}

fn kind_of(stream: &Stream) -> Kind {
    match stream {
        Stream::Item(_) => Kind::Item,
        Stream::Location(_) => Kind::Location,
        Stream::Stock(..) => Kind::Level,
        Stream::Reservation(_) => Kind::Reservation,
        Stream::Transfer(_) => Kind::Transfer,
        // The compared views have no row of an order, a person or a redaction.
        Stream::Order(_) | Stream::Subject(_) | Stream::Redaction(_) => Kind::Stream,
    }
}
