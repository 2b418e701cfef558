//! Query parameters: each is taken once, what is left over is refused.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request;
use shared_events::values::ValueError;

use crate::http::problem::Problem;

/// The parameters of a request that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Parameters {
    given: BTreeMap<String, String>,
    /// The first name that came twice.
    repeated: Option<String>,
}

impl Parameters {
    /// Takes a parameter as it is.
    pub fn take_text(&mut self, name: &str) -> Option<String> {
        self.given.remove(name)
    }

    /// Takes a parameter that is a value with rules of its own.
    ///
    /// # Errors
    /// It is there and does not fit.
    pub fn take<T: FromStr<Err = ValueError>>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take_text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(ValueError { expected }) => Err(invalid(name, expected)),
        }
    }

    /// Takes an integer within bounds.
    ///
    /// # Errors
    /// It is there and does not fit.
    pub fn take_integer(
        &mut self,
        name: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Problem> {
        let Some(text) = self.take_text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = bounds.into_inner();
                Err(invalid(name, &format!("an integer from {least} to {most}")))
            }
        }
    }

    /// Takes a switch: absent, or `true`.
    ///
    /// # Errors
    /// It is there and says something else.
    pub fn take_switch(&mut self, name: &'static str) -> Result<bool, Problem> {
        match self.take_text(name).as_deref() {
            None => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(invalid(name, "true, or left out")),
        }
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// Something is left over, or came twice: ignoring it would answer another question.
    pub fn finish(self) -> Result<(), Problem> {
        if let Some(parameter) = self.repeated {
            let detail = format!("parameter {parameter} is given more than once");
            return Err(Problem::InvalidParameter { parameter, detail });
        }
        match self.given.into_keys().next() {
            None => Ok(()),
            Some(parameter) => {
                let detail = format!("parameter {parameter} is not known here");
                Err(Problem::InvalidParameter { parameter, detail })
            }
        }
    }
}

/// The problem of a parameter that should be something else.
pub fn invalid(name: &str, expected: &str) -> Problem {
    Problem::InvalidParameter {
        parameter: name.to_owned(),
        detail: format!("{name} must be {expected}"),
    }
}

impl FromIterator<(String, String)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut parameters = Self::default();
        for (name, value) in pairs {
            if parameters.given.insert(name.clone(), value).is_some() {
                parameters.repeated.get_or_insert(name);
            }
        }
        parameters
    }
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut request::Parts,
        _state: &S,
    ) -> Result<Self, Self::Rejection> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        // Names and values are any text, so reading them as such cannot fail.
        Ok(pairs.map_or_else(|_| Self::default(), |Query(pairs)| pairs.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_events::values::Sku;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn refused_parameter(problem: Problem) -> String {
        match problem {
            Problem::InvalidParameter { parameter, .. } => parameter,
            other => panic!("another problem: {other:?}"),
        }
    }

    #[test]
    fn everything_taken_leaves_nothing_to_refuse() {
        let mut given = parameters(&[("sku", "85123A"), ("limit", "7"), ("low", "true")]);
        let sku: Option<Sku> = given.take("sku").expect("a valid sku");
        assert_eq!(sku, Some("85123A".parse().expect("a valid sku")));
        assert_eq!(given.take_integer("limit", 1..=200).ok(), Some(Some(7)));
        assert_eq!(given.take_switch("low").ok(), Some(true));
        assert!(given.finish().is_ok());
    }

    #[test]
    fn what_is_not_known_or_comes_twice_is_refused() {
        let unknown = parameters(&[("at_position", "0:1")]).finish();
        assert_eq!(refused_parameter(unknown.expect_err("unknown")), "at_position");
        let mut twice = parameters(&[("sku", "A"), ("sku", "B")]);
        twice.take_text("sku");
        assert_eq!(refused_parameter(twice.finish().expect_err("twice")), "sku");
    }

    #[test]
    fn values_out_of_their_rules_are_refused_by_name() {
        for bad in ["0", "201", "1.5", "", "x", "9223372036854775808"] {
            let outcome = parameters(&[("limit", bad)]).take_integer("limit", 1..=200);
            assert_eq!(refused_parameter(outcome.expect_err(bad)), "limit");
        }
        let sku = parameters(&[("sku", "a/b")]).take::<Sku>("sku");
        assert_eq!(refused_parameter(sku.expect_err("a slash")), "sku");
        let low = parameters(&[("low", "1")]).take_switch("low");
        assert_eq!(refused_parameter(low.expect_err("1")), "low");
    }
}
