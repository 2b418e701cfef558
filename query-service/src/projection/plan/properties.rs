//! However a log is delivered, the rows are the same: duplicates, repeated runs, holes that are filled
//! from the log.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared_events::event::{Figures, ItemDetails, LocationDetails};
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::Part;
use shared_events::values::{LocationCode, ReservationId, Sku};

use super::{Arrivals, Checkpoint, Plan, plan};
use crate::projection::Projection;
use crate::projection::changes::{Changes, Place};
use crate::projection::delivery::{Arrival, Fact};
use crate::projection::stock::sample::hold::Step;
use crate::projection::stock::sample::{Log, at};
use crate::projection::stock::{self, Movement, Name, ReservationRow};

const LANES: u16 = 3;

/// The tables, as their statements keep them.
#[derive(Debug, Default, PartialEq)]
struct Tables {
    checkpoints: BTreeMap<Lane, Checkpoint>,
    items: BTreeMap<Sku, (Place, ItemDetails)>,
    retired: BTreeMap<Sku, Place>,
    locations: BTreeMap<LocationCode, (Place, LocationDetails)>,
    levels: BTreeMap<(Sku, LocationCode), (Place, Figures)>,
    totals: BTreeMap<Sku, (Figures, i64, Position)>,
    movements: BTreeMap<(Lane, Position), Movement>,
    names: BTreeMap<(Lane, Position), Name>,
    reservations: BTreeMap<ReservationId, ReservationRow>,
}

impl Tables {
    fn new() -> Self {
        let checkpoints = (0..LANES).map(|lane| (Lane(lane), Checkpoint::default())).collect();
        Self { checkpoints, ..Self::default() }
    }

    fn apply(&mut self, plan: &Plan) {
        for advance in &plan.advances {
            let before = self.checkpoints.insert(advance.lane, advance.after);
            assert_eq!(before.map(|at| at.position), Some(advance.before));
        }
        let Changes::Stock(changes) = plan.changes.clone() else {
            panic!("a plan for another projection");
        };
        let stock::Changes {
            items,
            retired,
            locations,
            levels,
            totals,
            movements,
            names,
            reservations,
        } = changes;
        self.items.extend(items);
        self.retired.extend(retired);
        self.locations.extend(locations);
        self.levels.extend(levels);
        for (sku, added) in totals {
            let (figures, version, position) = self.totals.entry(sku).or_default();
            assert!(*position < added.place.position);
            figures.on_hand += added.delta.on_hand;
            figures.reserved += added.delta.reserved;
            figures.allocated += added.delta.allocated;
            *version += added.events;
            *position = added.place.position;
        }
        for movement in movements {
            let key = (movement.place.lane, movement.place.position);
            assert!(self.movements.insert(key, movement).is_none(), "applied twice");
        }
        for name in names {
            let key = (name.place.lane, name.place.position);
            assert!(self.names.insert(key, name).is_none(), "applied twice");
        }
        for (id, mut row) in reservations {
            if let Some(kept) = self.reservations.get(&id) {
                assert!(kept.place.position < row.place.position);
                row.made_at = kept.made_at;
            }
            self.reservations.insert(id, row);
        }
    }

    fn deliver(&mut self, log: &Log, events: &[&RecordedEvent]) -> Plan {
        let mut arrivals = Arrivals::new();
        for event in events {
            let arrival = Arrival {
                lane: event.lane,
                next_offset: None,
                content: Ok(Fact::of((*event).clone())),
            };
            arrivals.entry(event.lane).or_default().push(arrival);
        }
        let plan = plan(Projection::Stock, &self.checkpoints, &log.lane_map, &arrivals);
        self.apply(&plan);
        plan
    }

    /// Fills what a plan found missing, page by page.
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

#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// What follows happened on this day, whenever it is recorded.
    On(u8),
    Item(u8, i64),
    Location(u8),
    Receive(u8, u8, i64),
    Issue(u8, u8, i64),
    Adjust(u8, u8, i64),
    Move(u8, i64),
    Retire(u8),
    Set(u8, u8, i64),
    Reverse(u8, u8, i64),
    Reserve(u8, u8, i64),
    Step(prop::sample::Index, Step, bool),
}

fn plain() -> impl Strategy<Value = Told> {
    let (sku, location, amount) = (0..6u8, 0..3u8, 1..100i64);
    prop_oneof![
        (sku.clone(), 0..9i64).prop_map(|(sku, point)| Told::Item(sku, point)),
        location.clone().prop_map(Told::Location),
        (0..5u8).prop_map(Told::On),
        (sku.clone(), location.clone(), amount.clone())
            .prop_map(|(s, l, n)| Told::Receive(s, l, n)),
        (sku.clone(), location.clone(), amount).prop_map(|(s, l, n)| Told::Issue(s, l, n)),
        (sku.clone(), 1..100i64).prop_map(|(s, n)| Told::Move(s, n)),
        sku.clone().prop_map(Told::Retire),
        (sku.clone(), location.clone(), -9..9i64).prop_map(|(s, l, n)| Told::Adjust(s, l, n)),
        (sku.clone(), location.clone(), -9..9i64).prop_map(|(s, l, n)| Told::Set(s, l, n)),
        (sku, location, -9..9i64).prop_map(|(s, l, n)| Told::Reverse(s, l, n)),
    ]
}

fn promise() -> impl Strategy<Value = Told> {
    let step = prop::sample::select(&Step::ALL[..]);
    prop_oneof![
        1 => (0..6u8, 0..3u8, 1..9i64).prop_map(|(s, l, n)| Told::Reserve(s, l, n)),
        3 => (any::<prop::sample::Index>(), step, any::<bool>())
            .prop_map(|(which, step, half)| Told::Step(which, step, half)),
    ]
}

pub(crate) fn told() -> impl Strategy<Value = Told> {
    prop_oneof![plain(), promise()]
}

pub(crate) fn log_of(tellings: &[Told]) -> Log {
    let mut log = Log::with_lanes(LANES);
    for telling in tellings {
        match telling {
            Told::On(day) => log.happened_at(at(i64::from(*day) * 86_400 + 40_000)),
            Told::Item(sku, point) => log.register_item(&format!("S{sku}"), *point),
            Told::Location(code) => log.register_location(&format!("L{code}")),
            Told::Receive(s, l, n) => log.receive(&format!("S{s}"), &format!("L{l}"), *n),
            Told::Issue(s, l, n) => log.issue(&format!("S{s}"), &format!("L{l}"), *n),
            Told::Move(s, n) => log.move_stock(&format!("S{s}"), "L0", "L1", *n),
            Told::Retire(s) => log.retire_item(&format!("S{s}")),
            Told::Adjust(s, l, n) => log.adjust(&format!("S{s}"), &format!("L{l}"), *n),
            Told::Set(s, l, n) => log.set(&format!("S{s}"), &format!("L{l}"), *n),
            Told::Reverse(s, l, n) => log.reverse(&format!("S{s}"), &format!("L{l}"), *n),
            Told::Reserve(s, l, n) => reserve(&mut log, *s, *l, *n),
            Told::Step(which, step, half) => {
                if log.reservations() == 0 {
                    reserve(&mut log, 0, 0, 8);
                }
                let which = which.index(log.reservations());
                let whole = log.whole(which, *step).into_iter();
                let halved = |part: Part| Part { quantity: (part.quantity + 1) / 2, ..part };
                let parts = whole.map(|part| if *half { halved(part) } else { part });
                let parts: Vec<Part> = parts.collect();
                log.step(which, *step, &parts);
            }
        }
    }
    log
}

/// Two lines, whose skus are mostly in different lanes.
fn reserve(log: &mut Log, sku: u8, location: u8, quantity: i64) {
    let (one, other) = (format!("S{sku}"), format!("S{}", (sku + 1) % 6));
    let location = format!("L{location}");
    log.reserve(&[
        (&one, &location, quantity + 3, quantity),
        (&other, &location, quantity, quantity),
    ]);
}

/// What a projection writes when a log comes in batches of these sizes, each twice, and then some
/// more times from its beginning: the changes that are written, batch by batch.
pub(crate) fn delivered(
    log: &Log,
    projection: Projection,
    sizes: &[usize],
    times: usize,
) -> Vec<Plan> {
    let lanes = (0..LANES).map(|lane| (Lane(lane), Checkpoint::default()));
    let mut checkpoints: BTreeMap<Lane, Checkpoint> = lanes.collect();
    let mut plans = Vec::new();
    let mut deliver = |batch: &[RecordedEvent]| {
        let mut arrivals = Arrivals::new();
        for event in batch {
            let content = Ok(Fact::of(event.clone()));
            let arrival = Arrival { lane: event.lane, next_offset: None, content };
            arrivals.entry(event.lane).or_default().push(arrival);
        }
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
        tellings in prop::collection::vec(told(), 1..60),
        runs in prop::collection::vec((any::<prop::sample::Index>(), 1..20usize, any::<u32>()), 0..12),
        page in 1..7usize,
    ) {
        let log = log_of(&tellings);
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
        tellings in prop::collection::vec(told(), 2..60),
        which in any::<prop::sample::Index>(),
    ) {
        let mut log = log_of(&tellings);
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
