//! Clients that trade under keys while something goes wrong, and know afterwards what was done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::api::{Answer, Api};
use crate::bodies::lines_at_main;
use crate::eventually::{DEADLINE, LOOK_AGAIN, eventually};
use crate::stockbook::Stockbook;

/// A command with its outcome.
pub struct Traded {
    path: &'static str,
    key: String,
    body: Value,
    sku: &'static str,
    /// What it adds to the stock, if it is accepted.
    adds: i64,
    answer: Answer,
}

/// Clients at work.
pub struct Traders {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<Traded>>>,
}

impl Traders {
    /// Lets clients receive and issue these items, at one instance after the other.
    pub fn start(instances: &[Api], skus: &[&'static str], clients: usize, seed: u64) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = |number: usize| {
            let (instances, skus) = (instances.to_vec(), skus.to_vec());
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            let mut random = StdRng::seed_from_u64(seed + number as u64);
            tokio::spawn(async move {
                let mut all = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let sku = skus[random.random_range(0..skus.len())];
                    let quantity = random.random_range(1..5);
                    let (path, adds) = match random.random() {
                        true => ("/v1/receipts", quantity),
                        false => ("/v1/issues", -quantity),
                    };
                    let key = format!("trader-{seed}-{number}-{}", all.len());
                    let body = lines_at_main(&[(sku, quantity)]);
                    let answer = outcome(&instances, number + all.len(), path, &key, &body).await;
                    done.fetch_add(1, Ordering::Relaxed);
                    all.push(Traded { path, key, body, sku, adds, answer });
                }
                all
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, done, clients }
    }

    /// Commands with an outcome so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits for the outcomes of so many more commands.
    pub async fn more(&self, count: u64) {
        let enough = self.done() + count;
        eventually("clients get on", async || self.done(), |done| *done >= enough).await;
    }

    /// Lets the clients finish what they asked for.
    pub async fn stop(self) -> Vec<Traded> {
        self.stop.store(true, Ordering::Relaxed);
        let all = join_all(self.clients).await.into_iter();
        all.flat_map(|traded| traded.expect("a client ends well")).collect()
    }
}

/// Asks under a key, at one instance after the other, until the outcome is known.
async fn outcome(instances: &[Api], first: usize, path: &str, key: &str, body: &Value) -> Answer {
    let deadline = Instant::now() + DEADLINE;
    let mut attempt = first;
    loop {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let instance = &instances[attempt % instances.len()];
        let bytes = Some(body.to_string().into_bytes());
        let seen = instance.try_send(Method::POST, path, &headers, bytes).await;
        match seen {
            Ok(answer) if answer.status == 200 || is_short(&answer) => return answer,
            Ok(answer) if answer.status != 503 && !is_under_way(&answer) => panic!("{answer:?}"),
            seen => assert!(Instant::now() < deadline, "no outcome of {key}: {seen:?}"),
        }
        attempt += 1;
        sleep(LOOK_AGAIN).await;
    }
}

fn is_short(answer: &Answer) -> bool {
    answer.status == 409 && answer.body.contains("/problems/insufficient_stock")
}

fn is_under_way(answer: &Answer) -> bool {
    answer.status == 409 && answer.body.contains("/problems/idempotency_in_progress")
}

/// How many were accepted.
pub fn accepted(all: &[Traded]) -> usize {
    all.iter().filter(|traded| traded.answer.status == 200).count()
}

/// Fails unless each command that was accepted is in the log once, and no other one, where every item had so much
/// before; and unless each is answered the same when it is asked again, by any instance.
pub async fn assert_done_once(stockbook: &Stockbook, skus: &[&str], before: i64, all: &[Traded]) {
    for sku in skus {
        let of_sku = all.iter().filter(|one| one.sku == *sku && one.answer.status == 200);
        let expected = before + of_sku.map(|one| one.adds).sum::<i64>();
        assert_eq!(stockbook.command().figures(sku).await.on_hand, expected, "{sku}");
    }
    let instances = stockbook.instances();
    for chunk in all.chunks(16) {
        join_all(chunk.iter().enumerate().map(async |(nth, one)| {
            let again = instances[nth % instances.len()].keyed(one.path, &one.key, &one.body).await;
            assert_eq!((again.status, &again.body), (one.answer.status, &one.answer.body));
            assert!(again.is_replayed(), "{again:?}");
        }))
        .await;
    }
}
