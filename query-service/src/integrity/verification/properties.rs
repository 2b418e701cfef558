//! A valid history never differs from its views, and any damage to either is found at its event.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::value::RawValue;
use shared_events::lane::{EventId, Lane, Position};
use shared_events::reservation::Part;
use shared_events::values::Sku;

use super::Scope;
use super::fixture::Fixture;
use crate::integrity::difference::Kind;
use crate::sample_log::Log;
use crate::sample_log::Step;
use crate::sample_log::TransferChange;
use crate::sample_log::WaitStep;

const LANES: u16 = 3;

/// One change; amounts are reduced to what the stock allows.
#[derive(Debug, Clone)]
enum Change {
    Item(u8, i64),
    Location(u8),
    Receive(u8, u8, i64),
    Issue(u8, u8, i64),
    Count(u8, u8, i64),
    Move(u8, i64),
    Reserve(u8, u8, i64),
    Step(Index, Step, bool),
    Dispatch(u8, i64),
    Transfer(Index, TransferChange, i64),
    Wait(u8, u8, i64),
    WaitStep(Index, WaitStep, i64),
}

fn change() -> impl Strategy<Value = Change> {
    let (sku, location, amount) = (0..6u8, 0..3u8, 1..100i64);
    let step = prop::sample::select(&Step::ALL[..]);
    let transfer = prop::sample::select(&TransferChange::ALL[..]);
    let wait = prop::sample::select(&WaitStep::ALL[..]);
    prop_oneof![
        1 => (sku.clone(), 0..9i64).prop_map(|(s, n)| Change::Item(s, n)),
        1 => location.clone().prop_map(Change::Location),
        3 => (sku.clone(), location.clone(), amount.clone())
            .prop_map(|(s, l, n)| Change::Receive(s, l, n)),
        2 => (sku.clone(), location.clone(), amount.clone())
            .prop_map(|(s, l, n)| Change::Issue(s, l, n)),
        1 => (sku.clone(), location.clone(), amount.clone())
            .prop_map(|(s, l, n)| Change::Count(s, l, n)),
        1 => (sku.clone(), amount.clone()).prop_map(|(s, n)| Change::Move(s, n)),
        1 => (sku.clone(), amount).prop_map(|(s, n)| Change::Dispatch(s, n)),
        2 => (any::<Index>(), transfer, 1..9i64).prop_map(|(w, c, n)| Change::Transfer(w, c, n)),
        1 => (sku.clone(), location.clone(), 1..9i64).prop_map(|(s, l, n)| Change::Wait(s, l, n)),
        2 => (any::<Index>(), wait, 1..9i64).prop_map(|(w, s, n)| Change::WaitStep(w, s, n)),
        1 => (sku, location, 1..9i64).prop_map(|(s, l, n)| Change::Reserve(s, l, n)),
        3 => (any::<Index>(), step, any::<bool>()).prop_map(|(w, s, h)| Change::Step(w, s, h)),
    ]
}

fn log_of(changes: &[Change]) -> Log {
    let mut log = Log::with_lanes(LANES);
    for change in changes {
        match change {
            Change::Item(sku, point) => log.register_item(&format!("S{sku}"), *point),
            Change::Location(code) => log.register_location(&format!("L{code}")),
            Change::Receive(s, l, n) => log.receive(&format!("S{s}"), &format!("L{l}"), *n),
            Change::Issue(s, l, n) => {
                let (sku, location) = (format!("S{s}"), format!("L{l}"));
                let most = log.available(&sku, &location);
                if most > 0 {
                    log.issue(&sku, &location, most.min(*n));
                }
            }
            Change::Count(s, l, n) => {
                let (sku, location) = (format!("S{s}"), format!("L{l}"));
                let less = n % 7 - 3;
                log.adjust(&sku, &location, less.max(-log.available(&sku, &location)));
            }
            Change::Move(s, n) => {
                let sku = format!("S{s}");
                let most = log.available(&sku, "L0");
                if most > 0 {
                    log.move_stock(&sku, "L0", "L1", most.min(*n));
                }
            }
            Change::Dispatch(s, n) => {
                let (one, other) = (format!("S{s}"), format!("S{}", (s + 1) % 6));
                for sku in [&one, &other] {
                    log.receive(sku, "L0", *n);
                }
                log.dispatch(&[(&one, "L0", "L1", *n), (&other, "L0", "L2", *n)]);
            }
            Change::Transfer(which, change, most) if log.transfers() > 0 => {
                log.transfer(which.index(log.transfers()), *change, *most);
            }
            Change::Transfer(..) => {}
            Change::Wait(s, l, n) => {
                log.wait(&format!("S{s}"), &format!("L{l}"), *n, (n % 10) as u8);
            }
            Change::WaitStep(which, step, most) if log.waiting() > 0 => {
                log.wait_step(which.index(log.waiting()), *step, *most);
            }
            Change::WaitStep(..) => {}
            Change::Reserve(s, l, n) => reserve(&mut log, *s, *l, *n),
            Change::Step(which, step, half) => take_step(&mut log, which, *step, *half),
        }
    }
    log
}

/// Two lines, whose skus are mostly in different lanes, in stock that is there for them.
fn reserve(log: &mut Log, sku: u8, location: u8, quantity: i64) {
    let (one, other) = (format!("S{sku}"), format!("S{}", (sku + 1) % 6));
    let location = format!("L{location}");
    for sku in [&one, &other] {
        log.receive(sku, &location, quantity);
    }
    log.reserve(&[
        (&one, &location, quantity + 3, quantity),
        (&other, &location, quantity, quantity),
    ]);
}

/// Takes a step if the reservation's state allows it.
fn take_step(log: &mut Log, which: &Index, step: Step, half: bool) {
    if log.reservations() == 0 {
        return;
    }
    let which = which.index(log.reservations());
    if !log.allows(which, step) {
        return;
    }
    let halved = |part: Part| Part { quantity: (part.quantity + 1) / 2, ..part };
    let is_whole = !half || matches!(step, Step::Extend | Step::Confirm | Step::Expire);
    let whole = log.whole(which, step).into_iter();
    let parts: Vec<Part> = whole.map(|part| if is_whole { part } else { halved(part) }).collect();
    if !parts.is_empty() {
        log.step(which, step, &parts);
    }
}

/// Damages a lane or its views. Returns what has to be reported, or nothing if there is nothing to
/// damage.
type Damage = fn(&mut Fixture, Index) -> Option<(Kind, EventId)>;

const DAMAGES: [(&str, Damage); 9] = [
    ("data of an event changed", |fixture, which| {
        let event = pick(&mut fixture.log, which)?;
        let data = event.data.get().replacen('{', "{ ", 1);
        event.data = RawValue::from_string(data).expect("JSON");
        Some((Kind::Chain, event.id()))
    }),
    ("member of an event changed", |fixture, which| {
        let event = pick(&mut fixture.log, which)?;
        event.correlation_id = "c-2".parse().expect("a label");
        Some((Kind::Chain, event.id()))
    }),
    ("event lost", |fixture, which| {
        let lost = remove(&mut fixture.log, which)?.position;
        let is_last = fixture.checkpoint.position == lost;
        let at = if is_last { lost } else { lost.next() };
        Some((Kind::Position, EventId(fixture.lane, at)))
    }),
    ("movement changed", |fixture, which| {
        let row = pick(&mut fixture.movements, which)?;
        row.on_hand += 1;
        Some((Kind::Movement, EventId(fixture.lane, Position(row.position))))
    }),
    ("movement lost", |fixture, which| {
        let row = remove(&mut fixture.movements, which)?;
        Some((Kind::Movement, EventId(fixture.lane, Position(row.position))))
    }),
    ("contents of a row changed", |fixture, which| {
        let (kind, row) = pick(&mut fixture.rows, which)?;
        let nth = which.index(row.contents.len());
        row.contents[nth].push('1');
        Some((*kind, EventId(fixture.lane, Position(row.position))))
    }),
    ("version of a row changed", |fixture, which| {
        let (kind, row) = pick(&mut fixture.rows, which)?;
        row.version += 1;
        Some((*kind, EventId(fixture.lane, Position(row.position))))
    }),
    ("row lost", |fixture, which| {
        let (kind, row) = remove(&mut fixture.rows, which)?;
        Some((kind, EventId(fixture.lane, Position(row.position))))
    }),
    ("checkpoint changed", |fixture, which| {
        fixture.checkpoint.chain.0[which.index(32)] ^= 1;
        Some((Kind::Checkpoint, EventId(fixture.lane, fixture.checkpoint.position)))
    }),
];

fn pick<T>(all: &mut [T], which: Index) -> Option<&mut T> {
    if all.is_empty() { None } else { Some(which.get_mut(all)) }
}

fn remove<T>(all: &mut Vec<T>, which: Index) -> Option<T> {
    (!all.is_empty()).then(|| all.remove(which.index(all.len())))
}

proptest! {
    #[test]
    fn a_valid_history_has_no_difference(changes in prop::collection::vec(change(), 0..60)) {
        let log = log_of(&changes);
        for lane in 0..LANES {
            let fixture = Fixture::of(&log, LANES, Lane(lane));
            prop_assert_eq!(fixture.differences(&Scope::Lane), []);
            for sku in 0..6 {
                let sku: Sku = format!("S{sku}").parse().expect("a sku");
                if log.lane_map.lane_of_item(&sku) == Lane(lane) {
                    prop_assert_eq!(fixture.differences(&Scope::Sku(sku)), []);
                }
            }
        }
    }

    #[test]
    fn any_damage_is_found_at_its_event(
        changes in prop::collection::vec(change(), 1..60),
        what in 0..DAMAGES.len(),
        lane in 0..LANES,
        which in any::<Index>(),
    ) {
        let log = log_of(&changes);
        let mut fixture = Fixture::of(&log, LANES, Lane(lane));
        let (name, damage) = DAMAGES[what];
        if let Some((kind, event)) = damage(&mut fixture, which) {
            let found = fixture.differences(&Scope::Lane);
            let first = found.first().map(|first| (first.what, first.event));
            prop_assert_eq!(first, Some((kind, Some(event))), "{}: {:?}", name, found);
        }
    }
}
