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

/// How long the processor time is counted at a time.
const WINDOW: Duration = Duration::from_secs(10);

/// Thousandths of a core. Not optimised, a service needs about two thirds of it.
const USED_MAX: u64 = 20;

async fn services_with_nothing_to_do_leave_the_processor_alone(world: Arc<World>) {
    let (stockbook, _) = Stockbook::stocked(&world, &[("A", 5)]).await;
    for services in [&stockbook.commands, &stockbook.queries] {
        let used = async || used(&services[0]).await;
        eventually("a service rests", used, |used| *used <= USED_MAX).await;
    }
    let received = stockbook.receive(&[("A", 7)]).await.position();
    let level = stockbook.read_at("/v1/stock/A/MAIN", &received).await.json();
    assert_eq!(level["on_hand"], 12);
    for path in ["/v1/flow/A?from=2020-01-01&to=2020-01-02", "/v1/alerts?sku=A"] {
        stockbook.read_at(path, &received).await;
    }
}

/// What a service uses while nothing happens, in thousandths of a core.
async fn used(service: &Service) -> u64 {
    let before = processor_ms(service);
    // Nothing can be waited for: nothing is to happen.
    sleep(WINDOW).await;
    (processor_ms(service) - before) * 1_000 / WINDOW.as_millis() as u64
}

/// The processor time of a process until now, in user and kernel mode.
fn processor_ms(service: &Service) -> u64 {
    const MS_PER_TICK: u64 = 10;
    let pid = service.pid().expect("the service runs");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("this is Linux");
    // The program's name, in parentheses, may have spaces. The times are the 14th and 15th field.
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    let ticks = fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks"));
    ticks.sum::<u64>() * MS_PER_TICK
}
