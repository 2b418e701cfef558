//! Each snapshot of today's fold, against the fold of its stream.

use serde_json::Value;
use shared_events::lane::{Lane, Position, Version};
use shared_events::stream::Stream;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

use super::Stopped;
use super::lane::Difference;
use crate::inventory::FOLD_VERSION;
use crate::log::read::{Folded, LogReader, ReadError, Until};

/// How many snapshots there are.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counted {
    /// Those that are what folding gives.
    pub(super) good: u64,
    /// Those of another log, which nobody believes: what a restore of the events alone leaves.
    pub(super) foreign: u64,
}

/// Walks all snapshots, one at a time and each stream page by page.
pub(super) async fn walk(pool: &PgPool) -> Result<Counted, Stopped> {
    let log = LogReader::new(pool.clone());
    let mut counted = Counted::default();
    let mut after = String::new();
    loop {
        let next = sqlx::query(include_str!("../../queries/verify_snapshot.sql"))
            .bind(FOLD_VERSION)
            .bind(&after)
            .fetch_optional(pool)
            .await?;
        let Some(row) = next else {
            return Ok(counted);
        };
        after = row.try_get("stream")?;
        if row.try_get("is_of_this_log")? {
            check(&log, &row).await?;
            counted.good += 1;
        } else {
            counted.foreign += 1;
        }
    }
}

async fn check(log: &LogReader, row: &PgRow) -> Result<(), Stopped> {
    let version = Version(row.try_get("version")?);
    let stream: Stream = parsed(row.try_get::<&str, _>("stream")?.parse())?;
    let found: Value = parsed(serde_json::from_str(row.try_get("state")?))?;
    let (lane, position, expected) = match log.fold(&stream, Until::Version(version)).await? {
        Folded::State { lane, position, state, .. } => {
            (lane, position, parsed(serde_json::to_value(&state))?)
        }
        // The event with which the snapshot ends was there a moment ago.
        Folded::Unknown | Folded::Beyond { .. } | Folded::Ahead { .. } => {
            (Lane(0), Position::default(), Value::Null)
        }
    };
    match first_difference(&expected, &found) {
        None => Ok(()),
        Some((member, expected, found)) => Err(Stopped::Differs(Difference {
            lane,
            position,
            stream: Some(stream.to_string()),
            what: format!("{member} in the snapshot of version {version}"),
            expected,
            found,
        })),
    }
}

fn parsed<T, E>(value: Result<T, E>) -> Result<T, ReadError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    value.map_err(|error| ReadError::Corrupt(sqlx::Error::Decode(Box::new(error))))
}

/// Where two values first differ, as a JSON pointer, and what they are there.
fn first_difference(expected: &Value, found: &Value) -> Option<(String, String, String)> {
    let below =
        |step: &str, expected: Option<&Value>, found: Option<&Value>| match (expected, found) {
            (Some(expected), Some(found)) => first_difference(expected, found)
                .map(|(rest, expected, found)| (format!("/{step}{rest}"), expected, found)),
            (expected, found) => Some((format!("/{step}"), told(expected), told(found))),
        };
    match (expected, found) {
        (Value::Object(all), Value::Object(other)) => {
            let mut names: Vec<&String> = all.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().find_map(|name| below(name, all.get(name), other.get(name)))
        }
        (Value::Array(all), Value::Array(other)) => (0..all.len().max(other.len()))
            .find_map(|nth| below(&nth.to_string(), all.get(nth), other.get(nth))),
        _ if expected == found => None,
        _ => Some((String::new(), told(Some(expected)), told(Some(found)))),
    }
}

fn told(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_told_with_its_place() {
        let first = |expected: Value, found: Value| first_difference(&expected, &found);
        let told = |member: &str, expected: &str, found: &str| {
            Some((member.to_owned(), expected.to_owned(), found.to_owned()))
        };
        assert_eq!(first(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]})), None);
        assert_eq!(first(json!({"a": [1, 2]}), json!({"a": [1, 3]})), told("/a/1", "2", "3"));
        assert_eq!(first(json!({"a": [1]}), json!({"a": []})), told("/a/0", "1", "nothing"));
        assert_eq!(first(json!({}), json!({"c": {}})), told("/c", "nothing", "{}"));
        assert_eq!(first(json!(null), json!({})), told("", "null", "{}"));
    }
}
