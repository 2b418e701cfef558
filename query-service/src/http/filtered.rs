//! A list's statement, planned for just those filters that are asked for.
//!
//! A statement file has all filters, each of which lets everything through when its parameter is null.
//! A plan made for any of them could use no index, and to plan anew for each request takes longer than
//! to read a page. So the text is cut down first: what is null is said, and the length of a page is
//! written out. Each combination is then a statement of its own, which is prepared and planned once; a
//! connection keeps the hundred that it used last.

use std::fmt::Write;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, PgPool, Postgres, Type};

/// A statement file and its parameters, in their order.
pub struct Filtered {
    statement: &'static str,
    parameters: Vec<Parameter>,
    arguments: Result<PgArguments, BoxDynError>,
}

/// What the text is to say of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    /// It is given, and its value is sent.
    Given,
    /// It is null.
    Null,
    /// It is this number.
    Number(i64),
    /// It is this truth.
    Truth(bool),
}

impl Filtered {
    /// A statement without parameters yet.
    pub fn new(statement: &'static str) -> Self {
        Self { statement, parameters: Vec::new(), arguments: Ok(PgArguments::default()) }
    }

    /// A parameter that is always given.
    pub fn bind<'t, T>(self, value: T) -> Self
    where
        T: Encode<'t, Postgres> + Type<Postgres>,
    {
        self.add(Parameter::Given, value)
    }

    /// A parameter of a filter, which is left out when it is null.
    pub fn filter<'t, T>(self, value: Option<T>) -> Self
    where
        T: Encode<'t, Postgres> + Type<Postgres> + 't,
    {
        let parameter = if value.is_some() { Parameter::Given } else { Parameter::Null };
        self.add(parameter, value)
    }

    /// The length of a page: how rows are found depends on it.
    pub fn limit(self, rows: i64) -> Self {
        self.add(Parameter::Number(rows), rows)
    }

    /// A choice between two ways of finding the same rows.
    pub fn choose(self, way: bool) -> Self {
        self.add(Parameter::Truth(way), way)
    }

    /// All rows.
    ///
    /// # Errors
    /// A parameter cannot be sent, or the database is away.
    pub async fn fetch_all(self, pool: &PgPool) -> sqlx::Result<Vec<PgRow>> {
        let text = cut_down(self.statement, &self.parameters);
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        // Nothing of a request is in the text but the presence of its parameters and small numbers.
        sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(pool).await
    }

    fn add<'t, T>(mut self, parameter: Parameter, value: T) -> Self
    where
        T: Encode<'t, Postgres> + Type<Postgres>,
    {
        self.parameters.push(parameter);
        self.arguments = self.arguments.and_then(|mut arguments| {
            arguments.add(value)?;
            Ok(arguments)
        });
        self
    }
}

/// The text with what is known of the parameters written out: `$2::text is null` is true or false, and
/// elsewhere a parameter that is null is `null`.
fn cut_down(statement: &str, parameters: &[Parameter]) -> String {
    let mut text = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (digits, after) = split_while(rest, |one| one.is_ascii_digit());
        let number = digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let parameter = number.and_then(|index| parameters.get(index).copied());
        let Some(parameter) = parameter else {
            text.push('$');
            continue;
        };
        rest = match after_null_test(after) {
            Some(after) => {
                text.push_str(if parameter == Parameter::Null { "true" } else { "false" });
                after
            }
            None => {
                let written = match parameter {
                    Parameter::Given => write!(text, "${digits}"),
                    Parameter::Null => write!(text, "null"),
                    Parameter::Number(number) => write!(text, "{number}"),
                    Parameter::Truth(truth) => write!(text, "{truth}"),
                };
                written.expect("a String takes everything");
                after
            }
        };
    }
    text.push_str(rest);
    text
}

/// What follows ` is null`, after a cast if there is one.
fn after_null_test(text: &str) -> Option<&str> {
    let is_of_name = |one: char| one.is_ascii_alphanumeric() || one == '_';
    let after_cast = text.strip_prefix("::").map_or(text, |cast| split_while(cast, is_of_name).1);
    after_cast.strip_prefix(" is null")
}

fn split_while(text: &str, is_meant: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|one| !is_meant(one)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(parameters: &[Parameter]) -> String {
        let statement = "where ($1::text is null or a = $1) and ($2 is null or (b, c) > ($2, $3::int)) \
                         and d = $4 order by case when $6 then a end limit $5 + 1";
        cut_down(statement, parameters)
    }

    #[test]
    fn filters_that_are_not_asked_for_are_out_of_the_text() {
        use Parameter::{Given, Null, Number, Truth};
        assert_eq!(
            cut(&[Given, Null, Null, Given, Number(50), Truth(true)]),
            "where (false or a = $1) and (true or (b, c) > (null, null::int)) \
             and d = $4 order by case when true then a end limit 50 + 1"
        );
        assert_eq!(
            cut(&[Null, Given, Given, Given, Number(7), Truth(false)]),
            "where (true or a = null) and (false or (b, c) > ($2, $3::int)) \
             and d = $4 order by case when false then a end limit 7 + 1"
        );
    }

    #[test]
    fn the_tenth_parameter_is_not_the_first() {
        let parameters = [[Parameter::Null].as_slice(), &[Parameter::Given; 9]].concat();
        assert_eq!(cut_down("$1 $10 $11 $", &parameters), "null $10 $11 $");
    }
}
