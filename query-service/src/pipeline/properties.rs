//! However a log is delivered, the rows are the same: with duplicates, repeated runs, and gaps that are
//! filled from the log. An event that is not the one that was recorded, or on which a view panics, stops its lane.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use proptest::prelude::*;
use shared_events::event::{Event, Figures, ItemDetails, LocationDetails};
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use shared_events::values::{LocationCode, ReservationId, Sku, TransferId};
use sqlx::PgConnection;

use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::Arrival;
use crate::pipeline::fact::Fact;
use crate::pipeline::plan::{Arrivals, Plan, plan};
use crate::projection::{Definition, EventPosition, Projection, Slot, TableChanges, Unfit};
use crate::projections::stock::{
    Changes, Movement, Name, NewWaiter, ReorderPoint, ReservationRow, Stock, Totals, TransferRow,
    Waiter, WaiterChange,
};
use crate::projections::view::{View, ViewChanges};
use crate::sample_log::{LANES, Log, actions, log_of};

/// The tables, as the statements keep them.
#[derive(Debug, Default, PartialEq)]
struct Tables {
    checkpoints: BTreeMap<Lane, Checkpoint>,
    items: BTreeMap<Sku, (EventPosition, ItemDetails)>,
    retired: BTreeMap<Sku, EventPosition>,
    locations: BTreeMap<LocationCode, (EventPosition, LocationDetails)>,
    levels: BTreeMap<(Sku, LocationCode), (EventPosition, Figures)>,
    totals: BTreeMap<Sku, (Totals, i64, Position)>,
    movements: BTreeMap<(Lane, Position), Movement>,
    names: BTreeMap<(Lane, Position), Name>,
    reorder_points: BTreeMap<(Lane, Position), ReorderPoint>,
    reservations: BTreeMap<ReservationId, ReservationRow>,
    transfers: BTreeMap<TransferId, TransferRow>,
    waiters: BTreeMap<(ReservationId, u32), NewWaiter>,
}

impl Tables {
    fn new() -> Self {
        Self { checkpoints: no_checkpoints(), ..Self::default() }
    }

    fn apply(&mut self, plan: &Plan) {
        for advance in &plan.advances {
            let before = self.checkpoints.insert(advance.lane, advance.after);
            assert_eq!(before.map(|at| at.position), Some(advance.before));
        }
        let Changes {
            items,
            retired,
            locations,
            levels,
            totals,
            movements,
            names,
            reorder_points,
            reservations,
            transfers,
            waiters,
            without_reference,
            without_metadata,
        } = changes_of::<Stock>(plan).clone();
        // These logs have no redactions.
        assert!(without_reference.is_empty() && without_metadata.is_empty());
        // As the statement that describes items does.
        self.retired.retain(|sku, _| !items.contains_key(sku));
        self.items.extend(items);
        self.retired.extend(retired);
        self.locations.extend(locations);
        self.levels.extend(levels);
        for (sku, added) in totals {
            let (figures, version, position) = self.totals.entry(sku).or_default();
            assert!(*position < added.at.position);
            figures.on_hand += added.delta.on_hand;
            figures.reserved += added.delta.reserved;
            figures.allocated += added.delta.allocated;
            figures.incoming += added.delta.incoming;
            figures.waiting += added.delta.waiting;
            *version += added.events;
            *position = added.at.position;
        }
        for movement in movements {
            let key = (movement.at.lane, movement.at.position);
            assert!(self.movements.insert(key, movement).is_none(), "applied twice");
        }
        for name in names {
            let key = (name.at.lane, name.at.position);
            assert!(self.names.insert(key, name).is_none(), "applied twice");
        }
        for point in reorder_points {
            let key = (point.at.lane, point.at.position);
            assert!(self.reorder_points.insert(key, point).is_none(), "applied twice");
        }
        for (id, mut row) in reservations {
            if let Some(kept) = self.reservations.get(&id) {
                assert!(kept.at.position < row.at.position);
                row.made_at = kept.made_at;
            }
            self.reservations.insert(id, row);
        }
        for (id, mut row) in transfers {
            if let Some(kept) = self.transfers.get(&id) {
                assert!(kept.at.position < row.at.position);
                row.made_at = kept.made_at;
            }
            self.transfers.insert(id, row);
        }
        self.apply_waiters(waiters);
    }

    fn apply_waiters(&mut self, waiters: BTreeMap<(ReservationId, u32), Waiter>) {
        for (key, waiter) in waiters {
            match waiter {
                Waiter::New(new) => {
                    assert!(self.waiters.insert(key, *new).is_none(), "it waited before");
                }
                Waiter::Changed(state) => {
                    let kept = self.waiters.get_mut(&key).expect("it waits");
                    assert!(kept.state.at.position < state.at.position);
                    let priority = state.priority.or(kept.state.priority);
                    kept.state = WaiterChange { priority, ..state };
                }
                Waiter::Gone => drop(self.waiters.remove(&key)),
            }
        }
    }

    fn deliver(&mut self, log: &Log, events: &[&RecordedEvent]) -> Plan {
        let arrivals = arrivals(events.iter().copied());
        let plan = plan(Stock::PROJECTION, &self.checkpoints, &log.lane_map, &arrivals);
        self.apply(&plan);
        plan
    }

    /// Fills the gaps of a plan page by page.
    fn catch_up(&mut self, log: &Log, gaps: &BTreeMap<Lane, Position>, page: usize) {
        for (lane, seen) in gaps {
            while self.checkpoints[lane].position < *seen {
                let after = self.checkpoints[lane].position;
                let rest = log.lane(*lane).into_iter().filter(|event| event.position > after);
                let rest: Vec<_> = rest.take(page).collect();
                let plan = self.deliver(log, &rest);
                assert_eq!((plan.gaps.len(), plan.stops.len()), (0, 0));
            }
        }
    }
}

fn no_checkpoints() -> BTreeMap<Lane, Checkpoint> {
    (0..LANES).map(|lane| (Lane(lane), Checkpoint::default())).collect()
}

fn arrivals<'a>(events: impl IntoIterator<Item = &'a RecordedEvent>) -> Arrivals {
    let mut arrivals = Arrivals::new();
    for event in events {
        let content = Ok(Fact::of(event.clone()));
        let arrival = Arrival { lane: event.lane, next_offset: None, content };
        arrivals.entry(event.lane).or_default().push(Arc::new(arrival));
    }
    arrivals
}

pub(crate) fn changes_of<V: View>(plan: &Plan) -> &V::Changes {
    let changes: &dyn Any = &*plan.changes;
    &changes.downcast_ref::<ViewChanges<V>>().expect("a plan of this view").0
}

/// The plans that are written if a log arrives in batches of these sizes, each batch twice, and then
/// several times from the beginning.
pub(crate) fn delivered(
    log: &Log,
    projection: Projection,
    sizes: &[usize],
    times: usize,
) -> Vec<Plan> {
    let mut checkpoints = no_checkpoints();
    let mut plans = Vec::new();
    let mut deliver = |batch: &[RecordedEvent]| {
        let arrivals = arrivals(batch);
        let plan = plan(projection, &checkpoints, &log.lane_map, &arrivals);
        assert_eq!((plan.gaps.len(), plan.stops.len()), (0, 0));
        checkpoints.extend(plan.advances.iter().map(|one| (one.lane, one.after)));
        if !plan.advances.is_empty() {
            plans.push(plan);
        }
    };
    let mut rest = &log.events[..];
    for size in sizes.iter().cycle() {
        let (batch, left) = rest.split_at(rest.len().min(*size));
        deliver(batch);
        deliver(batch);
        rest = left;
        if rest.is_empty() {
            break;
        }
    }
    (1..times).for_each(|_| deliver(&log.events));
    plans
}

proptest! {
    #[test]
    fn any_delivery_gives_the_same_rows(
        actions in actions(1..60),
        runs in prop::collection::vec((any::<prop::sample::Index>(), 1..20usize, any::<u32>()), 0..12),
        page in 1..7usize,
    ) {
        let log = log_of(&actions);
        prop_assume!(!log.events.is_empty());
        let all: Vec<&RecordedEvent> = log.events.iter().collect();
        let mut expected = Tables::new();
        let at_once = expected.deliver(&log, &all);
        prop_assert_eq!(at_once.applied, all.len() as u64);

        let mut tables = Tables::new();
        for (start, length, holes) in runs {
            let start = start.index(all.len());
            let run = all[start..].iter().take(length).enumerate();
            let run: Vec<&RecordedEvent> =
                run.filter(|(index, _)| holes >> index & 3 != 0).map(|(_, event)| *event).collect();
            let plan = tables.deliver(&log, &run);
            prop_assert!(plan.stops.is_empty(), "{:?}", plan.stops);
            tables.catch_up(&log, &plan.gaps, page);
        }
        let rest = tables.deliver(&log, &all);
        prop_assert!(rest.gaps.is_empty() && rest.stops.is_empty());
        prop_assert_eq!(&tables, &expected);

        let again = tables.deliver(&log, &all);
        prop_assert_eq!((again.applied, again.duplicates), (0, all.len() as u64));
    }

    #[test]
    fn a_changed_event_stops_its_lane_and_no_other(
        actions in actions(2..60),
        which in any::<prop::sample::Index>(),
    ) {
        let mut log = log_of(&actions);
        prop_assume!(!log.events.is_empty());
        let changed = which.index(log.events.len());
        log.events[changed].version.0 += 1;
        let (lane, position) = (log.events[changed].lane, log.events[changed].position);
        let all: Vec<&RecordedEvent> = log.events.iter().collect();
        let mut tables = Tables::new();
        let plan = tables.deliver(&log, &all);
        prop_assert_eq!(plan.stops.keys().collect::<Vec<_>>(), [&lane]);
        prop_assert_eq!(tables.checkpoints[&lane].position.next(), position);
        let others = log.events.iter().filter(|event| event.lane != lane).count();
        let before = log.lane(lane).iter().filter(|event| event.position < position).count();
        prop_assert_eq!(plan.applied, (others + before) as u64);
    }
}

/// Counts receipts and panics on issues, after it has counted them.
#[derive(Debug, Default)]
struct Fragile(i64);

impl TableChanges for Fragile {
    fn fold(&mut self, recorded: &RecordedEvent, _: &Event) -> Result<(), Unfit> {
        self.0 += 1;
        assert_ne!(recorded.event_type, "StockIssued");
        Ok(())
    }

    fn slots(&self) -> Vec<Slot> {
        Vec::new()
    }

    fn write<'a>(
        &'a self,
        _: &'a BTreeMap<Lane, Position>,
        _: &'a mut PgConnection,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        unreachable!("nothing is written here")
    }
}

const FRAGILE: Projection = Projection::new(&Definition {
    name: "fragile",
    summary: "",
    linger: Duration::ZERO,
    new_changes: || Box::new(Fragile::default()),
});

#[test]
fn an_event_on_which_the_projection_panics_stops_its_lane_and_no_other() {
    let mut log = Log::with_lanes(2);
    let skus = [Lane(0), Lane(1)].map(|lane| {
        let mut names = (0..).map(|nth| format!("S{nth}"));
        let is_there = |name: &String| log.lane_map.lane_of_item(&name.parse().unwrap()) == lane;
        names.find(is_there).expect("a name")
    });
    for sku in &skus {
        log.register_item(sku, 0);
        log.receive(sku, "MAIN", 5);
    }
    log.issue(&skus[0], "MAIN", 1);
    for sku in &skus {
        log.receive(sku, "MAIN", 5);
    }
    let mut by_lane = Arrivals::new();
    for event in &log.events {
        let content = Ok(Fact::of(event.clone()));
        let arrival = Arrival { lane: event.lane, next_offset: None, content };
        by_lane.entry(event.lane).or_default().push(Arc::new(arrival));
    }
    let checkpoints = [Lane(0), Lane(1)].map(|lane| (lane, Checkpoint::default()));
    let plan = plan(FRAGILE, &checkpoints.into(), &log.lane_map, &by_lane);
    let ends: Vec<_> = plan.advances.iter().map(|one| (one.lane, one.after.position.0)).collect();
    assert_eq!(ends, [(Lane(0), 2), (Lane(1), 3)]);
    let stop = &plan.stops[&Lane(0)];
    assert!(stop.event == "0-3" && stop.error.contains("panics"), "{stop:?}");
    let changes: &dyn Any = &*plan.changes;
    let fragile = changes.downcast_ref::<Fragile>().expect("its changes");
    assert_eq!(fragile.0, 5, "half of the issue is in the changes");
}
