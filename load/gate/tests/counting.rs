//! The gate's paths, bounds and reading of valgrind's report.

use clap::ValueEnum as _;
use gate::counting::{Verdict, collected, compare};
use gate::paths::Path;

#[test]
fn every_path_can_run_many_times() {
    for path in Path::value_variants() {
        path.run(10);
    }
}

#[test]
fn a_count_is_above_within_or_far_below_its_bound() {
    assert_eq!(compare(1_101, Some(1_000)), Verdict::AboveBound);
    assert_eq!(compare(1_100, Some(1_000)), Verdict::WithinBound);
    assert_eq!(compare(850, Some(1_000)), Verdict::WithinBound);
    assert_eq!(compare(849, Some(1_000)), Verdict::FarBelowBound);
    assert_eq!(compare(1, None), Verdict::NoBound);
}

#[test]
fn the_count_is_found_in_the_report_of_valgrind() {
    let report = "==17== Events    : Ir\n==17== Collected : 123456\n==17==\n";
    assert_eq!(collected(report), Some(123_456));
    assert_eq!(collected("==17== no"), None);
}
