//! A figure that query-service answers from memory is the one that its tables have.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use integration_tests::{Api, Size, Stockbook, World, eventually, seeded};
use rand::RngExt;
use serde_json::Value;
use tokio::time::{Instant, timeout};

trials! {
    figures_from_memory_keep_up_with_every_command,
    an_owner_that_was_paused_answers_nothing_older_than_the_instance_that_took_over,
}

const FROM_MEMORY: &str = "stockbook_figures_from_memory_total";

fn skus(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("SKU-{number}")).collect()
}

/// The versions of all figures, from the tables.
async fn listed(reader: &Api) -> BTreeMap<String, i64> {
    let rows = reader.rows("/v1/stock?location=MAIN").await;
    rows.iter().map(|row| (row["sku"].as_str().unwrap().to_owned(), version(row))).collect()
}

fn version(figure: &Value) -> i64 {
    figure["version"].as_i64().expect("a figure has a version")
}

async fn point(reader: &Api, sku: &str) -> Value {
    reader.json(&format!("/v1/stock/{sku}/MAIN")).await
}

async fn figures_from_memory_keep_up_with_every_command(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_query_service(&[]).await;
    let skus = skus(8);
    stockbook.register(&skus).await;
    let rounds = Size::wanted().scaled(25, 40);
    let (seed, mut random) = seeded();
    println!("seed {seed}, {rounds} rounds");
    let lots: Vec<Vec<i64>> =
        skus.iter().map(|_| (0..rounds).map(|_| random.random_range(1..100)).collect()).collect();
    let readers = stockbook.readers();
    let trades = skus.iter().zip(&lots).map(async |(sku, lots)| {
        let mut on_hand = 0;
        for lot in lots {
            on_hand += lot;
            let token = stockbook.receive(&[(sku, *lot)]).await.position();
            for reader in &readers {
                // The caller reads what it wrote; the second answer may come from memory.
                for path in [format!("?min_position={token}&wait_ms=30000"), String::new()] {
                    let figure = reader.json(&format!("/v1/stock/{sku}/MAIN{path}")).await;
                    assert_eq!(figure["on_hand"], on_hand, "{sku}{path}");
                }
            }
        }
    });
    let watches = readers.iter().map(async |reader| {
        // After a list no single figure is older than in the list.
        for _ in 0..rounds {
            for (sku, least) in listed(reader).await {
                let version = version(&point(reader, &sku).await);
                assert!(version >= least, "{sku} went back from version {least} to {version}");
            }
        }
    });
    tokio::join!(join_all(trades), join_all(watches));
    let mut from_memory = 0;
    for reader in &readers {
        from_memory += reader.metric::<u64>(FROM_MEMORY).await;
    }
    println!("{from_memory} figures from memory");
    assert!(from_memory > rounds as u64, "only {from_memory} figures came from memory");
}

async fn an_owner_that_was_paused_answers_nothing_older_than_the_instance_that_took_over(
    world: Arc<World>,
) {
    let skus = skus(12);
    let stock: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), 5)).collect();
    let (mut stockbook, _) = Stockbook::stocked(&world, &stock).await;
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/stock", &token).await;
    let [owner] = &stockbook.readers()[..] else { panic!("one instance") };
    // 1. All figures are in the memory of the owner of all lanes.
    let all_from_memory = async || {
        let before: u64 = owner.metric(FROM_MEMORY).await;
        join_all(skus.iter().map(|sku| point(owner, sku))).await;
        owner.metric::<u64>(FROM_MEMORY).await - before
    };
    eventually("all figures come from memory", all_from_memory, |count| *count == 12).await;
    // 2. It pauses, and another one takes over.
    stockbook.queries[0].process().pause().expect("the service is paused");
    stockbook.add_query_service(&[]).await;
    stockbook.receive(&stock).await;
    let token = stockbook.heads().await;
    let other = stockbook.readers().remove(1);
    let path = format!("/v1/stock?min_position={token}&wait_ms=1000");
    let ask = async || other.get(&path).await.status;
    eventually("the other one has taken over", ask, |status| *status == 200).await;
    // 3. Requests wait for it while it is paused, so it answers them before it can learn anything.
    // On new connections, since it closes those that were idle for too long.
    let owner = &Api::of(&stockbook.queries[0]);
    let mut asked = pin!(join_all(skus.iter().map(|sku| point(owner, sku))));
    let early = timeout(Duration::from_millis(200), &mut asked).await;
    assert!(early.is_err(), "a paused service answers nothing");
    stockbook.queries[0].process().resume().expect("the service continues");
    for figure in asked.await {
        assert_eq!(figure["on_hand"], 10, "{figure}");
    }
    // 4. And then it goes on.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        for sku in &skus {
            let figure = point(owner, sku).await;
            assert_eq!(figure["on_hand"], 10, "{figure}");
        }
        for (sku, least) in listed(owner).await {
            assert!(version(&point(owner, &sku).await) >= least, "{sku} went back");
        }
    }
}
