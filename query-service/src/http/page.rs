//! Lists: bounded pages, each going on strictly after the last row of the one before.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, ReservationId, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::{IntoParams, ToSchema};

use crate::http::answer::Tag;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::wait::Reflecting;

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 200;

/// How to go through a list, for people.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters, which are taken one by one")]
pub struct PageParameters {
    /// the next_cursor of the page before
    cursor: Option<String>,
    /// 1 to 200, 50 by default
    limit: Option<i64>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Asks for the rows after these; null when there are none.
    pub next_cursor: Option<String>,
    /// The position of every lane that the page reflects.
    #[schema(value_type = String, example = "0:17,1:4")]
    pub position: PositionToken,
}

/// The last row of a page; opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Cursor {
    StockLevel { sku: Sku, location: LocationCode },
    Movement { recorded_at: Timestamp, lane: Lane, position: Position },
    Reservation { made_at: Timestamp, id: ReservationId },
    Item { sku: Sku },
    Location { code: LocationCode },
    Alert { sku: Sku, location: LocationCode },
}

impl Cursor {
    /// Takes `cursor`, if it is there.
    ///
    /// # Errors
    /// It was not made here, or for another list.
    pub fn take<T>(
        parameters: &mut Parameters,
        of_this_list: impl Fn(Self) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        match parameters.take_text("cursor") {
            None => Ok(None),
            Some(text) => {
                Self::decode(&text).and_then(of_this_list).map(Some).ok_or(Problem::InvalidCursor)
            }
        }
    }

    /// The text that callers get.
    pub fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("a key is text and integers");
        BASE64_URL_SAFE_NO_PAD.encode(json)
    }

    fn decode(text: &str) -> Option<Self> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// Where the last movement of a page stands, for lists of one lane.
pub fn last_position(cursor: Cursor) -> Option<Position> {
    match cursor {
        Cursor::Movement { position, .. } => Some(position),
        _ => None,
    }
}

/// Takes `limit`.
///
/// # Errors
/// It does not fit.
pub fn take_limit(parameters: &mut Parameters) -> Result<i64, Problem> {
    let limit = parameters.take_integer("limit", 1..=LIMIT_MAX)?;
    Ok(limit.unwrap_or(LIMIT_DEFAULT))
}

/// Makes a page of the rows of a list query, which was asked for one row more than the limit.
///
/// # Errors
/// A row is not what the query promises.
pub fn of_rows<T>(
    rows: &[PgRow],
    limit: i64,
    item: impl Fn(&PgRow) -> sqlx::Result<T>,
    cursor: impl Fn(&T) -> Cursor,
) -> Result<Reflecting<Page<T>>, Problem> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let limit = usize::try_from(limit).unwrap_or_default();
    page(first, &rows[..rows.len().min(limit)], rows.len() > limit, item, cursor)
}

/// Makes a page of the rows of a list query that ends its pages itself and says in `goes_on` whether
/// rows follow.
///
/// # Errors
/// A row is not what the query promises.
pub fn of_ended_rows<T>(
    rows: &[PgRow],
    item: impl Fn(&PgRow) -> sqlx::Result<T>,
    cursor: impl Fn(&T) -> Cursor,
) -> Result<Reflecting<Page<T>>, Problem> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    page(first, rows, first.try_get("goes_on")?, item, cursor)
}

fn page<T>(
    first: &PgRow,
    rows: &[PgRow],
    goes_on: bool,
    item: impl Fn(&PgRow) -> sqlx::Result<T>,
    cursor: impl Fn(&T) -> Cursor,
) -> Result<Reflecting<Page<T>>, Problem> {
    let position = reflected(first)?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get("present")? {
            items.push(item(row)?);
        }
    }
    let next_cursor = items.last().filter(|_| goes_on).map(|last| cursor(last).encode());
    Ok(Reflecting { position: position.clone(), found: Page { items, next_cursor, position } })
}

fn reflected(row: &PgRow) -> Result<PositionToken, Problem> {
    let text: String = row.try_get("reflected")?;
    text.parse().map_err(|error| Problem::internal(&format!("checkpoints read as {text}: {error}")))
}

impl<T> Page<T> {
    /// The page's tag: of each row its key and version, and whether more follow. The position, which
    /// moves with every event, is left out, so the tag is a weak one.
    pub fn tag<K: Hash>(&self, key: impl Fn(&T) -> K) -> Tag {
        // Two builds may hash differently; then a client fetches once more.
        let mut hasher = DefaultHasher::new();
        for item in &self.items {
            key(item).hash(&mut hasher);
        }
        self.next_cursor.hash(&mut hasher);
        Tag::Weak(format!("{:016x}", hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors() -> [Cursor; 6] {
        [
            Cursor::StockLevel {
                sku: "85123A".parse().expect("a sku"),
                location: "MAIN".parse().expect("a location"),
            },
            Cursor::Movement {
                recorded_at: "2026-11-20T10:00:00.000001Z".parse().expect("a time"),
                lane: Lane(3),
                position: Position(1042),
            },
            Cursor::Reservation {
                made_at: "2026-11-20T10:00:00.000001Z".parse().expect("a time"),
                id: "117-019a9f3c-5a3e-7cc1-8a05-0242ac120002".parse().expect("an id"),
            },
            Cursor::Item { sku: "85123A".parse().expect("a sku") },
            Cursor::Location { code: "MAIN".parse().expect("a location") },
            Cursor::Alert {
                sku: "85123A".parse().expect("a sku"),
                location: "MAIN".parse().expect("a location"),
            },
        ]
    }

    #[test]
    fn a_cursor_reads_back_and_needs_no_escaping() {
        for cursor in cursors() {
            let text = cursor.encode();
            assert_eq!(Cursor::decode(&text), Some(cursor));
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(text.bytes().all(is_plain), "{text}");
        }
    }

    #[test]
    fn what_was_not_made_here_is_refused() {
        let forged = BASE64_URL_SAFE_NO_PAD.encode(r#"{"item":{"sku":"a b"}}"#);
        for bad in ["", "x", "====", "bm90IGpzb24", forged.as_str()] {
            assert_eq!(Cursor::decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let [level, ..] = cursors();
        let mut parameters: Parameters =
            [("cursor".to_owned(), level.encode())].into_iter().collect();
        let taken = Cursor::take(&mut parameters, |cursor| match cursor {
            Cursor::Item { sku } => Some(sku),
            _ => None,
        });
        assert!(matches!(taken, Err(Problem::InvalidCursor)));
    }
}
