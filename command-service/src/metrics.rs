//! The metrics of the write side: names, units and when each is recorded. The relay has its own.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use service_edge::recorder;

const FORKS: &str = "stockbook_writer_forks_total";
const UNKNOWN_COMMITS: &str = "stockbook_writer_unknown_commits_total";
const CLOCK_BEHIND: &str = "stockbook_writer_clock_behind_total";
// Published under this name before the word "optimistic" was chosen.
const OPTIMISTIC: &str = "stockbook_writer_foreseen_total";

/// Starts recording and describes what is recorded. Counters that an alarm watches are there from the
/// start, so that the first fault shows as an increase.
pub(crate) fn start() {
    recorder::handle();
    describe();
    for fault in [FORKS, UNKNOWN_COMMITS, CLOCK_BEHIND] {
        counter!(fault).increment(0);
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("stockbook_writer_queue_commands", "Requests that wait for the writer");
    describe_histogram!("stockbook_writer_wait_seconds", "Time of a request in the writer's queue");
    describe_gauge!("stockbook_writer_cache_states", "States of streams that the writer remembers");
    describe_gauge!("stockbook_writer_cache_bytes", "Estimated bytes of those states");
    describe_counter!("stockbook_writer_cold_streams_total", "Streams read from the log");
    describe_histogram!("stockbook_writer_batch_commands", "Requests in one transaction");
    describe_histogram!("stockbook_writer_batch_events", "Events in one transaction");
    describe_histogram!("stockbook_writer_batch_seconds", "Time of one batch, commit included");
    describe_histogram!("stockbook_writer_commit_seconds", "Time of one commit");
    describe_counter!(UNKNOWN_COMMITS, "Commits that the database did not answer");
    describe_counter!(FORKS, "Lanes whose log is not the one that the writer remembers");
    describe_counter!(CLOCK_BEHIND, "Batches while the database's clock was behind the log");
    describe_counter!(OPTIMISTIC, "Optimistic batches: as_foreseen, or other after a conflict");
    describe_counter!("stockbook_snapshots_saved_total", "Snapshots of streams saved");
    describe_counter!("stockbook_outcomes_purged_total", "Stored outcomes deleted by age");
    describe_counter!("stockbook_reversal_steps_total", "Steps of window reversals, by decision");
    describe_gauge!("stockbook_sweeper_lag_seconds", "How long the oldest deadline has passed");
    describe_counter!("stockbook_sweeper_expired_total", "Reservations that the sweeper expired");
    describe_counter!("stockbook_sweeper_overdue_total", "Transfers that became overdue");
}

pub(crate) fn queued(commands: usize) {
    gauge!("stockbook_writer_queue_commands").set(commands as f64);
}

pub(crate) fn left_queue(after: Duration) {
    histogram!("stockbook_writer_wait_seconds").record(after);
}

pub(crate) fn cached(states: usize, bytes: usize) {
    gauge!("stockbook_writer_cache_states").set(states as f64);
    gauge!("stockbook_writer_cache_bytes").set(bytes as f64);
}

pub(crate) fn streams_loaded(streams: usize) {
    counter!("stockbook_writer_cold_streams_total").increment(streams as u64);
}

pub(crate) fn batch_decided(events: usize) {
    histogram!("stockbook_writer_batch_events").record(events as f64);
}

pub(crate) fn batch_committed(commands: usize, snapshots: usize, taken: Duration) {
    counter!("stockbook_snapshots_saved_total").increment(snapshots as u64);
    histogram!("stockbook_writer_batch_commands").record(commands as f64);
    histogram!("stockbook_writer_batch_seconds").record(taken);
}

pub(crate) fn commit_answered(after: Duration) {
    histogram!("stockbook_writer_commit_seconds").record(after);
}

pub(crate) fn commit_unknown() {
    counter!(UNKNOWN_COMMITS).increment(1);
}

pub(crate) fn forked() {
    counter!(FORKS).increment(1);
}

pub(crate) fn clock_behind() {
    counter!(CLOCK_BEHIND).increment(1);
}

/// An optimistic batch ended: as expected, or with a conflict.
pub(crate) fn optimistic(as_expected: bool) {
    let log = if as_expected { "as_foreseen" } else { "other" };
    counter!(OPTIMISTIC, "log" => log).increment(1);
}

pub(crate) fn outcomes_purged(outcomes: u64) {
    counter!("stockbook_outcomes_purged_total").increment(outcomes);
}

pub(crate) fn reversal_steps(decided: &'static str, steps: usize) {
    counter!("stockbook_reversal_steps_total", "decided" => decided).increment(steps as u64);
}

pub(crate) fn sweeper_lag(seconds: f64) {
    gauge!("stockbook_sweeper_lag_seconds").set(seconds);
}

pub(crate) fn transfers_overdue(transfers: usize) {
    counter!("stockbook_sweeper_overdue_total").increment(transfers as u64);
}

pub(crate) fn reservations_expired(reservations: usize) {
    counter!("stockbook_sweeper_expired_total").increment(reservations as u64);
}
