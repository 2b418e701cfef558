//! The topic, the views and their answers, compared with what the log comes to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context;
use integration_tests::{Api, read_messages};
use rdkafka::message::{Headers, Message, OwnedMessage};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::history::{History, Kind, Pair};
use crate::oracle::{Event, FIGURES, Level, Log};
use crate::system::{LANES, System, TOPIC};

fn header<'a>(message: &'a OwnedMessage, name: &str) -> &'a str {
    let mut headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let value = headers.find(|header| header.key == name).and_then(|header| header.value);
    value.map_or("", |value| std::str::from_utf8(value).unwrap_or(""))
}

/// What a record says that its event does not.
fn difference(message: &OwnedMessage, event: &Event) -> Option<String> {
    let said = [
        (
            "value",
            std::str::from_utf8(message.payload().unwrap_or_default()).unwrap_or(""),
            &*event.data,
        ),
        (
            "key",
            std::str::from_utf8(message.key().unwrap_or_default()).unwrap_or(""),
            &event.stream,
        ),
        ("ce_type", header(message, "ce_type"), &event.kind),
        ("version", header(message, "version"), &event.version.to_string()),
        ("correlation_id", header(message, "correlation_id"), &event.correlation),
        ("chain", header(message, "chain"), &event.chain),
    ];
    let wrong = said.into_iter().find(|(_, record, log)| record != log);
    wrong.map(|(name, record, log)| format!("{name} {record:?}, in the log {log:?}"))
}

/// A reader that drops what it has sees the log, and nothing on the topic is not in the log. In a topic that
/// was deleted meanwhile, what was on its way to the old one may come first.
pub(crate) async fn topic(system: &System, log: &Log, history: &History, is_whole: bool) {
    for lane in 0..LANES {
        let of_lane = |event: &&Event| event.lane == i64::from(lane);
        let events: Vec<&Event> = log.events.iter().filter(of_lane).collect();
        let (mut reached, mut first_gap) = (0, None);
        for message in read_messages(&system.brokers, TOPIC, lane).await {
            let position: i64 = header(&message, "position").parse().unwrap_or(0);
            if position == reached + 1 {
                reached = position;
            } else if position > reached {
                first_gap = first_gap.or(Some((reached, position)));
            }
            let at = usize::try_from(position - 1).ok();
            let wrong = match at.and_then(|at| events.get(at)) {
                Some(event) => difference(&message, event),
                None => Some(format!("position {position} is not in the log")),
            };
            if let Some(wrong) = wrong {
                history.violate(
                    Kind::Differs,
                    format!("partition {lane}, position {position}: {wrong}"),
                );
            }
        }
        if reached < events.len() as i64 {
            let what = format!("partition {lane} reaches {reached} of {}", events.len());
            history.violate(Kind::Differs, what);
        }
        if let (true, Some((from, to))) = (is_whole, first_gap) {
            history.violate(Kind::Differs, format!("partition {lane} jumps from {from} to {to}"));
        }
    }
}

/// The figures of each pair, as the rows of the version of `stock` that answers have them.
async fn rows(database: &mut PgConnection, version: i64) -> anyhow::Result<BTreeMap<Pair, Level>> {
    let query = format!(
        "select sku, location, on_hand, reserved, allocated, incoming, waiting, version, position,
            lane::bigint as lane from stock_v{version}.stock_levels"
    );
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(database).await?;
    let mut levels = BTreeMap::new();
    for row in rows {
        let mut figures = [0; 5];
        for (figure, name) in figures.iter_mut().zip(FIGURES) {
            *figure = row.try_get(name)?;
        }
        let (version, lane, position) =
            (row.try_get("version")?, row.try_get("lane")?, row.try_get("position")?);
        let pair = (row.try_get("sku")?, row.try_get("location")?);
        levels.insert(pair, Level { figures, version, lane, position });
    }
    Ok(levels)
}

/// The figures of each item over all its locations, as the rows have them; they are `numeric`.
async fn totals(
    database: &mut PgConnection,
    version: i64,
) -> anyhow::Result<BTreeMap<String, [i64; 5]>> {
    let query = format!(
        "select sku, on_hand::bigint, reserved::bigint, allocated::bigint, incoming::bigint,
            waiting::bigint from stock_v{version}.stock_totals"
    );
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(database).await?;
    let mut totals = BTreeMap::new();
    for row in rows {
        let mut figures = [0; 5];
        for (figure, name) in figures.iter_mut().zip(FIGURES) {
            *figure = row.try_get(name)?;
        }
        totals.insert(row.try_get("sku")?, figures);
    }
    Ok(totals)
}

/// Every row of a list, page by page. Unlike a test's own client it gets an error when nobody answers.
async fn list(api: &Api, path: &str) -> anyhow::Result<Vec<Value>> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{path}{cursor}");
        let answer = api.try_send(reqwest::Method::GET, &path, &[], None).await?;
        anyhow::ensure!(answer.status == 200, "{path}: {}: {}", answer.status, answer.body);
        let page: Value = serde_json::from_str(&answer.body)?;
        items.extend(page["items"].as_array().cloned().context("a list")?);
        let Some(next) = page["next_cursor"].as_str() else { return Ok(items) };
        cursor = format!("&cursor={next}");
    }
}

/// The version of `stock` that answers.
async fn active(api: &Api) -> anyhow::Result<i64> {
    let lanes = list(api, "/v1/projections?").await?;
    let is_it = |one: &&Value| one["projection"] == "stock" && one["active"] == true;
    lanes.iter().find(is_it).and_then(|one| one["version"].as_i64()).context("no stock answers")
}

/// Rows and answers of both instances are what the log comes to.
pub(crate) async fn views(system: &System, log: &Log, history: &History) -> anyhow::Result<()> {
    let mut database = system.superuser(system.urls.read.path()).await?;
    let version = active(&system.queries[0].direct).await?;
    let rows = rows(&mut database, version).await?;
    compare("row", &log.levels, &rows, history);
    let mut sums: BTreeMap<String, [i64; 5]> = BTreeMap::new();
    for ((sku, _), level) in &log.levels {
        let sum = sums.entry(sku.clone()).or_default();
        *sum = [0, 1, 2, 3, 4].map(|nth| sum[nth] + level.figures[nth]);
    }
    compare("total", &sums, &totals(&mut database, version).await?, history);
    let movements = format!("select count(*) from stock_v{version}.movements");
    let movements: i64 =
        sqlx::query_scalar(AssertSqlSafe(movements)).fetch_one(&mut database).await?;
    if movements != log.movements {
        let what = format!("{movements} movements in the view, {} in the log", log.movements);
        history.violate(Kind::Differs, what);
    }
    for instance in &system.queries {
        let mut answered = BTreeMap::new();
        for item in list(&instance.direct, "/v1/stock?limit=200").await? {
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            let figures = FIGURES.map(|name| item[name].as_i64().unwrap_or(i64::MIN));
            let (lane, position) = text("position")
                .split_once(':')
                .and_then(|(lane, position)| Some((lane.parse().ok()?, position.parse().ok()?)))
                .unwrap_or_default();
            let version = item["version"].as_i64().unwrap_or_default();
            let level = Level { figures, version, lane, position };
            answered.insert((text("sku"), text("location")), level);
        }
        compare("answer", &log.levels, &answered, history);
        let held = list(&instance.direct, "/v1/reservations?owner=chaos&limit=200").await?;
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let held: BTreeMap<String, String> =
            held.iter().map(|one| (text(one, "id"), text(one, "status"))).collect();
        compare("reservation", &log.reservations, &held, history);
        let report =
            instance.direct.try_send(reqwest::Method::GET, "/v1/integrity", &[], None).await?;
        let report: Value = serde_json::from_str(&report.body)?;
        if report["ok"] != true || report["checked"] != log.events.len() {
            history.violate(Kind::Differs, format!("/v1/integrity: {report}"));
        }
    }
    Ok(())
}

fn compare<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    log: &BTreeMap<K, V>,
    seen: &BTreeMap<K, V>,
    history: &History,
) {
    for key in log.keys().chain(seen.keys().filter(|key| !log.contains_key(key))) {
        if log.get(key) != seen.get(key) {
            let (log, seen) = (log.get(key), seen.get(key));
            history
                .violate(Kind::Differs, format!("{what} of {key:?}: {seen:?}, by the log {log:?}"));
        }
    }
}

/// What is stuck where: each sku that differs with its stream, its lane and the view's row, and how far the
/// relay and the views are.
pub(crate) async fn stuck(system: &System) -> String {
    let mut said = String::new();
    for (name, instances) in
        [("/v1/relay", &system.commands), ("/v1/projections?", &system.queries)]
    {
        for instance in instances {
            match list(&instance.direct, name).await {
                Ok(lanes) => {
                    let behind = |one: &&Value| one["lag"] != 0 || one["error"].is_string();
                    for lane in lanes.iter().filter(behind) {
                        let _ = writeln!(said, "  {} {name} {lane}", instance.direct.base());
                    }
                }
                Err(error) => drop(writeln!(said, "  {} {error:#}", instance.direct.base())),
            }
        }
    }
    if let Err(error) = differing(system, &mut said).await {
        let _ = writeln!(said, "  rows cannot be compared: {error:#}");
    }
    said
}

async fn differing(system: &System, said: &mut String) -> anyhow::Result<()> {
    let mut log = Log::read(&mut system.superuser(system.urls.write.path()).await?).await?;
    log.fold(&History::default());
    let version = active(&system.queries[0].direct).await?;
    let rows = rows(&mut system.superuser(system.urls.read.path()).await?, version).await?;
    for ((sku, location), level) in &log.levels {
        let row = rows.get(&(sku.clone(), location.clone()));
        if row != Some(level) {
            let _ = writeln!(said, "  stock/{sku}/{location}: log {level:?}, view {row:?}");
        }
    }
    Ok(())
}
