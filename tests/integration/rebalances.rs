//! A storm of rebalances: up to five query-services start, stop, die and sleep past their session, faster than
//! their group settles.

use std::sync::Arc;
use std::time::Duration;

use integration_tests::{
    Api, READY_MAX, Size, Stockbook, Traders, World, accepted, assert_done_once, each, eventually,
    seeded,
};
use rand::RngExt;
use rand::rngs::StdRng;
use stack::services::Service;
use tokio::time::Instant;

use crate::failover::agree;
use crate::views::done;

trials! {
    a_storm_of_rebalances_stops_no_lane_and_applies_nothing_twice,
}

const SKUS: [&str; 4] = ["A", "B", "C", "D"];

const INSTANCES: usize = 5;

/// Changes that follow each other closely.
const BURST: usize = 5;

/// Commands between two changes, at most.
const BETWEEN_MAX: u64 = 100;

/// How long an event may take after a burst until some instance shows it: a session, and rebalances.
const SHOWN_MAX: Duration = Duration::from_secs(45);

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Health {
    Awake,
    Asleep,
    Gone,
}

/// Lets an instance work that sleeps or is gone.
async fn bring_back(instance: &mut Service, health: Health) {
    match health {
        Health::Awake => {}
        Health::Asleep => instance.process().resume().expect("the service goes on"),
        Health::Gone => instance.start_again().await.expect("the service starts again"),
    }
}

/// Lets one instance come, go, sleep or wake up. One stays awake.
async fn change(instances: &mut [Service], health: &mut [Health], random: &mut StdRng) {
    let nth = random.random_range(0..instances.len());
    let awake = health.iter().filter(|health| **health == Health::Awake).count();
    let instance = &mut instances[nth];
    health[nth] = match health[nth] {
        Health::Gone | Health::Asleep => {
            bring_back(instance, health[nth]).await;
            Health::Awake
        }
        Health::Awake if awake == 1 => Health::Awake,
        Health::Awake => match random.random_range(0..3) {
            0 => {
                instance.process().pause().expect("the service can be paused");
                Health::Asleep
            }
            1 => {
                instance.kill().await.expect("the service can be killed");
                Health::Gone
            }
            _ => {
                instance.stop().await.expect("the service stops");
                Health::Gone
            }
        },
    };
}

/// How long it takes until an instance that is awake shows an event recorded now.
async fn time_until_shown(stockbook: &Stockbook, health: &[Health]) -> Duration {
    let token = stockbook.receive(&[("OTHER", 1)]).await.position();
    let path = format!("/v1/stock/OTHER/MAIN?min_position={token}&wait_ms=1000");
    let awake =
        stockbook.queries.iter().zip(health).filter(|(_, health)| **health == Health::Awake);
    let awake: Vec<Api> = awake.map(|(service, _)| Api::of(service)).collect();
    let asked = Instant::now();
    let mut seen = Vec::new();
    while asked.elapsed() < SHOWN_MAX {
        seen.clear();
        for api in &awake {
            let answer = api.get(&path).await;
            if answer.status == 200 {
                return asked.elapsed();
            }
            seen.push(answer);
        }
    }
    panic!("not shown within {SHOWN_MAX:?}; {health:?}; last seen: {seen:?}");
}

async fn a_storm_of_rebalances_stops_no_lane_and_applies_nothing_twice(world: Arc<World>) {
    let bursts = Size::wanted().scaled(4, 25);
    let (seed, mut random) = seeded();
    println!("{bursts} bursts of {BURST} changes; seed {seed}");
    let mut stockbook = Stockbook::prepare(&world, 8).await;
    stockbook.add_command_service(&[]).await;
    for _ in 0..INSTANCES {
        stockbook.add_query_service(&[("SESSION_TIMEOUT_MS", "6000")]).await;
    }
    stockbook.register(&[&SKUS[..], &["OTHER"]].concat()).await;
    stockbook.receive(&each(&SKUS, 100)).await;

    let mut health = [Health::Awake; INSTANCES];
    let traders = Traders::start(&stockbook.instances(), &SKUS, 2, seed);
    let mut slowest = Duration::ZERO;
    for _ in 0..bursts {
        for _ in 0..BURST {
            change(&mut stockbook.queries, &mut health, &mut random).await;
            traders.more(random.random_range(0..BETWEEN_MAX)).await;
        }
        slowest = slowest.max(time_until_shown(&stockbook, &health).await);
    }
    println!("after a burst, an event was shown within {slowest:?}");
    let traded = traders.stop().await;
    println!("{} of {} commands accepted", accepted(&traded), traded.len());
    for (instance, health) in stockbook.queries.iter_mut().zip(health) {
        bring_back(instance, health).await;
        instance.ready(READY_MAX).await.expect("the service becomes ready");
    }
    assert_done_once(&stockbook, &SKUS, 100, &traded).await;
    agree(&stockbook).await;
    for view in stockbook.views().await {
        done(&stockbook, &["rebuild", &view, "--compare"]).await;
    }
    // An instance that was asleep knows by now what others did meanwhile.
    for reader in stockbook.readers() {
        let figures = async || reader.json("/v1/stock/OTHER/MAIN").await["on_hand"].clone();
        eventually("every instance shows it", figures, |on_hand| *on_hand == bursts).await;
    }
}
