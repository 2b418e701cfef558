//! How `#[derive(FromRow)]` reads values that are more than one column, or that sqlx has no type for:
//! `#[sqlx(flatten, try_from = "LanePosition")] position: PositionToken`.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use shared_events::event::Reference;
use shared_events::lane::{EventId, Lane, Position, PositionToken};
use shared_events::reservation::ReservationStatus;
use shared_events::time::Timestamp;
use shared_events::transfer::TransferStatus;
use shared_events::values::{LocationCode, ReservationId, Sku, TransferId, ValueError};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Decode, FromRow, Postgres, Row, Type, ValueRef};

use crate::database;
use crate::http::Service;
use crate::http::problem::Problem;
use crate::http::wait::{AsOf, Lookup};

/// The columns `lane` and `position`.
#[derive(FromRow)]
pub struct LanePosition {
    lane: i16,
    position: i64,
}

impl From<LanePosition> for EventId {
    fn from(LanePosition { lane, position }: LanePosition) -> Self {
        Self(database::lane(lane), Position(position))
    }
}

impl From<LanePosition> for PositionToken {
    fn from(columns: LanePosition) -> Self {
        let EventId(lane, position) = columns.into();
        token(lane, position.0)
    }
}

/// The columns of a reference, which are all null if there is none.
#[derive(FromRow)]
pub struct ReferenceColumns {
    reference_type: Option<String>,
    reference_id: Option<String>,
    reference_line: Option<String>,
}

impl TryFrom<ReferenceColumns> for Option<Reference> {
    type Error = ValueError;

    fn try_from(columns: ReferenceColumns) -> Result<Self, ValueError> {
        let (Some(kind), Some(id)) = (columns.reference_type, columns.reference_id) else {
            return Ok(None);
        };
        let line = columns.reference_line.map(|line| line.parse()).transpose()?;
        Ok(Some(Reference { kind: kind.parse()?, id: id.parse()?, line }))
    }
}

/// A `text` that was valid when it was stored.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub struct Text(String);

macro_rules! text_column {
    ($($value:ident),*) => {$(
        impl TryFrom<Text> for $value {
            type Error = ValueError;

            fn try_from(Text(text): Text) -> Result<Self, ValueError> {
                text.parse()
            }
        }
    )*};
}

text_column!(Sku, LocationCode, ReservationId, TransferId, ReservationStatus, TransferStatus);

/// A `timestamptz`.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub struct Time(DateTime<Utc>);

impl From<Time> for Timestamp {
    fn from(Time(time): Time) -> Self {
        Self::new(time)
    }
}

/// A nullable `timestamptz`.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub struct NullableTime(Option<DateTime<Utc>>);

impl From<NullableTime> for Option<Timestamp> {
    fn from(NullableTime(time): NullableTime) -> Self {
        time.map(Timestamp::new)
    }
}

/// A sum of amounts, which need not fit 64 bits: a `bigint`, or a `numeric` that the statement reads as
/// text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum(pub i128);

impl From<Sum> for i128 {
    fn from(Sum(sum): Sum) -> Self {
        sum
    }
}

impl Type<Postgres> for Sum {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }

    fn compatible(of: &PgTypeInfo) -> bool {
        *of == Self::type_info() || *of == <i64 as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for Sum {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if *value.type_info() == Self::type_info() {
            Ok(Self(<&str>::decode(value)?.parse()?))
        } else {
            Ok(Self(i64::decode(value)?.into()))
        }
    }
}

/// A value that was valid when it was stored.
pub fn parsed<T: FromStr<Err = ValueError>>(text: &str) -> sqlx::Result<T> {
    text.parse().map_err(|error: ValueError| sqlx::Error::Decode(error.into()))
}

/// A position of one lane as a token.
pub fn token(lane: Lane, position: i64) -> PositionToken {
    [(lane, Position(position))].into_iter().collect()
}

/// The lane that a row was written from.
pub fn lane(row: &PgRow) -> sqlx::Result<Lane> {
    row.try_get("lane").map(database::lane)
}

/// The value of a row if it is `present`, as of the position that its lane was `applied` to.
pub fn lookup<T>(row: &PgRow, missing: Problem) -> sqlx::Result<Lookup<T>>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    let position = token(lane(row)?, row.try_get("applied")?);
    let value = if row.try_get("present")? { Ok(T::from_row(row)?) } else { Err(missing) };
    Ok(AsOf { position, value })
}

/// Reads the thing with this id by a statement that also says how far its lane is applied.
pub async fn read_one<T>(
    service: &Service,
    statement: &'static str,
    lane: Lane,
    id: &str,
    missing: impl FnOnce(String) -> Problem,
) -> Result<Lookup<T>, Problem>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    let row = sqlx::query(statement)
        .bind(service.projection.version())
        .bind(i16::from(lane))
        .bind(id)
        .fetch_one(&service.pool)
        .await?;
    Ok(lookup(&row, missing(id.to_owned()))?)
}
