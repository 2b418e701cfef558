//! Everything goes wrong while clients work, and afterwards it is shown that nothing was lost or doubled.
//!
//! `cargo chaos --cycles 300 --seed 7` runs the real services on a real Postgres and a real Kafka, with ways
//! between them on which network faults are injected. What goes wrong is drawn from the seed and printed first. The
//! last line is a summary; any violation ends the program with 1. Without arguments it is the short form, as
//! in `cargo test`.

#![expect(clippy::print_stdout, reason = "it reports on standard output")]

mod schedule;
mod history;
mod system;
mod clients;
mod faults;
mod oracle;
mod compare;
mod run;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use integration_tests::{Size, seeded};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::run::{Plan, run};
use crate::system::Pace;

/// Cycles of the short form: all but a dozen are kills.
const SHORT: usize = 63;

/// Failovers of the short form; ten times as many of the full one.
const FAILOVERS: usize = 2;

/// Makes everything go wrong, again and again.
#[derive(Debug, Parser)]
#[command(name = "chaos")]
struct Options {
    /// Faults, each followed by work that succeeds.
    #[arg(long)]
    cycles: usize,
    /// The seed of the schedule and of what clients ask; by chance if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The longest network fault, in seconds.
    #[arg(long, default_value_t = 20)]
    longest: u64,
    /// Postgres does not wait for the disk, and the sessions of consumers are short: a run takes half the time.
    #[arg(long)]
    quick: bool,
    /// Postgres has a synchronous standby, and every fault is the end of the primary.
    #[arg(long)]
    failover: bool,
    /// Only faults whose kind has this in its name, such as `kill Kafka`.
    #[arg(long)]
    only: Option<String>,
}

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument.starts_with("--cycles")) {
        let Options { cycles, seed, longest, quick, only, failover } = Options::parse();
        let seed = seed.unwrap_or_else(|| seeded().0);
        let pace = if quick { Pace::Quick } else { Pace::Usual };
        let longest = Duration::from_secs(longest.max(2));
        let plan = Plan { cycles, seed, longest, pace, only, failover };
        return if run(&plan) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let short = |cycles, failover| {
        let (seed, longest, pace) = (seeded().0, Duration::from_secs(3), Pace::Quick);
        let plan = Plan { cycles, seed, longest, pace, only: None, failover };
        if run(&plan) { Ok(()) } else { Err(Failed::from("see above")) }
    };
    let trials = vec![
        Trial::test("nothing_is_lost_or_doubled_whatever_goes_wrong", move || {
            short(Size::wanted().scaled(SHORT, 4), false)
        }),
        Trial::test(
            "nothing_is_lost_or_doubled_when_a_synchronous_standby_takes_over",
            move || short(Size::wanted().scaled(FAILOVERS, 10), true),
        ),
    ];
    // Both need the whole machine and the same folder.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit_code()
}
