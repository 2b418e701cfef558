//! A deterministic simulation of writers, relays and views over one log.
//!
//! Everything that decides is the real code: batches, caches, catching up, inboxes, where a relay resumes, what a
//! view applies. Everything that waits is simulated: the database, the topic, the network and the clock. A
//! seed chooses who takes the next step, and what goes wrong in between: answers are lost, instances crash at any
//! step and what they had sent arrives later or never, two relays send one lane, two views apply one lane,
//! consumers go back. Afterwards everybody finishes, and what was answered is compared with what is there.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads its size and prints it"
)]

mod clients;
mod clock;
mod database;
mod relays;
mod views;
mod writers;

use std::collections::BTreeMap;
use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use shared_events::lane::{Lane, LaneMap};

use self::clients::Clients;
use self::database::Database;
use self::relays::{Relays, Topic};
use self::views::Views;
use self::writers::Writers;

const LANES: u16 = 3;
const INSTANCES: usize = 2;

/// Seeds that every run of the tests tries.
const SEEDS: u64 = 200;

/// Steps with faults, of everybody together.
const STEPS: usize = 700;

/// The most steps that everybody may take to finish.
const FINISH_MAX: usize = 20_000;

/// What happened, over all seeds.
#[derive(Debug, Default)]
#[allow(dead_code, reason = "commands and records are only printed")]
struct Summary {
    commands: usize,
    refused: usize,
    unknown: usize,
    conflicts: usize,
    crashes: usize,
    records: usize,
    doubled_records: usize,
}

struct World {
    rng: SmallRng,
    database: Database,
    topic: Topic,
    clients: Clients,
    writers: Writers,
    relays: Relays,
    views: Views,
    step: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let lanes = LaneMap::even(LANES).expect("a legal number of lanes");
        Self {
            rng: SmallRng::seed_from_u64(seed),
            database: Database::new(lanes.clone()),
            topic: Topic::new(&lanes),
            clients: Clients::new(),
            relays: Relays::new(&lanes),
            writers: Writers::new(&lanes),
            views: Views::new(lanes),
            step: 0,
        }
    }

    /// One step of somebody, chosen at random.
    fn step(&mut self, faults: bool) {
        self.step += 1;
        clock::pass(Duration::from_micros(self.rng.random_range(50..2_000)));
        let (rng, instance) = (&mut self.rng, self.step as usize % INSTANCES);
        match rng.random_range(0..if faults { 100 } else { 90 }) {
            0..15 => self.clients.ask(rng, &mut self.writers, self.step, faults),
            15..25 => self.writers.begin(instance, &mut self.database),
            25..37 => self.writers.execute(instance, &mut self.database, self.step),
            37..39 if faults && rng.random_bool(0.3) => {
                self.writers.lose(instance, &mut self.database);
            }
            37..52 => {
                self.writers.receive(instance, self.relays.sender(instance));
                self.clients.listen(self.step);
            }
            52..72 => self.relays.step(rng, &mut self.database, &mut self.topic),
            72..90 => self.views.step(rng, &mut self.database, &self.topic, faults),
            90 => {
                self.writers.crash(instance, &mut self.database);
                self.relays.crash(instance, rng, &mut self.topic);
                self.clients.listen(self.step);
            }
            91 => self.views.crash(instance),
            92..94 => self.relays.hand_over(rng),
            94..96 => self.views.rebalance(rng),
            96..99 => drop(self.database.run_orphan(rng, self.step)),
            99 if rng.random_bool(0.3) => self.database.set_clock(rng),
            // Nobody does anything for a while: estimates of the clock become too old.
            _ => clock::pass(Duration::from_millis(rng.random_range(50..1_500))),
        }
    }

    /// Lets everybody finish without further faults.
    fn finish(&mut self, seed: u64) {
        while self.database.run_orphan(&mut self.rng, self.step) {}
        for _ in 0..FINISH_MAX {
            if self.clients.are_done() && self.is_published() && self.is_applied() {
                return;
            }
            self.step(false);
        }
        panic!(
            "seed {seed}: not done after {FINISH_MAX} more steps: {}; heads {:?}; topic {:?}; views {:?}",
            self.clients.waiting(),
            self.database.heads(),
            self.topic.tails(),
            self.database.view.checkpoints
        );
    }

    fn is_published(&self) -> bool {
        self.database.heads() == self.topic.tails()
    }

    fn is_applied(&self) -> bool {
        let checkpoints = &self.database.view.checkpoints;
        let applied: BTreeMap<Lane, i64> =
            checkpoints.iter().map(|(lane, at)| (*lane, at.position.0)).collect();
        applied == self.database.heads()
    }

    /// Compares all that was answered, published and applied with the log.
    fn check(&self) {
        self.database.check();
        self.clients.check(&self.database);
        self.topic.check(&self.database);
        self.database.view.check(&self.database);
    }
}

/// Runs one seed to its end.
fn run(seed: u64, summary: &mut Summary) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step(true);
    }
    world.clients.stop();
    world.finish(seed);
    world.check();
    summary.commands += world.clients.known();
    summary.refused += world.clients.refused();
    summary.unknown += world.clients.unknown;
    summary.conflicts += world.writers.conflicts;
    summary.crashes += world.writers.crashes + world.views.crashes;
    summary.records += world.topic.len();
    summary.doubled_records += world.topic.len() - world.database.len();
}

/// The seeds of a run: `STOCKBOOK_SEED` is one of them again, `STOCKBOOK_SIZE=full` are 10,000.
fn seeds() -> Range<u64> {
    if let Ok(seed) = env::var("STOCKBOOK_SEED") {
        let seed: u64 = seed.parse().expect("STOCKBOOK_SEED is a number");
        return seed..seed + 1;
    }
    match env::var("STOCKBOOK_SIZE").as_deref() {
        Ok("full") => 0..10_000,
        _ => 0..SEEDS,
    }
}

#[test]
fn whatever_goes_wrong_each_command_has_one_effect_that_everybody_sees_once() {
    let (seeds, mut summary, began) = (seeds(), Summary::default(), Instant::now());
    for seed in seeds.clone() {
        let ran = catch_unwind(AssertUnwindSafe(|| run(seed, &mut summary)));
        assert!(ran.is_ok(), "seed {seed} failed; repeat it with STOCKBOOK_SEED={seed}");
    }
    println!("{} seeds in {:.1?}: {summary:?}", seeds.end - seeds.start, began.elapsed());
    let Summary { refused, unknown, conflicts, crashes, doubled_records, .. } = summary;
    let faults = [refused, unknown, conflicts, crashes, doubled_records];
    assert!(
        seeds.end - seeds.start < SEEDS || faults.iter().all(|count| *count > 0),
        "too little went wrong"
    );
}
