//! Clients with idempotency keys: each asks until it knows what became of its command.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared_events::lane::PositionToken;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::history::{Ask, History, Kind, Settled};
use crate::system::System;

/// A client that hears nothing for so long hangs up and asks again.
const PATIENCE: Duration = Duration::from_secs(5);

/// After so long without an outcome a client gives up, and the run has failed.
const UNKNOWN_MAX: Duration = Duration::from_secs(120);

/// How often a client has something to ask.
const PACE: Duration = Duration::from_millis(100);

const CLIENTS: usize = 8;
const ITEMS: usize = 24;
const LOCATIONS: [&str; 2] = ["MAIN", "WEST"];

/// Everybody who asks something during a run.
pub(crate) struct Clients<'a> {
    pub(crate) system: &'a System,
    pub(crate) history: &'a History,
    /// Set when no more is to be asked.
    pub(crate) done: AtomicBool,
    keys: AtomicUsize,
    /// Answers of views that were compared with what they had to know.
    pub(crate) reads: AtomicUsize,
}

fn item(nth: usize) -> String {
    format!("S{nth:02}")
}

/// A line of a body, and what it takes or adds.
fn line(sku: &str, location: &str, quantity: i64) -> Value {
    json!({"sku": sku, "location": location, "quantity": quantity})
}

impl<'a> Clients<'a> {
    pub(crate) fn new(system: &'a System, history: &'a History) -> Self {
        let (done, keys, reads) = Default::default();
        Self { system, history, done, keys, reads }
    }

    /// A command under a new key.
    fn ask(&self, method: &'static str, path: impl Into<String>, body: Value) -> Ask {
        let key = format!("chaos-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        Ask { key, method, path: path.into(), body, on_hand: Vec::new() }
    }

    /// Sends a command to one instance after the other, or always to the same, until its outcome is known.
    pub(crate) async fn settle(&self, ask: Ask, at: usize, pinned: bool) -> Option<Settled> {
        let began = Instant::now();
        let body = ask.body.to_string();
        let mut attempts = 0;
        let mut last = String::new();
        while began.elapsed() < UNKNOWN_MAX {
            let instance = &self.system.commands[if pinned { at } else { (at + attempts) % 2 }];
            let api = if pinned { &instance.direct } else { &instance.api };
            attempts += 1;
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", ask.key.as_str()),
                ("correlation-id", ask.key.as_str()),
            ];
            let method = ask.method.parse().expect("a method's name");
            let body = Some(body.clone().into_bytes());
            let sent = api.try_send(method, &ask.path, &headers, body);
            match timeout(PATIENCE, sent).await {
                Ok(Ok(answer)) if is_known(answer.status, &answer.body) => {
                    let ended = Instant::now();
                    let (status, answer) = (answer.status, answer.body);
                    let settled = Settled { ask, began, ended, attempts, status, answer };
                    self.judge(&settled);
                    self.history.settle(settled.clone());
                    return Some(settled);
                }
                Ok(Ok(answer)) => {
                    if answer.status == 500 {
                        self.history
                            .violate(Kind::Broken, format!("{}: {}", ask.path, answer.body));
                    }
                    last = answer.body;
                }
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => "no answer in time".clone_into(&mut last),
            }
            sleep(Duration::from_millis(rand::rng().random_range(20..120))).await;
        }
        let unknown = format!("{}: outcome unknown after {attempts} attempts: {last}", ask.key);
        self.history.violate(Kind::Broken, unknown);
        None
    }

    /// Nobody here asks what cannot be decided.
    fn judge(&self, settled: &Settled) {
        if !matches!(settled.status, 200 | 201 | 404 | 409 | 412) {
            let Settled { ask, status, answer, .. } = settled;
            self.history
                .violate(Kind::Broken, format!("{} {}: {status}: {answer}", ask.key, ask.path));
        }
    }

    /// A command that has to be accepted.
    async fn must(&self, ask: Ask) {
        let path = ask.path.clone();
        if let Some(settled) = self.settle(ask, 0, false).await
            && !settled.is_acknowledged()
        {
            self.history.violate(Kind::Broken, format!("{path}: {}", settled.answer));
        }
    }

    /// Registers what everybody trades with.
    pub(crate) async fn prepare(&self) {
        for location in LOCATIONS {
            self.must(self.ask("PUT", format!("/v1/locations/{location}"), json!({}))).await;
        }
        let skus = (0..ITEMS).map(item).chain(["CANARY".to_owned()]);
        for sku in skus {
            self.must(self.ask("PUT", format!("/v1/items/{sku}"), json!({"reorder_point": 3})))
                .await;
        }
    }

    /// A receipt at one instance, to see whether it works; its position.
    pub(crate) async fn canary(&self, at: usize, pinned: bool) -> Option<PositionToken> {
        let body = json!({"lines": [line("CANARY", "MAIN", 1)]});
        let mut ask = self.ask("POST", "/v1/receipts", body);
        ask.on_hand.push((("CANARY".to_owned(), "MAIN".to_owned()), 1));
        let settled = self.settle(ask, at, pinned).await?;
        settled.json()["position"].as_str()?.parse().ok()
    }

    /// All of them, until they are done.
    pub(crate) async fn run(&self, seed: u64) {
        let traders = (0..CLIENTS).map(|nth| {
            let chance = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(nth as u64));
            self.trade(nth, chance)
        });
        let readers = (0..2).map(|nth| self.read(nth));
        futures::join!(join_all(traders), join_all(readers));
    }

    async fn trade(&self, nth: usize, mut chance: StdRng) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.done.load(Ordering::Relaxed) {
            pace.tick().await;
            let sku = item(chance.random_range(0..ITEMS).min(chance.random_range(0..ITEMS)));
            let way = chance.random_range(0..2);
            let (here, there) = (LOCATIONS[way], LOCATIONS[1 - way]);
            let quantity = chance.random_range(1..=4);
            let pair = |location: &str| (sku.clone(), location.to_owned());
            let lines = json!({"lines": [line(&sku, here, quantity)]});
            let mut ask = match chance.random_range(0..20) {
                0..=5 => self.ask("POST", "/v1/receipts", lines),
                6..=11 => self.ask("POST", "/v1/issues", lines),
                12..=13 => {
                    let line = json!({"sku": sku, "from": here, "to": there, "quantity": quantity});
                    self.ask("POST", "/v1/moves", json!({"lines": [line]}))
                }
                14 => {
                    let line = json!({"sku": sku, "location": here, "delta": -quantity});
                    let body = json!({"lines": [line], "reason": "damage"});
                    self.ask("POST", "/v1/adjustments", body)
                }
                15 => {
                    self.transfer(nth, &sku, here, there, quantity).await;
                    continue;
                }
                _ => {
                    self.reserve(nth, &mut chance, lines, &pair(here), quantity).await;
                    continue;
                }
            };
            ask.on_hand = match ask.path.as_str() {
                "/v1/receipts" => vec![(pair(here), quantity)],
                "/v1/moves" => vec![(pair(here), -quantity), (pair(there), quantity)],
                _ => vec![(pair(here), -quantity)],
            };
            self.settle(ask, nth, false).await;
        }
    }

    async fn transfer(&self, nth: usize, sku: &str, from: &str, to: &str, quantity: i64) {
        let line = json!({"sku": sku, "from": from, "to": to, "quantity": quantity});
        let mut ask = self.ask("POST", "/v1/transfers", json!({"lines": [line]}));
        ask.on_hand.push(((sku.to_owned(), from.to_owned()), -quantity));
        let Some(sent) = self.settle(ask, nth, false).await else { return };
        let json = sent.json();
        let Some(id) = json["transfer"]["id"].as_str() else { return };
        let body = json!({"lines": [{"line": 1, "quantity": quantity}]});
        let mut ask = self.ask("POST", format!("/v1/transfers/{id}/receive"), body);
        ask.on_hand.push(((sku.to_owned(), to.to_owned()), quantity));
        self.settle(ask, nth, false).await;
    }

    /// Holds stock or waits for it, and then ships it, lets it go, or leaves it to its end.
    async fn reserve(
        &self,
        nth: usize,
        chance: &mut StdRng,
        mut body: Value,
        pair: &(String, String),
        quantity: i64,
    ) {
        let waits = chance.random_range(0..3) == 0;
        body["owner"] = json!("chaos");
        body["ttl_seconds"] = json!(chance.random_range(1..=5));
        if waits {
            body["policy"] = json!("wait");
            body["wait_seconds"] = json!(chance.random_range(1..=4));
        }
        let held = self.settle(self.ask("POST", "/v1/reservations", body), nth, false).await;
        let Some(json) = held.map(|held| held.json()) else { return };
        let Some(id) = json["reservation"]["id"].as_str() else { return };
        let steps: &[&str] = match chance.random_range(0..5) {
            0 => &["release"],
            1 => &["confirm", "cancel"],
            2 => &["confirm", "fulfil"],
            3 => &["confirm", "fulfil", "return"],
            _ => &[],
        };
        for step in steps {
            let body = match *step {
                "return" => json!({"lines": [{"line": 1, "quantity": quantity}]}),
                _ => json!({}),
            };
            let mut ask = self.ask("POST", format!("/v1/reservations/{id}/{step}"), body);
            match *step {
                "fulfil" => ask.on_hand.push((pair.clone(), -quantity)),
                "return" => ask.on_hand.push((pair.clone(), quantity)),
                _ => {}
            }
            let settled = self.settle(ask, nth, false).await;
            if !settled.is_some_and(|settled| settled.is_acknowledged()) {
                return;
            }
        }
    }

    /// Reads what was acknowledged last, again and again: an answer knows at least that.
    async fn read(&self, nth: usize) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.done.load(Ordering::Relaxed) {
            pace.tick().await;
            let Some((path, position, version)) = self.history.last_figure() else { continue };
            let path = format!("/v1/stock/{path}?min_position={position}&wait_ms=1000");
            let api = &self.system.queries[nth].api;
            let asked = api.try_send(reqwest::Method::GET, &path, &[], None);
            let Ok(Ok(answer)) = timeout(PATIENCE, asked).await else { continue };
            match answer.status {
                200 => {
                    let seen = answer.json()["version"].as_i64();
                    if seen.is_none_or(|seen| seen < version) {
                        let stale = format!("{path}: at least version {version}: {}", answer.body);
                        self.history.violate(Kind::Differs, stale);
                    }
                    self.reads.fetch_add(1, Ordering::Relaxed);
                }
                503 => {}
                _ => {
                    let what = format!("{path}: {}: {}", answer.status, answer.body);
                    self.history.violate(Kind::Broken, what);
                }
            }
        }
    }

    /// Twelve clients at both instances for five units: five get one.
    pub(crate) async fn race(&self, number: usize) {
        let sku = format!("RACE{number}");
        let pair = (sku.clone(), "MAIN".to_owned());
        self.must(self.ask("PUT", format!("/v1/items/{sku}"), json!({}))).await;
        let body = json!({"lines": [line(&sku, "MAIN", 5)]});
        let mut ask = self.ask("POST", "/v1/receipts", body);
        ask.on_hand.push((pair.clone(), 5));
        self.must(ask).await;
        let racers = (0..12).map(|nth| {
            let body = json!({"lines": [line(&sku, "MAIN", 1)]});
            let mut ask = self.ask("POST", "/v1/issues", body);
            ask.on_hand.push((pair.clone(), -1));
            self.settle(ask, nth, false)
        });
        let sold = join_all(racers).await.into_iter().flatten();
        let sold = sold.filter(Settled::is_acknowledged).count();
        if sold != 5 {
            let kind = if sold > 5 { Kind::Oversold } else { Kind::Broken };
            self.history.violate(kind, format!("{sku}: 5 units, and {sold} were sold"));
        }
    }

    /// Asks acknowledged commands again: the same bytes, and nothing happens.
    pub(crate) async fn repeat(&self, every: usize) {
        let settled = self.history.settled();
        let repeated = settled.iter().filter(|one| one.status < 500).step_by(every.max(1));
        for one in repeated {
            let api = &self.system.commands[one.attempts % 2].direct;
            let headers =
                [("content-type", "application/json"), ("idempotency-key", one.ask.key.as_str())];
            let method = one.ask.method.parse().expect("a method's name");
            let body = Some(one.ask.body.to_string().into_bytes());
            match api.try_send(method, &one.ask.path, &headers, body).await {
                Ok(again) if (again.status, &again.body) == (one.status, &one.answer) => {}
                Ok(again) => {
                    let was = format!("{} {}", one.status, one.answer);
                    let what = format!(
                        "{}: {was}, and again {} {}",
                        one.ask.key, again.status, again.body
                    );
                    self.history.violate(Kind::Doubled, what);
                }
                Err(error) => {
                    self.history.violate(Kind::Broken, format!("{}: {error}", one.ask.key));
                }
            }
        }
    }
}

/// Whether an answer says what became of the command.
fn is_known(status: u16, body: &str) -> bool {
    match status {
        409 => !body.contains("/problems/idempotency_in_progress"),
        _ => status < 500,
    }
}
