//! Answers: JSON with the position that it reflects and an entity tag.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Json;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared_events::lane::{Lane, POSITION_HEADER, PositionToken};
use shared_events::time::Timestamp;
use sqlx::FromRow;
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use crate::http::rows::{self, Sum, token};

/// The header that carries the position an answer reflects.
pub const STOCK_POSITION: HeaderName = HeaderName::from_static(POSITION_HEADER);

/// The figures of an item, at one location or at all of them. At one location no figure is beyond 2^53 − 1;
/// a total over locations may be, even beyond 64 bits, and is an exact integer nevertheless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Figure {
    /// Physically there.
    pub on_hand: i128,
    /// Held for an owner until the hold ends.
    pub reserved: i128,
    /// Promised to confirmed reservations.
    pub allocated: i128,
    /// on_hand − reserved − allocated.
    pub available: i128,
    /// On its way here by transfers; not part of available.
    pub incoming: i128,
    /// Asked for by those who wait for it; not part of available.
    pub waiting: i128,
    /// How many events made these figures.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded; null without history.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_at: Option<Timestamp>,
}

/// The columns of a figure, in the order of its members.
pub type FigureColumns = [&'static str; 9];

/// The columns of a pair's figure.
pub const LEVEL: FigureColumns = [
    "on_hand",
    "reserved",
    "allocated",
    "available",
    "incoming",
    "waiting",
    "version",
    "position",
    "updated_at",
];

/// The columns of a sku's totals, in rows that also have the columns of a pair.
pub const TOTAL: FigureColumns = [
    "total_on_hand",
    "total_reserved",
    "total_allocated",
    "total_available",
    "total_incoming",
    "total_waiting",
    "total_version",
    "total_position",
    "total_updated_at",
];

impl Figure {
    /// Reads a figure. The columns of a pair without history are null, and its figures 0.
    pub fn of(row: &PgRow, lane: Lane, columns: &FigureColumns) -> sqlx::Result<Self> {
        let [
            on_hand,
            reserved,
            allocated,
            available,
            incoming,
            waiting,
            version,
            position,
            updated_at,
        ] = *columns;
        let number = |column| -> sqlx::Result<i64> {
            Ok(row.try_get::<Option<i64>, _>(column)?.unwrap_or_default())
        };
        let sum = |column| -> sqlx::Result<i128> {
            Ok(row.try_get::<Option<Sum>, _>(column)?.map(i128::from).unwrap_or_default())
        };
        Ok(Self {
            on_hand: sum(on_hand)?,
            reserved: sum(reserved)?,
            allocated: sum(allocated)?,
            available: sum(available)?,
            incoming: sum(incoming)?,
            waiting: sum(waiting)?,
            version: number(version)?,
            position: token(lane, number(position)?),
            updated_at: row.try_get::<Option<_>, _>(updated_at)?.map(Timestamp::new),
        })
    }

    /// The figure of a pair without history.
    pub fn none(lane: Lane) -> Self {
        Self {
            on_hand: 0,
            reserved: 0,
            allocated: 0,
            available: 0,
            incoming: 0,
            waiting: 0,
            version: 0,
            position: token(lane, 0),
            updated_at: None,
        }
    }

    /// The totals of several locations.
    pub fn sum<'a>(figures: impl IntoIterator<Item = &'a Self>, lane: Lane) -> Self {
        let mut sum = Self::none(lane);
        for one in figures {
            sum.on_hand += one.on_hand;
            sum.reserved += one.reserved;
            sum.allocated += one.allocated;
            sum.available += one.available;
            sum.incoming += one.incoming;
            sum.waiting += one.waiting;
            sum.version += one.version;
            for (lane, position) in one.position.iter() {
                sum.position.reach(lane, position);
            }
            sum.updated_at = sum.updated_at.max(one.updated_at);
        }
        sum
    }
}

impl FromRow<'_, PgRow> for Figure {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Self::of(row, rows::lane(row)?, &LEVEL)
    }
}

/// An entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// Equal tags mean equal bytes.
    Strong(String),
    /// Equal tags mean equal versions of everything in the answer.
    Weak(String),
}

impl Tag {
    pub fn of_versions(versions: &[i64]) -> Self {
        let versions: Vec<String> = versions.iter().map(i64::to_string).collect();
        Self::Strong(versions.join("."))
    }

    /// A tag made of a hash. Two builds may hash differently; then a client fetches once more.
    pub fn weak(state: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        Self::Weak(format!("{:016x}", hasher.finish()))
    }

    fn to_text(&self) -> String {
        match self {
            Self::Strong(text) => format!("\"{text}\""),
            Self::Weak(text) => format!("W/\"{text}\""),
        }
    }

    /// Whether the client has this state already. The comparison is weak (RFC 9110, section 13.1.2).
    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let (Self::Strong(text) | Self::Weak(text)) = self;
        let quoted = format!("\"{text}\"");
        headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == quoted)
    }
}

/// 200 with JSON, or 304 if the client has it already.
pub fn answer(
    request: &HeaderMap,
    position: &PositionToken,
    tag: &Tag,
    body: &impl Serialize,
) -> Response {
    let text = |text: String| HeaderValue::try_from(text).expect("tokens and tags are plain ASCII");
    let headers = [(STOCK_POSITION, text(position.to_string())), (ETAG, text(tag.to_text()))];
    if tag.is_known_to(request) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, Json(body)).into_response()
}

/// 200 with JSON, for requests that are never conditional.
pub fn untagged(position: &PositionToken, body: &impl Serialize) -> Response {
    let position = HeaderValue::try_from(position.to_string()).expect("a token is plain ASCII");
    ([(STOCK_POSITION, position)], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(if_none_match: &'static str) -> HeaderMap {
        [(IF_NONE_MATCH, HeaderValue::from_static(if_none_match))].into_iter().collect()
    }

    #[test]
    fn a_tag_the_client_has_is_known_in_any_form() {
        let tag = Tag::of_versions(&[7]);
        assert_eq!(tag.to_text(), "\"7\"");
        for known in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            assert!(tag.is_known_to(&headers(known)), "{known}");
        }
        for other in ["\"6\"", "7", "", "\"77\""] {
            assert!(!tag.is_known_to(&headers(other)), "{other}");
        }
        assert!(!tag.is_known_to(&HeaderMap::new()));
    }

    #[test]
    fn a_state_that_the_client_has_is_not_sent_again() {
        let position = token(Lane(3), 1042);
        let tag = Tag::of_versions(&[7, 2]);
        let fresh = answer(&HeaderMap::new(), &position, &tag, &"body");
        assert_eq!(fresh.status(), StatusCode::OK);
        assert_eq!(fresh.headers()[STOCK_POSITION], "3:1042");
        let known = answer(&headers("\"7.2\""), &position, &tag, &"body");
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(known.headers()[ETAG], "\"7.2\"");
    }
}
