//! The whole system, tested from outside: real services, real Postgres, real Kafka.
//!
//! One program for all tests, so that the servers are started once and stopped at its end. The
//! modules stand in reading order.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a heavy test says how large it was")]

mod tidy;
mod story;
mod problems;
mod idempotency;
mod catalogue;
mod append_only;
mod log;
mod operations;
mod foreseen;
mod reservations;
mod reservation_requests;
mod reservation_steps;
mod expiry;
mod reversals;
mod reversal_windows;
mod reversal_jobs;
mod batches;
mod batch_requests;
mod concurrency;
mod market;
mod relay;
mod projection;
mod redelivery;
mod integrity;
mod views;
mod time_travel;
mod changes;
mod plans;
mod replay;
mod crash;
mod snapshots;
mod restore;
mod evolution;

use crate::views::{poison, rebuilding};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use integration_tests::world::World;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::OnceCell;

/// The servers, started by the first test that needs them.
#[derive(Clone)]
struct Shared {
    runtime: Handle,
    world: Arc<OnceCell<Arc<World>>>,
}

impl Shared {
    fn run<Test: Future<Output = ()>>(&self, test: impl FnOnce(Arc<World>) -> Test) {
        self.runtime.block_on(async {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("integration");
            let start = || async { World::start(&folder).await.map(Arc::new) };
            let world = self.world.get_or_try_init(start).await;
            let world = world.unwrap_or_else(|error| panic!("{error:#}"));
            test(Arc::clone(world)).await;
        });
    }
}

/// A list of test functions as trials named `module::function`.
macro_rules! trials {
    ($shared:expr, $($module:ident :: { $($test:ident),+ $(,)? })+) => {
        vec![$($({
            let shared = Shared::clone($shared);
            let name = concat!(stringify!($module), "::", stringify!($test));
            Trial::test(name, move || {
                shared.run($module::$test);
                Ok(())
            })
        }),+),+]
    };
}

/// The rules about the project's text, which need no servers.
fn tidy() -> Vec<Trial> {
    let rules: [(&str, fn()); 5] = [
        ("tidy::rust_files_keep_to_their_bound", tidy::rust_files_keep_to_their_bound),
        ("tidy::the_core_knows_no_io", tidy::the_core_knows_no_io_no_clock_and_no_chance),
        ("tidy::nothing_banned_is_in_the_code", tidy::nothing_banned_is_in_the_code),
        (
            "tidy::every_statement_is_used",
            tidy::every_statement_is_used_and_says_what_it_guarantees,
        ),
        ("tidy::the_services_do_not_know_each_other", tidy::the_services_do_not_know_each_other),
    ];
    rules
        .into_iter()
        .map(|(name, rule)| {
            Trial::test(name, move || {
                rule();
                Ok(())
            })
        })
        .collect()
}

/// What one caller sees of commands and of the log.
fn commands(shared: &Shared) -> Vec<Trial> {
    trials! { shared,
        story::{
            a_shops_day_from_registration_to_the_answer,
            stock_is_counted_moved_and_its_item_retired,
        }
        problems::{
            bad_input_gets_its_problem_and_records_nothing,
            all_faults_of_a_body_are_told_at_once,
            refusals_carry_their_numbers,
        }
        idempotency::{
            the_same_request_twice_has_one_effect_and_the_same_bytes,
            a_refusal_is_replayed_even_when_it_would_now_succeed,
            a_key_used_for_another_request_is_refused,
            one_key_at_two_instances_at_once_has_one_effect,
        }
        catalogue::{ every_problem_of_the_catalogue_is_met_by_a_request }
        append_only::{
            the_services_role_cannot_change_or_remove_an_event,
            even_the_owner_is_refused_by_the_triggers,
            another_number_of_lanes_is_refused,
        }
        log::{
            the_lanes_in_one_list_miss_and_repeat_nothing_while_events_are_written,
            a_stream_is_told_as_it_is_and_as_it_was,
            verify_finds_what_was_changed_behind_the_services_back,
            a_log_is_verified_while_it_is_written,
            old_refusals_are_forgotten_and_young_ones_kept,
        }
        operations::{ a_batch_on_a_known_log_is_one_statement }
        foreseen::{
            only_what_was_decided_on_this_very_log_is_written,
            a_batch_whose_answer_is_lost_is_unknown_and_its_key_tells,
            a_repeated_key_does_not_keep_others_from_being_decided_ahead,
            what_is_decided_and_waits_for_the_batch_before_is_bounded,
            a_moment_is_settled_a_tenth_of_a_second_after_it,
        }
    }
}

/// Reservations, reversals and batches.
fn promises(shared: &Shared) -> Vec<Trial> {
    trials! { shared,
        reservations::{
            a_hold_becomes_a_promise_that_is_kept_in_parts,
            a_partial_reservation_takes_what_is_there_and_lets_go_in_parts,
            every_refusal_about_a_reservation_says_its_numbers,
        }
        reservation_requests::{
            a_reservation_that_cannot_be_read_gets_all_its_faults,
            reservations_are_listed_by_owner_reference_and_status,
            one_key_makes_one_reservation_and_only_validating_makes_none,
            an_accepted_shortage_is_shown_and_nothing_goes_out_that_is_not_there,
        }
        reservation_steps::{ steps_in_every_order_and_twice_never_pass_the_start }
        expiry::{
            the_sweeper_ends_a_hold_that_nobody_asks_about,
            a_hold_past_its_end_binds_no_decision_even_without_the_sweeper,
            a_confirmation_and_the_end_of_a_hold_never_both_win,
        }
        reversals::{
            an_event_is_taken_back_once_and_the_reversal_can_be_too,
            what_has_moved_on_is_not_taken_back_until_that_is,
            both_halves_of_a_move_are_taken_back_together,
            a_correlation_of_several_commands_is_taken_back_whole,
            a_reversal_names_exactly_one_target,
        }
        reversal_windows::{
            a_bad_day_is_taken_back_and_put_back_sku_by_sku,
            a_window_is_taken_back_to_its_end_though_the_service_is_killed,
            a_window_takes_only_what_it_names,
            a_window_by_recorded_at_is_asked_for_once_under_its_key,
        }
        reversal_jobs::{
            a_dry_run_tells_what_the_job_then_does_refusals_included,
            a_key_begins_one_job_and_is_used_up_by_it,
            another_instance_goes_on_where_one_is_paused,
        }
        batches::{
            commands_of_an_independent_batch_stand_each_for_itself,
            an_atomic_batch_happens_whole_or_not_at_all,
            a_batch_that_is_only_validated_leaves_nothing_and_no_key,
        }
        batch_requests::{
            a_batch_that_cannot_be_read_gets_all_its_faults,
            a_batch_has_a_thousand_commands_at_most,
            a_strict_service_wants_the_keys_of_a_batch,
        }
    }
}

/// Many callers, and what can go wrong with the parts.
fn faults(shared: &Shared) -> Vec<Trial> {
    trials! { shared,
        concurrency::{
            a_thousand_callers_for_a_hundred_units_get_exactly_a_hundred,
            orders_in_any_line_order_from_two_instances_never_deadlock,
        }
        market::{ a_hundred_clients_on_twenty_items_never_deadlock_and_never_fail }
        relay::{
            every_partition_equals_its_lane_byte_for_byte,
            the_largest_events_reach_the_topic_and_the_views,
            a_topic_deleted_and_made_anew_is_filled_again,
        }
        projection::{
            the_whole_topic_delivered_again_changes_no_row,
            two_query_services_share_the_lanes,
            a_hole_in_the_topic_is_filled_from_the_log,
        }
        redelivery::{
            records_delivered_again_while_lanes_change_hands_at_any_moment_change_no_row,
            a_topic_made_anew_changes_no_row_and_stops_no_lane,
            views_restored_from_an_older_backup_catch_up,
        }
        integrity::{
            a_days_trade_is_whole_and_every_event_of_it_was_looked_at,
            a_changed_row_of_any_view_is_named,
            a_byte_changed_in_an_event_is_named_and_the_check_that_runs_all_the_time_tells_it,
        }
        time_travel::{
            every_figure_at_every_moment_is_a_fold_of_the_log,
            a_late_entry_changes_what_was_true_and_not_what_was_known,
            a_past_that_cannot_be_told_is_refused,
            a_read_with_a_token_is_never_stale_at_either_of_two_instances,
        }
        changes::{
            an_explanation_adds_up_and_a_difference_says_what_lies_between,
            changes_are_told_once_and_in_order_page_by_page_and_as_a_stream,
            an_answer_the_client_has_is_not_sent_again,
            availability_is_answered_in_order_with_what_is_unknown,
        }
        plans::{ a_list_reads_its_page_and_not_the_table }
        views::{
            a_day_of_trade_is_told_by_every_view_as_a_walk_over_the_log_tells_it,
            an_alert_goes_out_once_whatever_is_delivered_again_or_rebuilt,
            instances_that_come_and_go_under_load_apply_nothing_twice,
        }
        rebuilding::{ a_projection_is_rebuilt_and_swapped_under_load_and_no_reader_notices }
        poison::{ five_kinds_of_poison_stop_five_lanes_until_a_fix_or_a_skip }
        replay::{
            real_trade_replays_with_no_figure_differing_though_both_services_are_killed,
            scarce_stock_at_two_instances_never_goes_below_zero,
        }
        crash::{
            a_stopping_service_answers_what_it_took_and_ends_cleanly,
            a_paused_instance_holds_up_the_other_for_six_seconds_at_most,
        }
        restore::{ a_service_follows_a_log_that_was_restored_under_it }
        snapshots::{
            with_all_snapshots_deleted_foreign_or_unreadable_answers_are_the_same,
            verify_finds_a_snapshot_that_is_not_what_its_stream_folds_to,
            the_first_command_on_a_long_history_costs_little_more_than_the_second,
        }
        evolution::{
            a_log_of_november_2026_is_folded_projected_and_answered_from,
            adjustments_of_version_1_are_read_as_todays,
        }
    }
}

fn all(shared: &Shared) -> Vec<Trial> {
    [tidy(), commands(shared), promises(shared), faults(shared)].into_iter().flatten().collect()
}

fn main() -> ExitCode {
    let runtime = Runtime::new().expect("a runtime can be made");
    let shared = Shared { runtime: runtime.handle().clone(), world: Arc::default() };
    let conclusion = libtest_mimic::run(&Arguments::from_args(), all(&shared));
    let stopped = runtime.block_on(async {
        match shared.world.get().cloned() {
            None => Ok(()),
            Some(world) => {
                drop(shared);
                match Arc::into_inner(world) {
                    Some(world) => world.stop().await,
                    None => Ok(()),
                }
            }
        }
    });
    if let Err(error) = stopped {
        panic!("the servers do not stop: {error:#}");
    }
    conclusion.exit_code()
}
