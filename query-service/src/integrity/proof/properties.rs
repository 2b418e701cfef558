//! No lawful history differs from its views; whatever is done to either is found at its event.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::value::RawValue;
use shared_events::lane::{EventId, Lane};
use shared_events::reservation::Part;
use shared_events::values::Sku;

use super::Scope;
use super::case::Case;
use super::difference::{Difference, Kind};
use crate::sample_log::Log;
use crate::sample_log::Step;

const LANES: u16 = 3;

/// What happens next; amounts are cut to what the stock allows.
#[derive(Debug, Clone)]
enum Told {
    Item(u8, i64),
    Location(u8),
    Receive(u8, u8, i64),
    Issue(u8, u8, i64),
    Count(u8, u8, i64),
    Move(u8, i64),
    Reserve(u8, u8, i64),
    Step(Index, Step, bool),
}

fn told() -> impl Strategy<Value = Told> {
    let (sku, location, amount) = (0..6u8, 0..3u8, 1..100i64);
    let step = prop::sample::select(&Step::ALL[..]);
    prop_oneof![
        1 => (sku.clone(), 0..9i64).prop_map(|(s, n)| Told::Item(s, n)),
        1 => location.clone().prop_map(Told::Location),
        3 => (sku.clone(), location.clone(), amount.clone())
            .prop_map(|(s, l, n)| Told::Receive(s, l, n)),
        2 => (sku.clone(), location.clone(), amount.clone())
            .prop_map(|(s, l, n)| Told::Issue(s, l, n)),
        1 => (sku.clone(), location.clone(), amount.clone())
            .prop_map(|(s, l, n)| Told::Count(s, l, n)),
        1 => (sku.clone(), amount).prop_map(|(s, n)| Told::Move(s, n)),
        1 => (sku, location, 1..9i64).prop_map(|(s, l, n)| Told::Reserve(s, l, n)),
        3 => (any::<Index>(), step, any::<bool>()).prop_map(|(w, s, h)| Told::Step(w, s, h)),
    ]
}

fn log_of(tellings: &[Told]) -> Log {
    let mut log = Log::with_lanes(LANES);
    for telling in tellings {
        match telling {
            Told::Item(sku, point) => log.register_item(&format!("S{sku}"), *point),
            Told::Location(code) => log.register_location(&format!("L{code}")),
            Told::Receive(s, l, n) => log.receive(&format!("S{s}"), &format!("L{l}"), *n),
            Told::Issue(s, l, n) => {
                let (sku, location) = (format!("S{s}"), format!("L{l}"));
                let most = log.available(&sku, &location);
                if most > 0 {
                    log.issue(&sku, &location, most.min(*n));
                }
            }
            Told::Count(s, l, n) => {
                let (sku, location) = (format!("S{s}"), format!("L{l}"));
                let less = n % 7 - 3;
                log.adjust(&sku, &location, less.max(-log.available(&sku, &location)));
            }
            Told::Move(s, n) => {
                let sku = format!("S{s}");
                let most = log.available(&sku, "L0");
                if most > 0 {
                    log.move_stock(&sku, "L0", "L1", most.min(*n));
                }
            }
            Told::Reserve(s, l, n) => reserve(&mut log, *s, *l, *n),
            Told::Step(which, step, half) => take_step(&mut log, which, *step, *half),
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

/// What is done to a log or its views behind the services' back.
#[derive(Debug, Clone, Copy)]
enum Damage {
    EventData,
    EventMember,
    EventLost,
    MovementChanged,
    MovementLost,
    LevelChanged,
    LevelLost,
    TotalChanged,
    TotalLost,
    DescriptionChanged,
    DescriptionLost,
    CheckpointChanged,
}

const DAMAGES: [Damage; 12] = [
    Damage::EventData,
    Damage::EventMember,
    Damage::EventLost,
    Damage::MovementChanged,
    Damage::MovementLost,
    Damage::LevelChanged,
    Damage::LevelLost,
    Damage::TotalChanged,
    Damage::TotalLost,
    Damage::DescriptionChanged,
    Damage::DescriptionLost,
    Damage::CheckpointChanged,
];

/// Damages the case; gives what has to be named, or nothing when there is nothing to damage.
fn damage(case: &mut Case, damage: Damage, which: Index) -> Option<(Vec<Kind>, EventId)> {
    let lane = case.lane;
    let id = |position| EventId(lane, position);
    let pick = |len: usize| (len > 0).then(|| which.index(len));
    let named = |kind, position| Some((vec![kind], id(position)));
    match damage {
        Damage::EventData => {
            let event = pick(case.log.len()).map(|at| &mut case.log[at])?;
            let data = event.data.get().replacen('{', "{ ", 1);
            event.data = RawValue::from_string(data).expect("JSON");
            named(Kind::Chain, event.position)
        }
        Damage::EventMember => {
            let event = pick(case.log.len()).map(|at| &mut case.log[at])?;
            event.correlation_id = "c-2".parse().expect("a label");
            named(Kind::Chain, event.position)
        }
        Damage::EventLost => {
            let lost = case.log.remove(pick(case.log.len())?);
            let is_last = case.checkpoint.position == lost.position;
            named(Kind::Position, if is_last { lost.position } else { lost.position.next() })
        }
        Damage::MovementChanged => {
            let row = pick(case.movements.len()).map(|at| &mut case.movements[at])?;
            row.after.on_hand += 1;
            named(Kind::Movement, row.position)
        }
        Damage::MovementLost => {
            let at = pick(case.movements.len())?;
            named(Kind::Movement, case.movements.remove(at).position)
        }
        Damage::LevelChanged => {
            let row = pick(case.levels.len()).map(|at| &mut case.levels[at])?;
            row.figures.allocated += 1;
            named(Kind::Level, row.position)
        }
        Damage::LevelLost => {
            let at = pick(case.levels.len())?;
            named(Kind::Level, case.levels.remove(at).position)
        }
        Damage::TotalChanged => {
            let row = pick(case.totals.len()).map(|at| &mut case.totals[at])?;
            row.version.0 += 1;
            named(Kind::Total, row.position)
        }
        Damage::TotalLost => {
            let at = pick(case.totals.len())?;
            named(Kind::Total, case.totals.remove(at).position)
        }
        Damage::DescriptionChanged => {
            let row = pick(case.described.len()).map(|at| &mut case.described[at])?;
            row.members[0].1.push('x');
            Some((DESCRIBED.to_vec(), id(row.position)))
        }
        Damage::DescriptionLost => {
            let at = pick(case.described.len())?;
            Some((DESCRIBED.to_vec(), id(case.described.remove(at).position)))
        }
        Damage::CheckpointChanged => {
            case.checkpoint.chain.0[which.index(32)] ^= 1;
            named(Kind::Checkpoint, case.checkpoint.position)
        }
    }
}

const DESCRIBED: [Kind; 3] = [Kind::Item, Kind::Location, Kind::Reservation];

proptest! {
    #[test]
    fn a_lawful_history_has_no_difference(tellings in prop::collection::vec(told(), 0..60)) {
        let log = log_of(&tellings);
        for lane in 0..LANES {
            let case = Case::of(&log, LANES, Lane(lane));
            prop_assert_eq!(case.differences(&Scope::Lane), []);
            for sku in 0..6 {
                let sku: Sku = format!("S{sku}").parse().expect("a sku");
                if log.lane_map.lane_of_item(&sku) == Lane(lane) {
                    prop_assert_eq!(case.differences(&Scope::Sku(sku)), []);
                }
            }
        }
    }

    #[test]
    fn any_damage_is_found_at_its_event(
        tellings in prop::collection::vec(told(), 1..60),
        what in prop::sample::select(&DAMAGES[..]),
        lane in 0..LANES,
        which in any::<Index>(),
    ) {
        let log = log_of(&tellings);
        let mut case = Case::of(&log, LANES, Lane(lane));
        if let Some((kinds, event)) = damage(&mut case, what, which) {
            let found = case.differences(&Scope::Lane);
            let first: Option<&Difference> = found.first();
            let first = first.map(|first| (kinds.contains(&first.what), first.event));
            prop_assert_eq!(first, Some((true, Some(event))), "{:?}", found);
        }
    }
}
