//! A lane with the rows that the projection makes of it, to be damaged.

use shared_events::chain::Chain;
use shared_events::lane::{Lane, LaneMap, Position, Version};
use shared_events::recorded::RecordedEvent;

use crate::integrity::proof::difference::Difference;
use crate::integrity::proof::rows::{DescribedRow, FigureRow, Members, MovementRow};
use crate::integrity::proof::rows::{item_members, location_members, reservation_members};
use crate::integrity::proof::{Comparison, LaneProof, Scope, describe};
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::Fact;
use crate::projection::EventPosition;
use crate::projections::stock::Changes;
use crate::sample_log::Log;

/// A lane of the log, and the rows that the projection makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) log: Vec<RecordedEvent>,
    lanes: u16,
    pub(crate) lane: Lane,
    pub(crate) skipped: Vec<Position>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) movements: Vec<MovementRow>,
    pub(crate) levels: Vec<FigureRow>,
    pub(crate) totals: Vec<FigureRow>,
    pub(crate) described: Vec<DescribedRow>,
}

impl Case {
    pub(crate) fn of(log: &Log, lanes: u16, lane: Lane) -> Self {
        let log: Vec<RecordedEvent> = log.lane(lane).into_iter().cloned().collect();
        let mut case = Self {
            lanes,
            lane,
            skipped: Vec::new(),
            checkpoint: log.last().map(Checkpoint::after).unwrap_or_default(),
            movements: Vec::new(),
            levels: Vec::new(),
            totals: Vec::new(),
            described: Vec::new(),
            log,
        };
        case.project();
        case
    }

    /// Makes the rows of all events that are not skipped.
    pub(crate) fn project(&mut self) {
        let mut changes = Changes::default();
        self.movements.clear();
        for event in self.log.iter().filter(|one| !self.skipped.contains(&one.position)) {
            let fact = event.event().expect("an event of today");
            changes.fold(event, &fact).expect("an event that fits");
            self.movements.extend(MovementRow::of(event, &fact));
        }
        self.levels = levels(&changes);
        self.totals = totals(&changes);
        self.described = described(&changes);
    }

    /// Makes the rows as a binary would that skips what it cannot read.
    pub(crate) fn project_readable(&mut self) {
        let all = std::mem::take(&mut self.log);
        self.log = all.iter().filter(|event| event.event().is_ok()).cloned().collect();
        self.project();
        self.log = all;
    }

    pub(crate) fn events(&mut self) -> &mut Vec<RecordedEvent> {
        &mut self.log
    }

    /// Makes the chain follow from the events again, from a place on.
    pub(crate) fn rechain(&mut self) {
        let mut chain = Chain::default();
        for event in &mut self.log {
            chain = event.chain_after(chain);
            event.chain = chain;
        }
    }

    /// All that differs, in the order it is met.
    pub(crate) fn differences(&self, scope: &Scope) -> Vec<Difference> {
        let map = LaneMap::even(self.lanes).expect("a legal number of lanes");
        let mut proof = LaneProof::new(self.lane, map, scope.clone(), self.skipped.iter().copied());
        let mut found = Vec::new();
        for event in &self.log {
            let mut rows = self.movements.iter().filter(|row| is_asked(scope, &row.sku));
            let row = rows.find(|row| row.position == event.position);
            found.extend(proof.follow(&Fact::of(event.clone()), row));
        }
        if proof.position() < self.checkpoint.position {
            found.push(proof.missing());
        } else {
            found.extend(proof.compare_checkpoint(self.checkpoint));
        }
        for row in self.levels.iter().filter(|row| is_asked(scope, &row.sku)) {
            found.extend(proof.compare_level(row));
        }
        for row in self.totals.iter().filter(|row| is_asked(scope, &row.sku)) {
            found.extend(proof.compare_total(row));
        }
        let is_described = |row: &&DescribedRow| match scope {
            Scope::Lane => true,
            Scope::Sku(sku) => row.stream == format!("item/{sku}"),
        };
        for row in self.described.iter().filter(is_described) {
            match proof.compare_described(row) {
                Comparison::Same => {}
                Comparison::Differs(difference) => found.push(difference),
                Comparison::Described(position) => {
                    let event = self.log.iter().find(|event| event.position == position);
                    let event = event.expect("an event that was followed");
                    found.push(describe(&Fact::of(event.clone()), row));
                }
            }
        }
        found.extend(proof.absent());
        found
    }

    pub(crate) fn first(&self) -> Difference {
        self.differences(&Scope::Lane).into_iter().next().expect("a difference")
    }

    pub(crate) fn level(&mut self, sku: &str) -> &mut FigureRow {
        self.levels.iter_mut().find(|row| row.sku == sku).expect("a level")
    }

    pub(crate) fn row_of(&mut self, stream: &str) -> &mut DescribedRow {
        let row = self.described.iter_mut().find(|row| row.stream.starts_with(stream));
        row.expect("a row of that stream")
    }
}

fn is_asked(scope: &Scope, sku: &str) -> bool {
    match scope {
        Scope::Lane => true,
        Scope::Sku(asked) => asked.as_str() == sku,
    }
}

fn levels(changes: &Changes) -> Vec<FigureRow> {
    let mut rows = Vec::new();
    for ((sku, location), (at, figures)) in &changes.levels {
        let item = changes.items.get(sku).map(|(_, item)| item.reorder_point);
        rows.push(FigureRow {
            sku: sku.to_string(),
            location: Some(location.to_string()),
            figures: *figures,
            reorder_point: Some(item.unwrap_or_default()),
            version: at.version,
            position: at.position,
            updated_at: at.recorded_at,
        });
    }
    rows
}

fn totals(changes: &Changes) -> Vec<FigureRow> {
    let mut rows = Vec::new();
    for (sku, total) in &changes.totals {
        rows.push(FigureRow {
            sku: sku.to_string(),
            location: None,
            figures: total.delta,
            reorder_point: None,
            version: Version(total.events),
            position: total.at.position,
            updated_at: total.at.recorded_at,
        });
    }
    rows
}

fn described(changes: &Changes) -> Vec<DescribedRow> {
    let items = changes.items.iter().map(|(sku, (described, item))| {
        let gone = changes.retired.get(sku);
        let row = row(format!("item/{sku}"), gone.unwrap_or(described), item_members(item));
        DescribedRow { retired: gone.is_some(), ..row }
    });
    let locations = changes.locations.iter().map(|(code, (at, location))| {
        row(format!("location/{code}"), at, location_members(location))
    });
    let reservations = changes.reservations.iter().map(|(id, one)| {
        let members = reservation_members(&one.reservation);
        let row = row(format!("reservation/{id}"), &one.at, members);
        DescribedRow { made_at: Some(one.made_at), ..row }
    });
    items.chain(locations).chain(reservations).collect()
}

fn row(stream: String, at: &EventPosition, members: Members) -> DescribedRow {
    DescribedRow {
        stream,
        version: at.version,
        position: at.position,
        updated_at: at.recorded_at,
        made_at: None,
        retired: false,
        members,
    }
}
