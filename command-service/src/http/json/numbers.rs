//! The types of members that are numbers.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use shared_events::values::AMOUNT_MAX;
use utoipa::openapi::schema::{
    AnyOfBuilder, KnownFormat, Object as ObjectSchema, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{ObjectBuilder, RefOr};

use super::Member;

/// An integer in a range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Integer<T, const MIN: i64, const MAX: i64>(pub(crate) T);

/// An amount in base units, more than none.
pub(crate) type Quantity = Integer<i64, 1, AMOUNT_MAX>;
/// An amount in base units, perhaps none.
pub(crate) type Amount = Integer<i64, 0, AMOUNT_MAX>;
/// Decimal places of a base unit.
pub(crate) type Scale = Integer<u8, 0, 6>;
/// How long a hold lasts, at most thirty days.
pub(crate) type TtlSeconds = Integer<u32, 1, 2_592_000>;
/// How long a reservation waits, at most a year.
pub(crate) type WaitSeconds = Integer<u32, 1, 31_536_000>;
/// The priority of a reservation that waits.
pub(crate) type Priority = Integer<u8, 0, 9>;
/// The number of a line of a reservation or a transfer.
pub(crate) type LineNumber = Integer<u32, 1, { u32::MAX as i64 }>;

impl<T: TryFrom<i64>, const MIN: i64, const MAX: i64> Integer<T, MIN, MAX> {
    fn check<E: Error>(number: Option<i64>) -> Result<Self, E> {
        number
            .filter(|number| (MIN..=MAX).contains(number))
            .and_then(|number| T::try_from(number).ok().map(Self))
            .ok_or_else(|| E::custom(format_args!("must be an integer from {MIN} to {MAX}")))
    }

    fn object_schema() -> ObjectSchema {
        let format = if size_of::<T>() > 4 { KnownFormat::Int64 } else { KnownFormat::Int32 };
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(format)))
            .minimum(Some(MIN))
            // A larger bound is one of our own counters, and not every reader keeps it exact.
            .maximum((MAX <= AMOUNT_MAX).then_some(MAX))
            .build()
    }
}

impl<T: TryFrom<i64>, const MIN: i64, const MAX: i64> Member for Integer<T, MIN, MAX> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::check(WholeNumber::deserialize(deserializer).ok().map(|number| number.0))
    }

    fn schema() -> RefOr<Schema> {
        Self::object_schema().into()
    }
}

/// A number without a fraction. `10.0` and `1e3` are such numbers, too: readers of JSON do not
/// distinguish them from `10` and `1000`.
struct WholeNumber(i64);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(WholeNumberVisitor).map(Self)
    }
}

struct WholeNumberVisitor;

impl Visitor<'_> for WholeNumberVisitor {
    type Value = i64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an integer")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        // A double holds every integer up to AMOUNT_MAX, so the conversion is exact.
        if number.fract() == 0.0 && number.abs() <= AMOUNT_MAX as f64 {
            Ok(number as i64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }
}

/// An integer with a default.
#[derive(Debug)]
pub(crate) struct IntegerOr<const DEFAULT: i64, const MIN: i64, const MAX: i64>(pub(crate) i64);

impl<const DEFAULT: i64, const MIN: i64, const MAX: i64> Default for IntegerOr<DEFAULT, MIN, MAX> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: i64, const MIN: i64, const MAX: i64> Member for IntegerOr<DEFAULT, MIN, MAX> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Integer::<i64, MIN, MAX>::read(deserializer).map(|number| Self(number.0))
    }

    fn schema() -> RefOr<Schema> {
        let mut schema = Integer::<i64, MIN, MAX>::object_schema();
        schema.default = Some(DEFAULT.into());
        schema.into()
    }
}

/// A difference in base units, up or down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delta(pub(crate) i64);

type SignedAmount = Integer<i64, { -AMOUNT_MAX }, AMOUNT_MAX>;

impl Member for Delta {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match SignedAmount::read(deserializer)? {
            Integer(0) => Err(D::Error::custom("must not be 0")),
            Integer(delta) => Ok(Self(delta)),
        }
    }

    fn schema() -> RefOr<Schema> {
        let down = Integer::<i64, { -AMOUNT_MAX }, -1>::object_schema();
        Schema::from(AnyOfBuilder::new().item(down).item(Quantity::object_schema()).build()).into()
    }
}

/// An amount that must be named, if only as null.
#[derive(Debug)]
pub(crate) struct AmountOrNull(pub(crate) Option<Amount>);

impl Member for AmountOrNull {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<WholeNumber>::deserialize(deserializer) {
            Ok(None) => Ok(Self(None)),
            other => {
                let number = other.ok().flatten().map(|number| number.0);
                Amount::check(number).map(|amount| Self(Some(amount)))
            }
        }
    }

    fn schema() -> RefOr<Schema> {
        let mut schema = Amount::object_schema();
        schema.schema_type = SchemaType::from_iter([Type::Integer, Type::Null]);
        schema.into()
    }
}
