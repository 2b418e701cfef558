//! What the gate makes of what it counts.

use clap::ValueEnum as _;
use gate::counting::{Standing, collected, standing};
use gate::paths::Path;

#[test]
fn every_path_can_be_gone_many_times() {
    for path in Path::value_variants() {
        path.go(10);
    }
}

#[test]
fn a_count_stands_above_at_or_far_below_its_bound() {
    assert_eq!(standing(1_101, Some(1_000)), Standing::Above);
    assert_eq!(standing(1_100, Some(1_000)), Standing::Held);
    assert_eq!(standing(850, Some(1_000)), Standing::Held);
    assert_eq!(standing(849, Some(1_000)), Standing::Loose);
    assert_eq!(standing(1, None), Standing::Unbounded);
}

#[test]
fn the_number_is_found_in_what_valgrind_says() {
    let said = "==17== Events    : Ir\n==17== Collected : 123456\n==17==\n";
    assert_eq!(collected(said), Some(123_456));
    assert_eq!(collected("==17== no"), None);
}
