//! What the clients asked and what they were answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;

/// Violations that are printed.
const SHOWN: usize = 40;

/// A sku and a location.
pub(crate) type Pair = (String, String);

/// A command as a client asks it, with what it does to what is there if it is accepted.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Its idempotency key, and its correlation.
    pub(crate) key: String,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) on_hand: Vec<(Pair, i64)>,
}

/// A command whose outcome is known.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) ask: Ask,
    /// When it was sent for the first time, and when its outcome was known.
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) attempts: usize,
    pub(crate) status: u16,
    pub(crate) answer: String,
}

/// Everything that was settled, and what must not have been.
#[derive(Default)]
pub(crate) struct History {
    settled: Mutex<Vec<Settled>>,
    violations: Mutex<Vec<Kind>>,
    acknowledged: AtomicUsize,
}

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An acknowledged command is not in the log, or not as it was acknowledged.
    Lost,
    /// A command took effect twice.
    Doubled,
    /// Something was given away that was not there.
    Oversold,
    /// The log, the topic, a view or an answer says something else than the log's fold.
    Differs,
    /// Anything else.
    Broken,
}

impl Settled {
    pub(crate) fn is_acknowledged(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.answer).unwrap_or_default()
    }
}

impl History {
    pub(crate) fn settle(&self, settled: Settled) {
        if settled.is_acknowledged() {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).push(settled);
    }

    pub(crate) fn violate(&self, kind: Kind, what: impl Into<String>) {
        let mut violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        if violations.len() < SHOWN {
            println!("VIOLATION {kind:?}: {}", what.into());
        }
        violations.push(kind);
    }

    /// How many commands were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    pub(crate) fn settled(&self) -> Vec<Settled> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn violations(&self) -> Vec<Kind> {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the last acknowledged command says of a figure: `sku/location`, the position and its version.
    pub(crate) fn last_figure(&self) -> Option<(String, String, i64)> {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.iter().rev().take(20).find_map(|settled| {
            let json = settled.json();
            let figure = json["figures"].as_array()?.first()?.clone();
            let path = format!("{}/{}", figure["sku"].as_str()?, figure["location"].as_str()?);
            Some((path, json["position"].as_str()?.to_owned(), figure["version"].as_i64()?))
        })
    }

    /// What must be there of each item at each location, by the acknowledged commands alone.
    pub(crate) fn on_hand(&self) -> BTreeMap<Pair, i64> {
        let mut there = BTreeMap::new();
        for settled in self.settled().iter().filter(|settled| settled.is_acknowledged()) {
            for (pair, amount) in &settled.ask.on_hand {
                *there.entry(pair.clone()).or_default() += amount;
            }
        }
        there
    }
}
