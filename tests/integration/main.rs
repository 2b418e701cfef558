//! The whole system, tested from outside: real services, real Postgres, real Kafka.
//!
//! One program for all tests, so that the servers are started once and stopped at its end. A
//! module names its tests in `trials!`; the modules are listed in reading order.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a heavy test prints its size")]

#[macro_use]
mod registry;
mod tidy;
mod story;
mod problems;
mod bodies;
mod callers;
mod sign_in;
mod postgres_tls;
#[cfg(feature = "kafka-tls")]
mod kafka_tls;
mod idempotency;
mod catalogue;
mod backdated;
mod append_only;
mod log;
mod personal;
mod operations;
mod resting;
mod optimistic_append;
mod several_writers;
mod reservations;
mod reservation_requests;
mod reservation_steps;
mod expiry;
mod transfers;
mod orders;
mod waitlist;
mod reversals;
mod reversal_windows;
mod reversal_jobs;
mod batches;
mod batch_requests;
mod conditional_requests;
mod concurrency;
mod overload;
mod market;
mod redaction;
mod relay;
mod projection;
mod memory;
mod idle;
mod redelivery;
mod rebalances;
mod integrity;
mod views;
mod time_travel;
mod changes;
mod console;
mod plans;
mod filters;
mod statements;
mod replay;
mod crash;
mod snapshots;
mod restore;
mod failover;
mod full_disk;
mod clocks;
mod backup;
mod broker_errors;
mod brokers;
mod export;
mod publication;
mod evolution;
mod traces;

use std::process::ExitCode;

/// The tests of all modules.
const TESTS: &[&[registry::Test]] = &[
    tidy::TESTS,
    story::TESTS,
    problems::TESTS,
    bodies::TESTS,
    callers::TESTS,
    sign_in::TESTS,
    sign_in::routes::TESTS,
    sign_in::tokens::TESTS,
    sign_in::tls::TESTS,
    sign_in::caller::TESTS,
    personal::TESTS,
    postgres_tls::TESTS,
    #[cfg(feature = "kafka-tls")]
    kafka_tls::TESTS,
    personal::forgetting::TESTS,
    personal::marks::TESTS,
    personal::windows::TESTS,
    idempotency::TESTS,
    catalogue::TESTS,
    backdated::TESTS,
    append_only::TESTS,
    log::TESTS,
    operations::TESTS,
    resting::TESTS,
    optimistic_append::TESTS,
    several_writers::TESTS,
    reservations::TESTS,
    reservation_requests::TESTS,
    reservation_steps::TESTS,
    expiry::TESTS,
    transfers::TESTS,
    transfers::conserved::TESTS,
    orders::TESTS,
    orders::waiting::TESTS,
    orders::faults::TESTS,
    orders::choreography::TESTS,
    waitlist::TESTS,
    waitlist::fair::TESTS,
    reversals::TESTS,
    reversal_windows::TESTS,
    reversal_jobs::TESTS,
    batches::TESTS,
    batch_requests::TESTS,
    conditional_requests::TESTS,
    concurrency::TESTS,
    overload::TESTS,
    market::TESTS,
    redaction::TESTS,
    relay::TESTS,
    projection::TESTS,
    memory::TESTS,
    idle::TESTS,
    redelivery::TESTS,
    rebalances::TESTS,
    integrity::TESTS,
    views::TESTS,
    time_travel::TESTS,
    time_travel::lists::TESTS,
    changes::TESTS,
    console::TESTS,
    console::visitors::TESTS,
    plans::TESTS,
    filters::TESTS,
    statements::TESTS,
    replay::TESTS,
    crash::TESTS,
    snapshots::TESTS,
    restore::TESTS,
    failover::TESTS,
    full_disk::TESTS,
    clocks::TESTS,
    backup::TESTS,
    broker_errors::TESTS,
    brokers::TESTS,
    export::TESTS,
    publication::TESTS,
    evolution::TESTS,
    traces::TESTS,
    views::extremes::TESTS,
    views::low::TESTS,
    views::overview::TESTS,
    views::poison::TESTS,
    views::rebuilding::TESTS,
];

fn main() -> ExitCode {
    registry::run(TESTS)
}
