//! The metrics of the write side: names, units and when each is recorded. The relay has its own.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use service_edge::recorder;

const OUTCOMES_PURGED: &str = "stockbook_outcomes_purged_total";
const REVERSAL_STEPS: &str = "stockbook_reversal_steps_total";
const SNAPSHOTS_SAVED: &str = "stockbook_snapshots_saved_total";
const SWEEPER_EXPIRED: &str = "stockbook_sweeper_expired_total";
const SWEEPER_FILLED: &str = "stockbook_sweeper_filled_total";
const SWEEPER_LAG_SECONDS: &str = "stockbook_sweeper_lag_seconds";
const SWEEPER_OVERDUE: &str = "stockbook_sweeper_overdue_total";
const BATCH_COMMANDS: &str = "stockbook_writer_batch_commands";
const BATCH_EVENTS: &str = "stockbook_writer_batch_events";
const BATCH_SECONDS: &str = "stockbook_writer_batch_seconds";
const CACHE_BYTES: &str = "stockbook_writer_cache_bytes";
const CACHE_STATES: &str = "stockbook_writer_cache_states";
const COLD_STREAMS: &str = "stockbook_writer_cold_streams_total";
const COMMIT_SECONDS: &str = "stockbook_writer_commit_seconds";
const QUEUE_COMMANDS: &str = "stockbook_writer_queue_commands";
const WAIT_SECONDS: &str = "stockbook_writer_wait_seconds";
const FORKS: &str = "stockbook_writer_forks_total";
const UNKNOWN_COMMITS: &str = "stockbook_writer_unknown_commits_total";
const CLOCK_BEHIND: &str = "stockbook_writer_clock_behind_total";
// Published under this name before the word "optimistic" was chosen.
const OPTIMISTIC: &str = "stockbook_writer_foreseen_total";

const SWEEPER_ORDERS: &str = "stockbook_sweeper_orders_total";
const PAYMENT_REQUESTS: &str = "stockbook_payment_requests_total";
const PAYMENT_MESSAGES: &str = "stockbook_payment_messages_total";
const ORDERS_STUCK: &str = "stockbook_orders_need_operator_total";

/// What becomes of a payment message that cannot be read.
pub(crate) const REJECTED: &str = "rejected";

/// Starts recording and describes what is recorded. Counters that an alarm or the dashboard watches are there
/// from the start, so that the first fault shows as an increase.
pub(crate) fn start() {
    recorder::handle();
    describe();
    for fault in [FORKS, UNKNOWN_COMMITS, CLOCK_BEHIND, ORDERS_STUCK, SWEEPER_OVERDUE] {
        counter!(fault).increment(0);
    }
    counter!(PAYMENT_REQUESTS).increment(0);
    counter!(PAYMENT_MESSAGES, "outcome" => REJECTED).increment(0);
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!(QUEUE_COMMANDS, "Requests that wait for the writer");
    describe_histogram!(WAIT_SECONDS, "Time of a request in the writer's queue");
    describe_gauge!(CACHE_STATES, "States of streams that the writer remembers");
    describe_gauge!(CACHE_BYTES, "Estimated bytes of those states");
    describe_counter!(COLD_STREAMS, "Streams read from the log");
    describe_histogram!(BATCH_COMMANDS, "Requests in one transaction");
    describe_histogram!(BATCH_EVENTS, "Events in one transaction");
    describe_histogram!(BATCH_SECONDS, "Time of one batch, commit included");
    describe_histogram!(COMMIT_SECONDS, "Time of one commit");
    describe_counter!(UNKNOWN_COMMITS, "Commits that the database did not answer");
    describe_counter!(FORKS, "Lanes whose log is not the one that the writer remembers");
    describe_counter!(CLOCK_BEHIND, "Batches while the database's clock was behind the log");
    describe_counter!(OPTIMISTIC, "Optimistic batches: as_foreseen, or other after a conflict");
    describe_counter!(SNAPSHOTS_SAVED, "Snapshots of streams saved");
    describe_counter!(OUTCOMES_PURGED, "Stored outcomes deleted by age");
    describe_counter!(REVERSAL_STEPS, "Steps of window reversals, by decision");
    describe_gauge!(SWEEPER_LAG_SECONDS, "How long the oldest deadline has passed");
    describe_counter!(SWEEPER_EXPIRED, "Reservations that the sweeper expired");
    describe_counter!(SWEEPER_FILLED, "Times that waiting reservations followed fills");
    describe_counter!(SWEEPER_OVERDUE, "Transfers that became overdue");
    describe_counter!(SWEEPER_ORDERS, "Steps that orders took by themselves");
    describe_counter!(ORDERS_STUCK, "Times that an order came to need an operator");
    describe_counter!(PAYMENT_REQUESTS, "Requests that were sent to the payment service");
    describe_counter!(PAYMENT_MESSAGES, "Messages of the payment service, by what became of them");
}

pub(crate) fn queued(commands: usize) {
    gauge!(QUEUE_COMMANDS).set(commands as f64);
}

pub(crate) fn left_queue(after: Duration) {
    histogram!(WAIT_SECONDS).record(after);
}

pub(crate) fn cached(states: usize, bytes: usize) {
    gauge!(CACHE_STATES).set(states as f64);
    gauge!(CACHE_BYTES).set(bytes as f64);
}

pub(crate) fn streams_loaded(streams: usize) {
    counter!(COLD_STREAMS).increment(streams as u64);
}

pub(crate) fn batch_decided(events: usize) {
    histogram!(BATCH_EVENTS).record(events as f64);
}

pub(crate) fn batch_committed(commands: usize, snapshots: usize, taken: Duration) {
    counter!(SNAPSHOTS_SAVED).increment(snapshots as u64);
    histogram!(BATCH_COMMANDS).record(commands as f64);
    histogram!(BATCH_SECONDS).record(taken);
}

pub(crate) fn commit_answered(after: Duration) {
    histogram!(COMMIT_SECONDS).record(after);
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
    counter!(OUTCOMES_PURGED).increment(outcomes);
}

pub(crate) fn reversal_steps(decided: &'static str, steps: usize) {
    counter!(REVERSAL_STEPS, "decided" => decided).increment(steps as u64);
}

pub(crate) fn sweeper_lag(seconds: f64) {
    gauge!(SWEEPER_LAG_SECONDS).set(seconds);
}

pub(crate) fn transfers_overdue(transfers: usize) {
    counter!(SWEEPER_OVERDUE).increment(transfers as u64);
}

pub(crate) fn reservations_filled(reservations: usize) {
    counter!(SWEEPER_FILLED).increment(reservations as u64);
}

pub(crate) fn reservations_expired(reservations: usize) {
    counter!(SWEEPER_EXPIRED).increment(reservations as u64);
}

pub(crate) fn orders_continued(orders: usize) {
    counter!(SWEEPER_ORDERS).increment(orders as u64);
}

pub(crate) fn orders_stuck(orders: usize) {
    counter!(ORDERS_STUCK).increment(orders as u64);
}

pub(crate) fn payment_requests(requests: usize) {
    counter!(PAYMENT_REQUESTS).increment(requests as u64);
}

/// A message was decided, repeated, about something unknown, ignored or rejected.
pub(crate) fn payment_message(outcome: &'static str) {
    counter!(PAYMENT_MESSAGES, "outcome" => outcome).increment(1);
}
