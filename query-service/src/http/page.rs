//! Lists: bounded pages, each continuing strictly after the last row of the page before.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::hash::Hash;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_edge::sign_in::credential::Locations;
use shared_events::lane::PositionToken;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Encode, FromRow, Postgres, QueryBuilder, Row, Type};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::http::Service;
use crate::http::answer::Tag;
use crate::http::parameters::Integer;
use crate::http::problem::Problem;
use crate::http::wait::AsOf;

const LIMIT_DEFAULT: i64 = 50;
pub const LIMIT_MAX: i64 = 200;

/// A page of things with lines ends with the one that brings it to so many, as many as one may have.
pub const LINES_MAX: i64 = 5_000;

/// The parameters of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200, 50 by default.
    #[param(value_type = Option<i64>)]
    limit: Option<Integer<1, LIMIT_MAX>>,
}

/// What a route may answer with instead of a page.
#[derive(IntoResponses)]
pub enum PageResponses {
    #[response(status = 304)]
    NotModified,
    #[response(status = 422, description = "invalid_parameter, invalid_cursor, invalid_position")]
    Invalid,
    #[response(status = 503, description = "not_yet_applied, projection_unavailable")]
    Unavailable,
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

/// A row of a list.
pub trait ListRow: for<'r> FromRow<'r, PgRow> + Serialize {
    /// The list's name in cursors, so that a cursor of another list is refused.
    const LIST: &'static str;

    /// The SQL order of the list, in columns of the page.
    const ORDER: &'static str;

    /// The values of a row that the order goes by; unique.
    type Key: Serialize + DeserializeOwned + Hash;

    fn key(&self) -> Self::Key;

    /// Changes whenever the row does.
    fn version(&self) -> i64;
}

/// The key of lists of pairs.
#[derive(Debug, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairKey {
    pub sku: Sku,
    pub location: LocationCode,
}

/// The key of lists of things that were made, the newest first.
#[derive(Debug, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeKey<Id> {
    pub made_at: Timestamp,
    pub id: Id,
}

impl PageParameters {
    pub fn limit(&self) -> i64 {
        self.limit.map_or(LIMIT_DEFAULT, |limit| limit.0)
    }

    /// The key of the last row of the page before.
    pub fn after<T: ListRow>(&self) -> Result<Option<T::Key>, Problem> {
        self.cursor
            .as_deref()
            .map(|cursor| decode::<T>(cursor).ok_or_else(Problem::invalid_cursor))
            .transpose()
    }
}

/// A cursor: opaque to callers, and safe in a URL.
pub fn encode<T: ListRow>(key: T::Key) -> String {
    let json = serde_json::to_vec(&BTreeMap::from([(T::LIST, key)]));
    BASE64_URL_SAFE_NO_PAD.encode(json.expect("a key is text and integers"))
}

fn decode<T: ListRow>(cursor: &str) -> Option<T::Key> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let mut keys: BTreeMap<String, T::Key> = serde_json::from_slice(&json).ok()?;
    keys.remove(T::LIST).filter(|_| keys.is_empty())
}

/// The statement of a page, built from the filters that are given.
///
/// Postgres would plan one statement with optional filters for the worst of them, and planning each
/// request costs more than reading a page. So each combination of filters is a separate statement, which
/// each connection prepares and plans once.
pub struct PageQuery(QueryBuilder<Postgres>);

impl PageQuery {
    /// Begins with `with page as not materialized (select …`, whose rows are in order. Other common table
    /// expressions may precede `page`.
    pub fn new(sql: &str) -> Self {
        Self(QueryBuilder::new(sql))
    }

    pub fn push(&mut self, sql: impl Display) -> &mut Self {
        self.0.push(sql);
        self
    }

    pub fn bind<T>(&mut self, value: T) -> &mut Self
    where
        T: for<'q> Encode<'q, Postgres> + Type<Postgres>,
    {
        self.0.push_bind(value);
        self
    }

    /// Adds a condition, such as `" and owner = "`, if its value is given.
    pub fn filter<T>(&mut self, condition: &str, value: Option<T>) -> &mut Self
    where
        T: for<'q> Encode<'q, Postgres> + Type<Postgres>,
    {
        match value {
            Some(value) => self.push(condition).bind(value),
            None => self,
        }
    }

    /// Keeps to rows at these locations, of which `column` is one.
    pub fn at(&mut self, column: &str, locations: &Locations) -> &mut Self {
        match locations {
            Locations::All => self,
            Locations::Only(named) => {
                self.push(format_args!(" and {column} = any(")).bind(named.to_vec()).push(")")
            }
        }
    }

    /// Keeps to things whose lines, in the column `lines`, have nothing but these locations in `members`.
    pub fn within(&mut self, lines: &str, members: &[&str], locations: &Locations) -> &mut Self {
        let Locations::Only(named) = locations else { return self };
        for member in members {
            self.push(format_args!(
                " and not exists (select from json_array_elements({lines}) as line \
                 where line ->> '{member}' <> all(",
            ));
            self.bind(named.to_vec()).push("))");
        }
        self
    }

    pub fn after_pair(&mut self, after: Option<&PairKey>) -> &mut Self {
        let Some(PairKey { sku, location }) = after else { return self };
        self.push(" and (sku, location) > (").bind(sku.as_str());
        self.push(", ").bind(location.as_str()).push(")")
    }

    /// After a row in the order of the columns of `table`.
    pub fn after_made(&mut self, table: &str, after: Option<&MadeKey<impl Display>>) -> &mut Self {
        let Some(MadeKey { made_at, id }) = after else { return self };
        self.push(format_args!(" and ({table}.made_at, {table}.id) < (")).bind(made_at.to_utc());
        self.push(", ").bind(id.to_string()).push(")")
    }

    /// How rows are found depends on the limit, so it is written out and not bound.
    pub fn order_by(&mut self, order: &str, limit: i64) -> &mut Self {
        self.push(format_args!(" order by {order} limit {limit}"))
    }

    /// The rows of the page, then one that says how far every lane is applied: one statement, so one
    /// moment. `about` is a value about the page that the last row has, too.
    ///
    /// Postgres runs the parts of a `union all` one after the other, so the rows keep their order. Joining
    /// each of them with the position, and sorting them again, would take a quarter of the time.
    pub async fn fetch_rows(mut self, service: &Service, about: &str) -> sqlx::Result<PageRows> {
        self.push(format_args!(
            ") select null::text as reflected, null as about, page.* from page union all \
             select reflected.token, {about}, page.* \
             from (select string_agg(lane || ':' || position, ',' order by lane) as token \
                 from checkpoints where projection = '{}' and version = ",
            service.projection.projection().name(),
        ));
        self.bind(service.projection.version());
        self.push(") as reflected left join page on false");
        let mut rows = self.0.build().fetch_all(&service.pool).await?;
        let last = rows.pop().ok_or(sqlx::Error::RowNotFound)?;
        Ok(PageRows { rows, last })
    }

    /// The page of a statement that asks for one row more than the limit.
    pub async fn fetch<T: ListRow>(
        self,
        service: &Service,
        limit: i64,
    ) -> Result<AsOf<Page<T>>, Problem> {
        let found = self.fetch_rows(service, "null::text").await?;
        let limit = usize::try_from(limit).unwrap_or_default();
        Page::of_rows(&found, limit, found.rows.len() > limit)
    }

    /// The page of things with lines, of a statement that begins with `with found as (select …` and asks
    /// for one more than the limit. It ends after `limit` things, or with the one that brings it to
    /// [`LINES_MAX`] lines.
    pub async fn fetch_with_lines<T: ListRow>(
        mut self,
        service: &Service,
        columns: &str,
        limit: i64,
    ) -> Result<AsOf<Page<T>>, Problem> {
        self.push(format_args!(
            "), counted as (\
                 select found.*, row_number() over newest as place, \
                     sum(line_count) over newest - line_count as lines_before \
                 from found \
                 window newest as (order by {} rows unbounded preceding)\
             ), page as not materialized (\
                 select {columns} from counted \
                 where place <= {limit} and lines_before < {LINES_MAX} order by place",
            T::ORDER,
        ));
        let goes_on = format!(
            "exists (select from counted where place > {limit} or lines_before >= {LINES_MAX})"
        );
        let found = self.fetch_rows(service, &goes_on).await?;
        Page::of_rows(&found, usize::MAX, found.about()?)
    }
}

/// What the statement of a page returned.
#[derive(Debug)]
pub struct PageRows {
    pub rows: Vec<PgRow>,
    /// The position that they reflect, and what is asked about them.
    last: PgRow,
}

impl PageRows {
    /// The value about the page.
    pub fn about<'r, T>(&'r self) -> sqlx::Result<T>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        self.last.try_get("about")
    }

    fn reflected(&self) -> Result<PositionToken, Problem> {
        let text: String = self.last.try_get("reflected")?;
        text.parse()
            .map_err(|error| Problem::internal(&format!("checkpoints read as {text}: {error}")))
    }
}

impl<T: ListRow> Page<T> {
    /// The page of the first rows of a statement; `goes_on` says whether another page follows.
    pub fn of_rows(found: &PageRows, limit: usize, goes_on: bool) -> Result<AsOf<Self>, Problem> {
        let position = found.reflected()?;
        let items: sqlx::Result<Vec<T>> = found.rows.iter().take(limit).map(T::from_row).collect();
        let items = items?;
        let next_cursor = items.last().filter(|_| goes_on).map(|last| encode::<T>(last.key()));
        Ok(AsOf { position: position.clone(), value: Self { items, next_cursor, position } })
    }

    /// The page's tag: the key and version of each row, and whether more follow. The position changes with every
    /// event and is left out, so the tag is a weak one.
    pub fn tag(&self) -> Tag {
        let rows: Vec<_> = self.items.iter().map(|row| (row.key(), row.version())).collect();
        Tag::weak(&(rows, &self.next_cursor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Code;

    #[derive(Debug, PartialEq, Hash, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Key {
        sku: Sku,
    }

    #[derive(Serialize, FromRow)]
    struct Thing {}

    #[derive(Serialize, FromRow)]
    struct Other {}

    macro_rules! list_row {
        ($row:ident, $name:literal) => {
            impl ListRow for $row {
                const LIST: &'static str = $name;
                const ORDER: &'static str = "sku";
                type Key = Key;

                fn key(&self) -> Key {
                    unreachable!("the tests have keys without rows")
                }

                fn version(&self) -> i64 {
                    0
                }
            }
        };
    }

    list_row!(Thing, "thing");
    list_row!(Other, "other");

    fn key() -> Key {
        Key { sku: "85123A".parse().expect("a sku") }
    }

    fn page(cursor: &str) -> PageParameters {
        PageParameters { cursor: Some(cursor.to_owned()), limit: None }
    }

    #[test]
    fn a_cursor_reads_back_and_needs_no_escaping() {
        let cursor = encode::<Thing>(key());
        assert_eq!(page(&cursor).after::<Thing>().ok(), Some(Some(key())));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(cursor.bytes().all(is_plain), "{cursor}");
    }

    #[test]
    fn a_forged_cursor_or_one_of_another_list_is_refused() {
        let forged = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
        let bad = [
            encode::<Other>(key()),
            forged(r#"{"thing":{"sku":"a b"}}"#),
            forged(r#"{"thing":{"sku":"A","more":1}}"#),
            forged(r#"{"thing":{"sku":"A"},"other":{"sku":"A"}}"#),
            forged("not json"),
            String::new(),
            "====".to_owned(),
        ];
        for cursor in bad {
            let after = page(&cursor).after::<Thing>();
            let problem = after.expect_err("a refusal");
            assert_eq!(problem.code(), Code::InvalidCursor, "{cursor}");
        }
    }
}
