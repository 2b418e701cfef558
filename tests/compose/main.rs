//! The compose project, brought up and tested as its users would: containers, published ports, kills.
//!
//! One project for all tests, taken down at the end. Without a container engine the tests are
//! skipped, and say so. With `STOCKBOOK_COMPOSE=required` they fail then; with `skip` they are
//! skipped anyway.

#![expect(clippy::print_stderr, reason = "a test program says what it skips and waits for")]

mod engine;
mod project;
mod files;
mod story;
mod scale;
mod restarts;
mod metrics;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::OnceCell;

use crate::project::Project;

/// The project, brought up by the first test that needs it.
#[derive(Clone)]
struct Shared {
    runtime: Handle,
    project: Arc<OnceCell<Project>>,
}

impl Shared {
    fn run(&self, test: impl AsyncFnOnce(&Project)) {
        self.runtime.block_on(async {
            test(self.project.get_or_init(Project::up).await).await;
        });
    }
}

/// A list of test functions as trials named `module::function`, run in their order.
macro_rules! trials {
    ($shared:expr, $skip:expr, $($module:ident :: $test:ident),+ $(,)?) => {
        vec![$({
            let shared = Shared::clone($shared);
            let name = concat!(stringify!($module), "::", stringify!($test));
            Trial::test(name, move || {
                shared.run($module::$test);
                Ok(())
            })
            .with_ignored_flag($skip)
        }),+]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share containers and kill them.
    arguments.test_threads = Some(1);
    let skip = engine::reason_to_skip();
    if let Some(reason) = &skip {
        eprintln!("skipped: the compose tests, which need Docker and Compose v2: {reason}");
    }
    let runtime = Runtime::new().expect("a runtime can be made");
    let shared = Shared { runtime: runtime.handle().clone(), project: Arc::default() };
    let trials = trials! { &shared, skip.is_some(),
        files::every_port_is_on_loopback_and_every_image_has_a_version,
        story::the_readme_is_followed_on_a_new_project,
        scale::three_query_services_answer_for_each_other,
        restarts::no_unit_is_lost_or_counted_twice_whatever_is_killed,
        metrics::what_dashboard_and_alerts_name_is_measured,
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(project) = shared.project.get() {
        runtime.block_on(project.down(conclusion.has_failed()));
    }
    conclusion.exit_code()
}
