//! A projection that panics on an event stops at it, in one lane.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use shared_events::event::Event;
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use sqlx::PgConnection;

use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::{Arrival, Fact};
use crate::pipeline::plan::{Arrivals, plan};
use crate::projection::{Definition, Projection, Slot, TableChanges, Unfit};
use crate::sample_log::Log;

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
