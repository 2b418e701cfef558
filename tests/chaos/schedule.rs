//! What goes wrong, and when: drawn from a seed, so that a run can be had again.

use std::fmt;
use std::time::Duration;

use integration_tests::link::NetworkFault;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

/// A process that can be hurt. There are two of each service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Command(usize),
    Query(usize),
    Kafka,
    Postgres,
}

/// Where a way of a service leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Postgres,
    Kafka,
    /// Its own clients.
    Clients,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Ended as by `kill -9`, and started again.
    Kill(Part),
    /// Stopped as by SIGSTOP, past the sessions that others keep for it, and continued.
    Pause(Part, Duration),
    /// A network fault on a way of a service.
    Way(Part, End, NetworkFault, Duration),
    /// Postgres refuses to write.
    ReadOnly(Duration),
    /// Postgres ends the sessions of the services and takes no new ones.
    NoSessions(Duration),
    /// The topic is deleted, and created again.
    TopicAgain,
    /// The primary of Postgres is ended as by `kill -9`, and its standby takes its place.
    FailOver,
    /// A view is rebuilt from the log, and the old version is dropped.
    Rebuild(&'static str),
    /// Twelve clients at once for five units.
    Race,
}

/// A fault, what comes of it, and then work that succeeds.
#[derive(Debug, Clone)]
pub(crate) struct Cycle {
    /// From 1 on.
    pub(crate) number: usize,
    /// So many commands are acknowledged first.
    pub(crate) after: usize,
    pub(crate) fault: Fault,
}

/// Faults of one track happen one after another; those of different tracks meet.
pub(crate) const TRACKS: usize = 7;

/// A kind of fault, with how many of a hundred cycles are of it.
type Share = (usize, fn(&mut StdRng, Duration) -> Fault);

/// Kills are the rest: of 72, so many each.
const KILLS: [(usize, Part); 6] = [
    (21, Part::Command(0)),
    (21, Part::Command(1)),
    (10, Part::Query(0)),
    (10, Part::Query(1)),
    (3, Part::Kafka),
    (7, Part::Postgres),
];

const OTHERS: [Share; 12] = [
    (3, |chance, _| Fault::Pause(command(chance), paused(chance))),
    (3, |chance, _| Fault::Pause(query(chance), paused(chance))),
    (4, |chance, longest| way(command(chance), End::Postgres, chance, longest)),
    (3, |chance, longest| way(command(chance), End::Kafka, chance, longest)),
    (3, |chance, longest| way(query(chance), End::Postgres, chance, longest)),
    (3, |chance, longest| way(query(chance), End::Kafka, chance, longest)),
    (3, |chance, longest| way(command(chance), End::Clients, chance, longest)),
    (2, |chance, _| Fault::ReadOnly(millis(chance, 300, 2_000))),
    (2, |chance, _| Fault::NoSessions(millis(chance, 300, 2_000))),
    (1, |_, _| Fault::TopicAgain),
    (2, |chance, _| Fault::Rebuild(["stock", "daily_flow"].choose(chance).expect("a view"))),
    (2, |_, _| Fault::Race),
];

fn command(chance: &mut StdRng) -> Part {
    Part::Command(chance.random_range(0..2))
}

fn query(chance: &mut StdRng) -> Part {
    Part::Query(chance.random_range(0..2))
}

fn millis(chance: &mut StdRng, least: u64, most: u64) -> Duration {
    Duration::from_millis(chance.random_range(least..=most))
}

/// Past six seconds, after which Postgres ends a transaction that rests, and Kafka the session of a consumer.
fn paused(chance: &mut StdRng) -> Duration {
    millis(chance, 6_500, 9_000)
}

fn way(part: Part, end: End, chance: &mut StdRng, longest: Duration) -> Fault {
    let longest = longest.as_millis() as u64;
    let network_fault = [
        NetworkFault::Delayed(millis(chance, 50, 500)),
        NetworkFault::Narrow(chance.random_range(16_000..128_000)),
        NetworkFault::Reset,
        NetworkFault::Silent,
        NetworkFault::Unanswered,
        NetworkFault::HalfOpen,
        NetworkFault::Cut(chance.random_range(200..8_000)),
    ];
    let network_fault = *network_fault.choose(chance).expect("there is one");
    Fault::Way(part, end, network_fault, millis(chance, 1_000, longest))
}

/// So many cycles in a random order; network faults last no longer than `longest`.
pub(crate) fn draw(cycles: usize, seed: u64, longest: Duration) -> Vec<Cycle> {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut faults = Vec::with_capacity(cycles);
    for (share, make) in OTHERS {
        let count = if cycles < 100 { usize::from(cycles >= 50) } else { share * cycles / 100 };
        faults.extend((0..count).map(|_| make(&mut chance, longest)));
    }
    let of_all: usize = KILLS.iter().map(|(share, _)| share).sum();
    let kills = cycles.saturating_sub(faults.len());
    let mut upto = 0;
    for (share, part) in KILLS {
        let before = kills * upto / of_all;
        upto += share;
        faults.extend((before..kills * upto / of_all).map(|_| Fault::Kill(part)));
    }
    faults.shuffle(&mut chance);
    faults.truncate(cycles);
    let cycle = |(nth, fault)| Cycle { number: nth + 1, after: chance.random_range(2..30), fault };
    faults.into_iter().enumerate().map(cycle).collect()
}

/// So many failovers, each after a random number of commands.
pub(crate) fn draw_failovers(cycles: usize, seed: u64) -> Vec<Cycle> {
    let mut chance = StdRng::seed_from_u64(seed);
    let after = |number| (number, chance.random_range(20..60));
    let cycles = (1..=cycles).map(after);
    cycles.map(|(number, after)| Cycle { number, after, fault: Fault::FailOver }).collect()
}

impl Fault {
    /// Which faults it is never together with.
    pub(crate) fn track(self) -> usize {
        match self {
            Self::Kill(part) | Self::Pause(part, _) | Self::Way(part, ..) => part.track(),
            Self::ReadOnly(_) | Self::NoSessions(_) | Self::FailOver => Part::Postgres.track(),
            Self::TopicAgain => Part::Kafka.track(),
            Self::Rebuild(_) | Self::Race => TRACKS - 1,
        }
    }

    /// What it is counted as.
    pub(crate) fn kind(self) -> String {
        let service = |part| match part {
            Part::Command(_) => "command-service",
            Part::Query(_) => "query-service",
            Part::Kafka => "Kafka",
            Part::Postgres => "Postgres",
        };
        match self {
            Self::Kill(part) => format!("kill {}", service(part)),
            Self::Pause(part, _) => format!("pause {}", service(part)),
            Self::Way(part, End::Clients, ..) => format!("way clients to {}", service(part)),
            Self::Way(part, end, ..) => format!("way {} to {end:?}", service(part)),
            Self::ReadOnly(_) => "Postgres read-only".to_owned(),
            Self::NoSessions(_) => "Postgres without sessions".to_owned(),
            Self::TopicAgain => "topic deleted and created".to_owned(),
            Self::FailOver => "fail over to the standby".to_owned(),
            Self::Rebuild(_) => "rebuild of a view".to_owned(),
            Self::Race => "race for few units".to_owned(),
        }
    }

    pub(crate) fn is_kill(self) -> bool {
        matches!(self, Self::Kill(_) | Self::FailOver)
    }
}

impl Part {
    fn track(self) -> usize {
        match self {
            Self::Command(nth) => nth,
            Self::Query(nth) => 2 + nth,
            Self::Kafka => 4,
            Self::Postgres => 5,
        }
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cycle {}, after {} commands: {:?}", self.number, self.after, self.fault)
    }
}
