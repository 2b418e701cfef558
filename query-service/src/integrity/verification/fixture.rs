//! A lane with the rows that the projection makes of it, for tests to damage.

use shared_events::chain::Chain;
use shared_events::lane::{Lane, LaneMap, Position, Version};
use shared_events::lane_check::Redactions;
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use shared_events::values::ReservationId;

use super::{Comparison, Scope, Verification};
use crate::integrity::difference::{Difference, Kind};
use crate::integrity::rows::{
    Columns, MovementRow, TableRow, WaiterRow, figure_contents, item_contents, location_contents,
    reservation_contents, transfer_contents, values,
};
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::fact::Fact;
use crate::projection::{EventPosition, Fold as _};
use crate::projections::stock::{Changes, Waiter, turn};
use crate::sample_log::Log;

#[derive(Debug, Clone)]
pub(super) struct Fixture {
    pub(super) log: Vec<RecordedEvent>,
    lanes: u16,
    pub(super) lane: Lane,
    pub(super) skipped: Vec<Position>,
    pub(super) checkpoint: Checkpoint,
    pub(super) movements: Vec<MovementRow>,
    pub(super) rows: Vec<(Kind, TableRow)>,
    pub(super) waiters: Vec<WaiterRow>,
}

impl Fixture {
    pub(super) fn of(log: &Log, lanes: u16, lane: Lane) -> Self {
        let log: Vec<RecordedEvent> = log.lane(lane).into_iter().cloned().collect();
        let mut fixture = Self {
            lanes,
            lane,
            skipped: Vec::new(),
            checkpoint: log.last().map(Checkpoint::after).unwrap_or_default(),
            movements: Vec::new(),
            rows: Vec::new(),
            waiters: Vec::new(),
            log,
        };
        fixture.project();
        fixture
    }

    /// Makes the rows of all events that are known and not skipped.
    pub(super) fn project(&mut self) {
        let mut changes = Changes::default();
        self.movements.clear();
        for recorded in self.log.iter().filter(|one| !self.skipped.contains(&one.position)) {
            if let Ok(event) = recorded.event() {
                changes.fold(recorded, &event).expect("an event that fits");
                self.movements.extend(MovementRow::of(recorded, &event));
            }
        }
        self.rows = rows(&changes);
        self.waiters = waiters(&changes);
    }

    /// Computes the chain of every event again, as somebody who knows the algorithm could.
    pub(super) fn rechain(&mut self) {
        let mut chain = Chain::default();
        for event in &mut self.log {
            chain = event.chain_after(chain);
            event.chain = chain;
        }
    }

    /// All differences in the order they are met.
    pub(super) fn differences(&self, scope: &Scope) -> Vec<Difference> {
        let map = LaneMap::even(self.lanes).expect("a legal number of lanes");
        let skipped = self.skipped.iter().copied();
        let mut verification = Verification::new(self.lane, map, scope.clone(), skipped);
        let mut redactions = Redactions::default();
        self.log.iter().for_each(|event| redactions.follow(event));
        verification.expect(redactions, self.checkpoint.position);
        let mut found = Vec::new();
        let sku = match scope {
            Scope::Lane => None,
            Scope::Sku(sku) => Some(sku.as_str()),
        };
        for event in &self.log {
            let mut rows = self.movements.iter().filter(|row| sku.is_none_or(|sku| row.sku == sku));
            let row = rows.find(|row| row.position == event.position.0);
            found.extend(verification.follow(&Fact::of(event.clone()), row));
        }
        if verification.position() < self.checkpoint.position {
            found.push(verification.missing());
        } else {
            found.extend(verification.compare_checkpoint(self.checkpoint));
        }
        for (kind, row) in &self.rows {
            let is_in_scope = sku.is_none_or(|sku| match kind {
                Kind::Total => row.key == sku,
                Kind::Level => row.key.starts_with(&format!("stock/{sku}/")),
                _ => row.key == format!("item/{sku}"),
            });
            if !is_in_scope {
                continue;
            }
            match verification.compare(*kind, row) {
                Comparison::Same => {}
                Comparison::Differs(difference) => found.push(difference),
                Comparison::ContentsDiffer(position) => {
                    let event = self.log.iter().find(|event| event.position == position);
                    let event = event.expect("an event that was followed").clone();
                    found.extend(verification.compare_contents(&Fact::of(event), row));
                }
            }
        }
        let waiters = self.waiters.iter().filter(|row| sku.is_none_or(|sku| row.sku == sku));
        found.extend(waiters.filter_map(|row| verification.compare_waiter(row)));
        found.extend(verification.absent());
        found
    }

    pub(super) fn first(&self) -> Difference {
        self.differences(&Scope::Lane).into_iter().next().expect("a difference")
    }

    /// The first row of a view whose key begins like this.
    pub(super) fn row(&mut self, kind: Kind, key: &str) -> &mut TableRow {
        let mut rows = self.rows.iter_mut().filter(|(of, _)| *of == kind).map(|(_, row)| row);
        rows.find(|row| row.key.starts_with(key)).expect("a row")
    }
}

fn rows(changes: &Changes) -> Vec<(Kind, TableRow)> {
    let row = |key: String, place: &EventPosition, contents: Columns| TableRow {
        key,
        version: place.version.0,
        position: place.position.0,
        updated_at: place.recorded_at.to_utc(),
        made_at: None,
        retired: false,
        contents: values(contents),
    };
    let mut rows = Vec::new();
    for ((sku, location), (place, figures)) in &changes.levels {
        let mut points = changes.reorder_points.iter().rev().filter(|one| one.sku == *sku);
        let point = points.next().map_or(0, |last| last.reorder_point);
        let contents = figure_contents((*figures).into(), Some(point));
        rows.push((Kind::Level, row(format!("stock/{sku}/{location}"), place, contents)));
    }
    for (sku, total) in &changes.totals {
        let place = EventPosition { version: Version(total.events), ..total.at };
        let contents = figure_contents(total.delta, None);
        rows.push((Kind::Total, row(sku.to_string(), &place, contents)));
    }
    for (sku, (described, item)) in &changes.items {
        let retired = changes.retired.get(sku);
        let row = row(format!("item/{sku}"), retired.unwrap_or(described), item_contents(item));
        rows.push((Kind::Item, TableRow { retired: retired.is_some(), ..row }));
    }
    for (code, (place, location)) in &changes.locations {
        let contents = location_contents(location);
        rows.push((Kind::Location, row(format!("location/{code}"), place, contents)));
    }
    for (id, one) in &changes.reservations {
        let contents = reservation_contents(&one.reservation);
        let row = row(format!("reservation/{id}"), &one.at, contents);
        let made_at = Some(Timestamp::to_utc(one.made_at));
        rows.push((Kind::Reservation, TableRow { made_at, ..row }));
    }
    for (id, one) in &changes.transfers {
        let row = row(format!("transfer/{id}"), &one.at, transfer_contents(&one.transfer));
        let made_at = Some(Timestamp::to_utc(one.made_at));
        rows.push((Kind::Transfer, TableRow { made_at, ..row }));
    }
    rows
}

fn waiters(changes: &Changes) -> Vec<WaiterRow> {
    let row = |((reservation, line), waiter): (&(ReservationId, u32), &Waiter)| {
        // The changes of a whole log know everybody's begin.
        let Waiter::New(new) = waiter else { return None };
        Some(WaiterRow {
            reservation: reservation.to_string(),
            line: i64::from(*line),
            sku: new.sku.to_string(),
            location: new.location.to_string(),
            owner: new.owner.to_string(),
            turn: turn(new.state.priority.expect("it began with one")),
            waiting: new.state.waiting,
            since: new.since.position.0,
            since_at: new.since.recorded_at.to_utc(),
            wait_until: new.state.wait_until.to_utc(),
            version: new.state.at.version.0,
            position: new.state.at.position.0,
            updated_at: new.state.at.recorded_at.to_utc(),
        })
    };
    changes.waiters.iter().filter_map(row).collect()
}
