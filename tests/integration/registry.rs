//! Collects the tests of all modules and runs them on one set of servers.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use integration_tests::World;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::OnceCell;

/// A test, as `trials!` and `rules!` name it.
pub(crate) struct Test {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

pub(crate) enum Run {
    /// A scenario on the running servers.
    Scenario(fn(Arc<World>) -> LocalBoxFuture<'static, ()>),
    /// A rule about the project's text, which needs no servers.
    Rule(fn()),
}

/// Names the scenarios of a module: functions that take the running servers.
macro_rules! trials {
    ($($test:ident,)+) => { tests! { $($test => Scenario(|world| Box::pin($test(world))),)+ } };
}

/// Names the rules of a module: functions that need no servers.
macro_rules! rules {
    ($($test:ident,)+) => { tests! { $($test => Rule($test),)+ } };
}

macro_rules! tests {
    ($($test:ident => $run:ident($function:expr),)+) => {
        pub(crate) const TESTS: &[$crate::registry::Test] = &[$($crate::registry::Test {
            module: module_path!(),
            name: stringify!($test),
            run: $crate::registry::Run::$run($function),
        },)+];
    };
}

/// The servers, started by the first test that needs them.
#[derive(Clone)]
struct Shared {
    runtime: Handle,
    world: Arc<OnceCell<Arc<World>>>,
}

impl Shared {
    fn trial(&self, test: &'static Test) -> Trial {
        let shared = self.clone();
        let module = test.module.rsplit("::").next().unwrap_or_default();
        Trial::test(format!("{module}::{}", test.name), move || {
            match test.run {
                Run::Scenario(scenario) => {
                    shared.runtime.block_on(async { scenario(shared.world().await).await });
                }
                Run::Rule(rule) => rule(),
            }
            Ok(())
        })
    }

    async fn world(&self) -> Arc<World> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("integration");
        let start = || async { World::start(&folder).await.map(Arc::new) };
        let world = self.world.get_or_try_init(start).await;
        Arc::clone(world.unwrap_or_else(|error| panic!("{error:#}")))
    }
}

/// Runs the tests that the arguments select, then stops the servers.
pub(crate) fn run(tests: &[&'static [Test]]) -> ExitCode {
    let runtime = Runtime::new().expect("a runtime can be made");
    let shared = Shared { runtime: runtime.handle().clone(), world: Arc::default() };
    let trials = tests.iter().copied().flatten().map(|test| shared.trial(test)).collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    let world = shared.world.get().cloned();
    drop(shared);
    if let Some(world) = world.and_then(Arc::into_inner) {
        runtime
            .block_on(world.stop())
            .unwrap_or_else(|error| panic!("the servers do not stop: {error:#}"));
    }
    conclusion.exit_code()
}
