//! What an event does to what is known: the stream's version and figures, and the rows they leave.

use shared_events::event::{About, Event, Figures, StockChange};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::values::Sku;

use super::difference::{Difference, Kind};
use super::rows::{Members, digest, item_members, location_members, reservation_members};
use super::{Content, Description, LaneProof, Standing, StreamProof, TotalProof};
use crate::pipeline::delivery::Fact;

impl LaneProof {
    /// Folds the event; gives the first thing that it contradicts.
    pub(super) fn fold(&mut self, fact: &Fact) -> Option<Difference> {
        let recorded = &fact.recorded;
        let is_skipped = self.skipped.contains(&recorded.position);
        let proof = self.streams.entry(recorded.stream.clone()).or_default();
        let next = proof.version.next();
        let out_of_turn = (recorded.version != next)
            .then(|| Difference::new(Kind::Version, next, recorded.version));
        proof.version = recorded.version;
        let folded = match &fact.event {
            // Whatever it did to the figures is not known; the next event tells them.
            Err(_) if is_skipped => {
                proof.figures = None;
                None
            }
            Err(error) => {
                proof.figures = None;
                Some(Difference::new(Kind::Data, "an event that is known here", error))
            }
            Ok(event) => {
                let stray = self.stray(recorded, event);
                stray.or_else(|| self.fold_event(recorded, event, is_skipped))
            }
        };
        out_of_turn.or(folded).map(|difference| Difference::at(recorded, difference))
    }

    /// The difference that an event stands in the stream or the lane of something else.
    fn stray(&self, recorded: &RecordedEvent, event: &Event) -> Option<Difference> {
        let stream = event.stream();
        let lane = self.lane_map.lane_of(&recorded.stream);
        if stream != recorded.stream {
            Some(Difference::new(Kind::Stream, stream, &recorded.stream))
        } else if lane != self.lane {
            let (expected, found) = (format!("lane {lane}"), format!("lane {}", self.lane));
            Some(Difference::new(Kind::Stream, expected, found))
        } else {
            None
        }
    }

    fn fold_event(
        &mut self,
        recorded: &RecordedEvent,
        event: &Event,
        is_skipped: bool,
    ) -> Option<Difference> {
        let proof = self.streams.entry(recorded.stream.clone()).or_default();
        if let Some(change) = event.stock_change() {
            let difference = proof.fold_figures(change);
            if !is_skipped {
                proof.stand(recorded, Content::Figures(change.after));
                self.add_to_total(recorded, change.sku, change.delta);
            }
            return difference;
        }
        if !is_skipped {
            proof.describe(recorded, event);
        }
        None
    }

    fn add_to_total(&mut self, recorded: &RecordedEvent, sku: &Sku, delta: Figures) {
        let total = self.totals.entry(sku.clone()).or_insert(TotalProof {
            figures: Figures::default(),
            events: 0,
            position: recorded.position,
            recorded_at: recorded.recorded_at,
            is_met: false,
        });
        total.figures = sum(total.figures, delta);
        total.events += 1;
        total.position = recorded.position;
        total.recorded_at = recorded.recorded_at;
    }
}

impl StreamProof {
    /// The figures after an event must be those before it and what it did.
    fn fold_figures(&mut self, change: StockChange<'_>) -> Option<Difference> {
        let before = match self.figures {
            Some(figures) => Some(figures),
            // The first event of a stream begins at nothing.
            None if self.version.0 == 1 => Some(Figures::default()),
            None => None,
        };
        self.figures = Some(change.after);
        let members = |figures: Figures| [figures.on_hand, figures.reserved, figures.allocated];
        let found = members(change.after);
        let expected = before.map_or(found, |before| members(sum(before, change.delta)));
        let names = ["on_hand", "reserved", "allocated"];
        names.into_iter().zip(expected.into_iter().zip(found)).find_map(
            |(name, (expected, found))| {
                let difference = if expected != found {
                    Difference::new(Kind::FiguresAfter, expected, found)
                } else if found < 0 {
                    Difference::new(Kind::FiguresAfter, "0 or more", found)
                } else {
                    return None;
                };
                Some(Difference { member: Some(name.to_owned()), ..difference })
            },
        )
    }

    fn stand(&mut self, recorded: &RecordedEvent, content: Content) {
        self.row = Some(Standing {
            version: recorded.version,
            position: recorded.position,
            recorded_at: recorded.recorded_at,
            content,
        });
    }

    /// Takes what an event says of an item, a location or a reservation.
    fn describe(&mut self, recorded: &RecordedEvent, event: &Event) {
        let known = match self.row {
            Some(Standing { content: Content::Description(known), .. }) => Some(known),
            _ => None,
        };
        let description = match members_of(event) {
            Some(members) => Description {
                digest: digest(&members),
                described_at: recorded.position,
                made_at: known.map_or(recorded.recorded_at, |known| known.made_at),
                reorder_point: reorder_point_of(event),
                retired: known.is_some_and(|known| known.retired),
            },
            // An item that is retired keeps its description; without one there is no row.
            None => match known {
                Some(known) => Description { retired: true, ..known },
                None => return,
            },
        };
        self.stand(recorded, Content::Description(description));
    }
}

/// What an event says of an item, a location or a reservation, whole.
pub(super) fn members_of(event: &Event) -> Option<Members> {
    match event.about() {
        About::Item(item) => Some(item_members(item)),
        About::Location(location) => Some(location_members(location)),
        About::Reservation(step) => Some(reservation_members(&step.after)),
        About::RetiredItem(_) | About::Stock(_) => None,
    }
}

fn reorder_point_of(event: &Event) -> i64 {
    match event.about() {
        About::Item(item) => item.reorder_point,
        _ => 0,
    }
}

/// Beyond 64 bits there is nothing that could be stored.
fn sum(left: Figures, right: Figures) -> Figures {
    Figures {
        on_hand: left.on_hand.saturating_add(right.on_hand),
        reserved: left.reserved.saturating_add(right.reserved),
        allocated: left.allocated.saturating_add(right.allocated),
    }
}

/// The sku that a stream tells of, if it is that of an item or of its stock.
pub(super) fn sku_of(stream: &Stream) -> Option<&Sku> {
    match stream {
        Stream::Item(sku) | Stream::Stock(sku, _) => Some(sku),
        Stream::Location(_) | Stream::Reservation(_) => None,
    }
}
