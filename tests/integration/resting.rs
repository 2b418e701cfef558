//! A stack with nothing to do leaves the processor alone, and is there at once when something happens.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use integration_tests::eventually::eventually;
use integration_tests::stockbook::Stockbook;
use integration_tests::world::World;
use stack::services::Service;
use tokio::time::sleep;

trials! {
    services_with_nothing_to_do_leave_the_processor_alone,
}

/// How long wake-ups are counted at a time.
const WINDOW: Duration = Duration::from_secs(10);

/// How often each service may wake up in a second; it does so half as often. What that costs depends on the machine
/// and on the build, and on an idle machine more than on a busy one.
const COMMAND_WAKES_MAX: u64 = 120;
const QUERY_WAKES_MAX: u64 = 60;

async fn services_with_nothing_to_do_leave_the_processor_alone(world: Arc<World>) {
    let (stockbook, _) = Stockbook::stocked(&world, &[("A", 5)]).await;
    for (services, wakes_max) in
        [(&stockbook.commands, COMMAND_WAKES_MAX), (&stockbook.queries, QUERY_WAKES_MAX)]
    {
        let wakes = async || wakes(&services[0]).await;
        eventually("a service rests", wakes, |wakes| *wakes <= wakes_max).await;
    }
    let received = stockbook.receive(&[("A", 7)]).await.position();
    let level = stockbook.read_at("/v1/stock/A/MAIN", &received).await.json();
    assert_eq!(level["on_hand"], 12);
    for path in ["/v1/flow/A?from=2020-01-01&to=2020-01-02", "/v1/alerts?sku=A"] {
        stockbook.read_at(path, &received).await;
    }
}

/// How often a service wakes up in a second while nothing happens.
async fn wakes(service: &Service) -> u64 {
    let before = waits(service);
    // Nothing can be waited for: nothing is to happen.
    sleep(WINDOW).await;
    waits(service).saturating_sub(before) / WINDOW.as_secs()
}

/// How often the threads of a process began to wait until now.
fn waits(service: &Service) -> u64 {
    let pid = service.pid().expect("the service runs");
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("this is Linux");
    let count = |thread: fs::DirEntry| -> Option<u64> {
        // A thread may end meanwhile.
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse().ok()
    };
    threads.flatten().filter_map(count).sum()
}
