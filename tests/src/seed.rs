//! Chance that can be had again: `STOCKBOOK_SEED` names the seed of a run that is to be repeated.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The seed of a test, which the test prints, and chance that begins with it.
#[expect(clippy::disallowed_methods, reason = "a test program has no clap struct")]
pub fn seeded() -> (u64, StdRng) {
    let seed = match std::env::var("STOCKBOOK_SEED") {
        Ok(seed) => seed.parse().expect("STOCKBOOK_SEED is a number"),
        Err(_) => rand::random(),
    };
    (seed, StdRng::seed_from_u64(seed))
}
