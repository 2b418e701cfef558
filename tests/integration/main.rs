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
mod append_only;
mod log;
mod concurrency;
mod relay;
mod projection;
mod replay;
mod crash;
mod evolution;

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

fn all(shared: &Shared) -> Vec<Trial> {
    let mut all = tidy();
    all.extend(trials! { shared,
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
        concurrency::{
            a_thousand_callers_for_a_hundred_units_get_exactly_a_hundred,
            orders_in_any_line_order_from_two_instances_never_deadlock,
        }
        relay::{
            every_partition_equals_its_lane_byte_for_byte,
            a_topic_deleted_and_made_anew_is_filled_again,
        }
        projection::{
            the_whole_topic_delivered_again_changes_no_row,
            two_query_services_share_the_lanes,
            a_hole_in_the_topic_is_filled_from_the_log,
        }
        replay::{
            real_trade_replays_with_no_figure_differing_though_both_services_are_killed,
            scarce_stock_at_two_instances_never_goes_below_zero,
        }
        crash::{
            a_stopping_service_answers_what_it_took_and_ends_cleanly,
            a_paused_instance_holds_up_the_other_for_six_seconds_at_most,
        }
        evolution::{ a_log_of_november_2026_is_folded_projected_and_answered_from }
    });
    all
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
