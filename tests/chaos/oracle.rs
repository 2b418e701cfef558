//! What the log has to say, folded here from the JSON of its rows, without any code of the services.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde_json::Value;
use sqlx::{PgConnection, Row};

use crate::history::{History, Kind, Pair, Settled};

/// on_hand, reserved, allocated, incoming, waiting.
pub(crate) type Figures = [i64; 5];

pub(crate) const FIGURES: [&str; 5] = ["on_hand", "reserved", "allocated", "incoming", "waiting"];

/// A row of the log.
pub(crate) struct Event {
    pub(crate) lane: i64,
    pub(crate) position: i64,
    pub(crate) stream: String,
    pub(crate) version: i64,
    pub(crate) kind: String,
    pub(crate) correlation: String,
    pub(crate) actor: Option<String>,
    pub(crate) data: String,
    pub(crate) chain: String,
}

/// What a stock stream comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) figures: Figures,
    pub(crate) version: i64,
    pub(crate) lane: i64,
    pub(crate) position: i64,
}

/// The whole log, and what it comes to.
#[derive(Default)]
pub(crate) struct Log {
    /// By lane and position.
    pub(crate) events: Vec<Event>,
    pub(crate) levels: BTreeMap<Pair, Level>,
    /// The last status of each reservation.
    pub(crate) reservations: BTreeMap<String, String>,
    pub(crate) movements: i64,
}

impl Log {
    /// Reads all rows from the table itself.
    pub(crate) async fn read(database: &mut PgConnection) -> sqlx::Result<Self> {
        let query =
            "select lane::bigint as lane, position, stream, version, type, correlation_id, actor,
            data::text as data, encode(chain, 'hex') as chain from events order by lane, position";
        let rows = sqlx::query(query).fetch_all(database).await?;
        let event = |row: &sqlx::postgres::PgRow| -> sqlx::Result<Event> {
            Ok(Event {
                lane: row.try_get("lane")?,
                position: row.try_get("position")?,
                stream: row.try_get("stream")?,
                version: row.try_get("version")?,
                kind: row.try_get("type")?,
                correlation: row.try_get("correlation_id")?,
                actor: row.try_get("actor")?,
                data: row.try_get("data")?,
                chain: row.try_get("chain")?,
            })
        };
        let events = rows.iter().map(event).collect::<sqlx::Result<_>>()?;
        Ok(Self { events, ..Self::default() })
    }

    /// Folds all events, and says what cannot be.
    pub(crate) fn fold(&mut self, history: &History) {
        let mut heads: HashMap<i64, i64> = HashMap::new();
        let mut versions: HashMap<&str, i64> = HashMap::new();
        for event in &self.events {
            let head = heads.entry(event.lane).or_default();
            let version = versions.entry(&event.stream).or_default();
            (*head, *version) = (*head + 1, *version + 1);
            if (event.position, event.version) != (*head, *version) {
                let what = format!("{} is not position {head}, version {version}", event.name());
                history.violate(Kind::Differs, what);
            }
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            if let Some(id) = event.stream.strip_prefix("reservation/") {
                if let Some(status) = data["after"]["status"].as_str() {
                    self.reservations.insert(id.to_owned(), status.to_owned());
                }
                continue;
            }
            let (Some(sku), Some(location)) = (data["sku"].as_str(), data["location"].as_str())
            else {
                continue;
            };
            if !event.stream.starts_with("stock/") {
                continue;
            }
            self.movements += 1;
            let level = self.levels.entry((sku.to_owned(), location.to_owned())).or_default();
            let change = change(&event.kind, &data);
            level.figures = [0, 1, 2, 3, 4].map(|nth| level.figures[nth] + change[nth]);
            (level.version, level.lane, level.position) =
                (event.version, event.lane, event.position);
            let says = FIGURES.map(|name| data["after"][name].as_i64().unwrap_or(0));
            if says != level.figures {
                let what =
                    format!("{} says {says:?}, its history {:?}", event.name(), level.figures);
                history.violate(Kind::Differs, what);
            }
            let [on_hand, reserved, allocated, ..] = level.figures;
            if level.figures.iter().any(|amount| *amount < 0) || on_hand < reserved + allocated {
                history.violate(Kind::Oversold, format!("{}: {:?}", event.name(), level.figures));
            }
        }
    }

    /// Every acknowledged command is in the log once and as it was answered, and nothing else is.
    pub(crate) fn judge(&self, history: &History) {
        let mut by_correlation: HashMap<&str, Vec<&Event>> = HashMap::new();
        for event in &self.events {
            by_correlation.entry(&event.correlation).or_default().push(event);
        }
        let settled = history.settled();
        for one in &settled {
            let recorded = by_correlation.remove(one.ask.key.as_str()).unwrap_or_default();
            self.judge_one(one, &recorded, history);
        }
        for (correlation, events) in by_correlation {
            // The sweeper's events have the reservation as their correlation, or the stock.
            for event in events {
                let by_sweeper = event.actor.as_deref() == Some("stockbook");
                if !by_sweeper {
                    let what =
                        format!("{} of {correlation}, which nobody was answered", event.name());
                    history.violate(Kind::Doubled, what);
                }
            }
        }
        for (pair, amount) in history.on_hand() {
            let there = self.levels.get(&pair).map_or(0, |level| level.figures[0]);
            if there != amount {
                let kind = if there < amount { Kind::Lost } else { Kind::Doubled };
                let what =
                    format!("{pair:?}: {amount} by what was acknowledged, {there} in the log");
                history.violate(kind, what);
            }
        }
        judge_order(&settled, history);
    }

    fn judge_one(&self, one: &Settled, recorded: &[&Event], history: &History) {
        let key = &one.ask.key;
        if !one.is_acknowledged() {
            if let Some(event) = recorded.first() {
                let what =
                    format!("{key} was refused with {}, and {} exists", one.status, event.name());
                history.violate(Kind::Doubled, what);
            }
            return;
        }
        let json = one.json();
        let answered = json["events"].as_array().cloned().unwrap_or_default();
        for event in &answered {
            let is_it = |other: &&&Event| {
                event["id"] == other.id()
                    && event["stream"] == other.stream
                    && event["version"] == other.version
                    && event["type"] == other.kind
            };
            if recorded.iter().find(is_it).is_none() {
                history.violate(Kind::Lost, format!("{key}: {event} is not in the log"));
            }
        }
        if recorded.len() > answered.len() {
            let what =
                format!("{key}: {} events answered, {} in the log", answered.len(), recorded.len());
            history.violate(Kind::Doubled, what);
        }
    }
}

impl Event {
    fn id(&self) -> String {
        format!("{}-{}", self.lane, self.position)
    }

    pub(crate) fn name(&self) -> String {
        format!("{} ({} {} version {})", self.id(), self.kind, self.stream, self.version)
    }
}

/// Who was answered before another one asked, comes before it in each history that both are in.
fn judge_order(settled: &[Settled], history: &History) {
    let mut streams: HashMap<String, Vec<(i64, &Settled)>> = HashMap::new();
    for one in settled.iter().filter(|one| one.is_acknowledged()) {
        for event in one.json()["events"].as_array().into_iter().flatten() {
            if let (Some(stream), Some(version)) =
                (event["stream"].as_str(), event["version"].as_i64())
            {
                streams.entry(stream.to_owned()).or_default().push((version, one));
            }
        }
    }
    for (stream, mut events) in streams {
        events.sort_by_key(|(version, _)| -version);
        let mut first_end: Option<Instant> = None;
        for (version, one) in events {
            if first_end.is_some_and(|end| end < one.began) {
                let what = format!(
                    "{stream} version {version} was asked for after a later one was answered"
                );
                history.violate(Kind::Differs, what);
            }
            first_end = Some(first_end.map_or(one.ended, |end| end.min(one.ended)));
        }
    }
}

/// What an event of a stock stream does to the figures, by its type and quantity alone.
fn change(kind: &str, data: &Value) -> Figures {
    let amount = |name: &str| data[name].as_i64().unwrap_or(0);
    let (quantity, delta) = (amount("quantity"), amount("delta"));
    match kind {
        "StockReceived" | "StockMovedIn" | "StockBroughtBack" | "StockReturned" => {
            [quantity, 0, 0, 0, 0]
        }
        "StockIssued" | "StockMovedOut" | "StockDispatched" => [-quantity, 0, 0, 0, 0],
        "StockAdjusted" | "StockSet" | "StockReversed" => [delta, 0, 0, 0, 0],
        "StockReserved" => [0, quantity, 0, 0, 0],
        "StockReleased" | "StockHoldExpired" => [0, -quantity, 0, 0, 0],
        "StockAllocated" => [0, -quantity, quantity, 0, 0],
        "StockDeallocated" => [0, 0, -quantity, 0, 0],
        "StockFulfilled" => [-quantity, 0, -quantity, 0, 0],
        "StockExpected" => [0, 0, 0, quantity, 0],
        "StockArrived" => [quantity, 0, 0, -quantity, 0],
        "StockLost" | "StockRecalled" => [0, 0, 0, -quantity, 0],
        "StockWaitlisted" => [0, 0, 0, 0, quantity],
        "StockWaitlistFilled" => [0, quantity, 0, 0, -quantity],
        "StockWaitlistLeft" => [0, 0, 0, 0, -quantity],
        _ => [0; 5],
    }
}
