//! Query parameters as serde structs.
//!
//! A route may have several structs, such as its filters and the page. Each takes the parameters that
//! it names. A parameter that is left over or repeated is refused: ignoring it would answer a different
//! question.

use std::collections::BTreeSet;
use std::fmt::Display;

use axum::extract::Query;
use axum::http::Uri;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, de, forward_to_deserialize_any};

use crate::http::problem::Problem;

/// The parameters of a request that no struct has taken yet.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Fails if a parameter is repeated.
    pub fn of(uri: &Uri) -> Result<Self, Problem> {
        // Names and values are any text, so reading them as such cannot fail.
        let pairs = Query::try_from_uri(uri).map_or_else(|_| Vec::new(), |Query(pairs)| pairs);
        Self::of_pairs(pairs)
    }

    fn of_pairs(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut names = BTreeSet::new();
        match pairs.iter().find(|(name, _)| !names.insert(name)) {
            None => Ok(Self(pairs)),
            Some((name, _)) => Err(ParameterError::new(name, "is given more than once").into()),
        }
    }

    /// Takes the parameters that are members of `T`: a struct, a tuple of structs, or nothing (`()`).
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        Ok(T::deserialize(self)?)
    }

    /// Fails if a parameter is left over.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(ParameterError::new(name, "is not known here").into()),
        }
    }
}

/// An integer from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Integer<const MIN: i64 = { i64::MIN }, const MAX: i64 = { i64::MAX }>(pub i64);

impl<const MIN: i64, const MAX: i64> TryFrom<String> for Integer<MIN, MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
        number.map(Self).ok_or_else(|| format!("must be an integer from {MIN} to {MAX}"))
    }
}

/// The value of a switch, which is off when it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    True,
}

/// The problem of a parameter that should be something else.
pub fn invalid(name: &str, expected: &str) -> Problem {
    ParameterError::new(name, &format!("must be {expected}")).into()
}

/// A parameter and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{name} {fault}")]
pub struct ParameterError {
    name: String,
    fault: String,
}

impl ParameterError {
    fn new(name: &str, fault: &str) -> Self {
        Self { name: name.to_owned(), fault: fault.to_owned() }
    }

    /// Errors of values come without a name.
    fn with_name(self, name: String) -> Self {
        if self.name.is_empty() { Self { name, ..self } } else { self }
    }
}

impl From<ParameterError> for Problem {
    fn from(error: ParameterError) -> Self {
        Self::invalid_parameter(error.name.clone(), error.to_string())
    }
}

impl de::Error for ParameterError {
    fn custom<T: Display>(fault: T) -> Self {
        Self::new("", &fault.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(field, "must be given")
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new("", &format!("must be {}", expected.join(" or ")))
    }
}

impl<'de> Deserializer<'de> for &mut Parameters {
    type Error = ParameterError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParameterError> {
        let is_field = |(name, _): &mut (String, String)| fields.contains(&name.as_str());
        let taken: Vec<(String, String)> = self.0.extract_if(.., is_field).collect();
        let mut current = String::new();
        let entries = taken.into_iter().map(|(name, text)| {
            current.clone_from(&name);
            (name, Text(text))
        });
        let value = visitor.visit_map(MapDeserializer::new(entries));
        value.map_err(|error: ParameterError| error.with_name(current))
    }

    /// The members of a tuple take from the same parameters in turn.
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ParameterError> {
        visitor.visit_seq(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple_struct map enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for &mut Parameters {
    type Error = ParameterError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParameterError> {
        seed.deserialize(&mut **self).map(Some)
    }
}

/// The text of one parameter.
struct Text(String);

impl IntoDeserializer<'_, ParameterError> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Text {
    type Error = ParameterError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParameterError> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use shared_events::values::Sku;

    use super::*;
    use crate::http::problem::Code;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Filter {
        sku: Sku,
        low: Option<On>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Page {
        limit: Option<Integer<1, 200>>,
    }

    type Both = (Filter, Page);

    fn take<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
        let mut given = Parameters::of(&format!("/?{query}").parse().expect("a URI"))?;
        let taken = given.take()?;
        given.finish().map(|()| taken)
    }

    #[test]
    fn every_struct_takes_its_own_parameters() {
        let sku: Sku = "85123A".parse().expect("a sku");
        let (filter, page) = take::<Both>("limit=7&sku=85123A&low=true").expect("valid");
        assert_eq!(filter, Filter { sku: sku.clone(), low: Some(On::True) });
        assert_eq!(page, Page { limit: Some(Integer(7)) });
        assert_eq!(take::<Filter>("sku=85123A").expect("valid"), Filter { sku, low: None });
        assert!(take::<()>("").is_ok());
    }

    #[test]
    fn a_parameter_that_does_not_fit_is_refused_by_its_name() {
        let refused = [
            ("sku=A&at_position=0:1", "at_position", "is not known here"),
            ("sku=A&sku=B", "sku", "is given more than once"),
            ("", "sku", "must be given"),
            ("sku=a/b", "sku", "must be 1 to 64 of"),
            ("sku=A&low=1", "low", "must be true"),
            ("sku=A&limit=0", "limit", "must be an integer from 1 to 200"),
            ("sku=A&limit=201", "limit", "must be an integer from 1 to 200"),
            ("sku=A&limit=1.5", "limit", "must be an integer from 1 to 200"),
            ("sku=A&limit=", "limit", "must be an integer from 1 to 200"),
            ("sku=A&limit=9223372036854775808", "limit", "must be an integer from 1 to 200"),
        ];
        for (query, name, fault) in refused {
            let problem = take::<Both>(query).expect_err("a refusal");
            assert_eq!(problem.code(), Code::InvalidParameter, "{query}");
            let document = serde_json::to_value(&problem).expect("a document");
            assert_eq!(document["parameter"], name, "{query}");
            let detail = document["detail"].as_str().expect("a detail");
            assert!(detail.starts_with(&format!("{name} {fault}")), "{detail}");
        }
    }
}
