//! Random requests about few items, so that they interact.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use shared_events::payment::{HoldOutcome, PaymentOutcome};
use shared_events::reservation::Fill;

use crate::spec::commands::{
    adjust, issue, line, locate, moving, parts, receive, register, reinstate, retire, set,
};
use crate::*;

#[derive(Debug, Clone)]
pub(super) struct RandomRequest {
    /// After the request before it.
    pub(super) seconds: u64,
    pub(super) what: What,
}

/// A request; the index chooses among the existing reservations, transfers or events.
#[derive(Debug, Clone)]
pub(super) enum What {
    Command(Command),
    Reserve { lines: Vec<StockLine>, ttl_seconds: u32, policy: Policy, replaces: Option<Index> },
    Step { of: Index, step: Step },
    Dispatch { lines: Vec<(&'static str, &'static str, &'static str, i64)>, seconds: Option<u64> },
    Transfer { of: Index, change: TransferChange },
    Place { lines: Vec<(&'static str, i64)>, seconds: u32, lacking: Lacking },
    Order { of: Index, next: Next },
    Settle { of: Index, outcome: HoldOutcome },
    Reverse { of: Index, by: By },
}

/// What an order does about what it lacks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lacking {
    Fail,
    TakeLess,
    Wait(u32),
}

/// What happens to an order next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    Continue,
    Cancel,
    Resume,
    Reply(PaymentOutcome),
}

/// How a reversal names its targets.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    Event,
    Command,
    Reversal,
    /// The events of its command at even positions.
    Some,
}

pub(super) fn lines(
    amounts: impl Strategy<Value = i64>,
) -> impl Strategy<Value = Vec<(&'static str, i64)>> {
    prop::collection::vec((select(vec!["A", "B", "C"]), amounts), 1..6)
}

fn known_lines() -> impl Strategy<Value = Vec<(&'static str, i64)>> {
    prop::collection::vec((select(vec!["A", "B"]), 1_i64..50), 1..5)
}

fn moves() -> impl Strategy<Value = Vec<(&'static str, &'static str, &'static str, i64)>> {
    let way = select(vec![("MAIN", "WEST"), ("WEST", "MAIN")]);
    let line = (select(vec!["A", "B"]), way, 1_i64..50);
    prop::collection::vec(line.prop_map(|(sku, (from, to), units)| (sku, from, to, units)), 1..6)
}

/// Commands that change on_hand; some accept a shortage if allowed.
pub(super) fn bookings(shortages: bool) -> impl Strategy<Value = Command> {
    let accepts = || any::<bool>().prop_map(move |accepts| accepts && shortages);
    let difference = (-50_i64..50).prop_filter("a difference", |delta| *delta != 0);
    prop_oneof![
        4 => known_lines().prop_map(|lines| receive(&lines)),
        1 => lines(1_i64..50).prop_map(|lines| receive(&lines)),
        2 => known_lines().prop_map(|lines| issue(&lines)),
        2 => (lines(difference), accepts())
            .prop_map(|(lines, accept_shortage)| adjust(&lines, accept_shortage)),
        1 => (0_i64..80, accepts()).prop_map(|(quantity, accept)| set(quantity, None, accept)),
        2 => moves().prop_map(|lines| moving(&lines)),
    ]
}

fn descriptions() -> impl Strategy<Value = Command> {
    prop_oneof![
        (0_u8..3).prop_map(|scale| {
            Command::RegisterItem(RegisterItem { scale: Some(scale), ..register("B") })
        }),
        any::<bool>().prop_map(|shop| {
            let kind = Some(if shop { "shop" } else { "store" }.parse().unwrap());
            Command::RegisterLocation(RegisterLocation { kind, ..locate("WEST") })
        }),
        any::<bool>().prop_map(|other| {
            let key = if other { "7" } else { "8" };
            let (subject, keys) = ("c-81".parse().unwrap(), vec![key.parse().unwrap()]);
            Command::ForgetSubject(ForgetSubject { subject, keys })
        }),
        Just(retire("B")),
        Just(reinstate("B")),
    ]
}

fn policies(waiting: bool) -> impl Strategy<Value = Policy> {
    let fill = select(vec![Fill::Parts, Fill::Parts, Fill::Whole]);
    let wait = (1_u32..90, 4_u8..7, fill)
        .prop_map(|(seconds, priority, fill)| Policy::Wait(Wait { seconds, priority, fill }));
    let simple = select(vec![Policy::All, Policy::Partial]);
    prop_oneof![
        2 => simple.clone(),
        if waiting { 3 } else { 1 } => if waiting { wait.boxed() } else { simple.boxed() },
    ]
}

fn reservations(waiting: bool) -> impl Strategy<Value = What> {
    let place = select(vec!["MAIN", "MAIN", "WEST"]);
    let line =
        (select(vec!["A", "A", "B"]), place, 1_i64..40).prop_map(|(sku, place, quantity)| {
            StockLine { location: place.parse().unwrap(), ..line(sku, quantity) }
        });
    let policy = policies(waiting);
    let replaces = prop::option::weighted(0.25, any::<Index>());
    (prop::collection::vec(line, 1..4), 1_u32..60, policy, replaces).prop_map(
        |(lines, ttl_seconds, policy, replaces)| What::Reserve {
            lines,
            ttl_seconds,
            policy,
            replaces,
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    let some = || prop::collection::vec((1_u32..4, 1_i64..20), 1..4).prop_map(|some| parts(&some));
    prop_oneof![
        2 => (1_u32..60).prop_map(|ttl_seconds| Step::Extend { ttl_seconds }),
        4 => Just(Step::Confirm),
        2 => prop::option::of(some()).prop_map(Step::Release),
        3 => prop::option::of(some()).prop_map(Step::Cancel),
        4 => prop::option::of(some()).prop_map(Step::Fulfil),
        6 => some().prop_map(Step::Return),
        4 => Just(Step::Settle),
        2 => (prop::option::of(4_u8..7), prop::option::of(1_u32..90))
            .prop_map(|(priority, seconds)| Step::ChangeWait { priority, seconds }),
    ]
}

fn transfers() -> impl Strategy<Value = What> {
    (moves(), prop::option::of(1_u64..40))
        .prop_map(|(lines, seconds)| What::Dispatch { lines, seconds })
}

fn transfer_changes() -> impl Strategy<Value = TransferChange> {
    let some = || prop::collection::vec((1_u32..4, 1_i64..20), 1..4).prop_map(|some| parts(&some));
    prop_oneof![
        6 => some().prop_map(TransferChange::Receive),
        1 => Just(TransferChange::Close),
        2 => prop::option::of(some()).prop_map(TransferChange::Return),
        2 => Just(TransferChange::MarkOverdue),
    ]
}

fn places(waiting: bool) -> impl Strategy<Value = What> {
    let seconds = prop_oneof![3 => 1_u32..60, 1 => Just(1_000_000)];
    let some = prop_oneof![5 => known_lines(), 1 => lines(1_i64..30)];
    let simple = select(vec![Lacking::Fail, Lacking::TakeLess]);
    let wait = (1_u32..90).prop_map(Lacking::Wait);
    let lacking = prop_oneof![
        2 => simple.clone(),
        1 => if waiting { wait.boxed() } else { simple.boxed() },
    ];
    (some, seconds, lacking).prop_map(|(lines, seconds, lacking)| What::Place {
        lines,
        seconds,
        lacking,
    })
}

fn nexts() -> impl Strategy<Value = Next> {
    prop_oneof![
        12 => Just(Next::Continue),
        1 => Just(Next::Cancel),
        4 => Just(Next::Resume),
        2 => Just(Next::Reply(PaymentOutcome::Authorised)),
        2 => Just(Next::Reply(PaymentOutcome::Declined)),
        1 => Just(Next::Reply(PaymentOutcome::Voided)),
    ]
}

/// A list of any requests; some accept a shortage if allowed.
pub(super) fn requests(shortages: bool) -> impl Strategy<Value = Vec<RandomRequest>> {
    any_requests(shortages, true)
}

/// A list of requests of which nobody accepts a shortage or waits.
pub(super) fn requests_without_waiting() -> impl Strategy<Value = Vec<RandomRequest>> {
    any_requests(false, false)
}

fn any_requests(shortages: bool, waiting: bool) -> impl Strategy<Value = Vec<RandomRequest>> {
    let by = select(vec![By::Event, By::Command, By::Reversal, By::Some]);
    let what = prop_oneof![
        6 => bookings(shortages).prop_map(What::Command),
        1 => descriptions().prop_map(What::Command),
        5 => reservations(waiting),
        12 => (any::<Index>(), steps()).prop_map(|(of, step)| What::Step { of, step }),
        2 => transfers(),
        6 => (any::<Index>(), transfer_changes())
            .prop_map(|(of, change)| What::Transfer { of, change }),
        1 => places(waiting),
        3 => (any::<Index>(), nexts()).prop_map(|(of, next)| What::Order { of, next }),
        1 => (any::<Index>(), select(vec![HoldOutcome::Paid, HoldOutcome::Refused]))
            .prop_map(|(of, outcome)| What::Settle { of, outcome }),
        3 => (any::<Index>(), by).prop_map(|(of, by)| What::Reverse { of, by }),
    ];
    // Most holds are still active when the next request comes, some have expired.
    let seconds = prop_oneof![3 => Just(0_u64), 2 => 0_u64..20];
    let request = (seconds, what).prop_map(|(seconds, what)| RandomRequest { seconds, what });
    prop::collection::vec(request, 0..60)
}

/// A list of requests about orders, a few of which wait for more than a day.
pub(super) fn order_requests() -> impl Strategy<Value = Vec<RandomRequest>> {
    let what = prop_oneof![
        4 => known_lines().prop_map(|lines| What::Command(receive(&lines))),
        2 => places(true),
        12 => (any::<Index>(), nexts()).prop_map(|(of, next)| What::Order { of, next }),
        1 => (any::<Index>(), steps()).prop_map(|(of, step)| What::Step { of, step }),
    ];
    let seconds = prop_oneof![4 => Just(0_u64), 2 => 0_u64..20, 1 => Just(100_000)];
    let request = (seconds, what).prop_map(|(seconds, what)| RandomRequest { seconds, what });
    prop::collection::vec(request, 0..60)
}
