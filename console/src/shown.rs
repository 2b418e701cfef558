//! How values are written: numbers with separators and times in UTC, both marked up so that the browser can
//! write them as the reader does.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Url;
use serde::Deserialize;

/// A quantity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Units(pub(crate) i64);

/// A quantity with its sign, as a difference is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signed(pub(crate) i64);

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(pub(crate) DateTime<Utc>);

/// How long something takes or is late, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Lasting(pub(crate) i64);

/// The status of something: a word of the API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Status(String);

impl HtmlSafe for Status {}
impl HtmlSafe for Units {}
impl HtmlSafe for Signed {}
impl HtmlSafe for Moment {}
impl HtmlSafe for Lasting {}

impl Display for Units {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(number) = self;
        write!(out, "<data value=\"{number}\">{}</data>", separated(*number))
    }
}

impl Display for Signed {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(number) = *self;
        let (sign, kind) = match number {
            0 => ("±", "same"),
            1.. => ("+", "more"),
            _ => ("", "less"),
        };
        let text = separated(number);
        write!(out, "<data class=\"{kind}\" value=\"{number}\" data-signed>{sign}{text}</data>")
    }
}

impl Display for Lasting {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(ms) = *self;
        let seconds = ms / 1_000;
        match seconds {
            ..=0 => write!(out, "{ms} ms"),
            1..60 => write!(out, "{seconds} s"),
            60..3_600 => write!(out, "{} min {} s", seconds / 60, seconds % 60),
            _ => write!(out, "{} h {} min", seconds / 3_600, seconds / 60 % 60),
        }
    }
}

impl Display for Moment {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(at) = self;
        let (machine, text) = (self.exact(), at.format("%Y-%m-%d %H:%M:%S"));
        write!(out, "<time datetime=\"{machine}\" title=\"{machine}\">{text} UTC</time>")
    }
}

impl Status {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0 == name
    }

    /// The word as the API has it, for a style sheet.
    pub(crate) fn word(&self) -> &str {
        &self.0
    }

    fn tone(&self) -> &'static str {
        match self.0.as_str() {
            "confirmed" | "fulfilled" | "received" | "done" | "held" | "running" => "good",
            "declined" | "timed_out" | "failed" | "refused" | "needs_operator" | "stopped" => "bad",
            "waiting" | "awaiting_payment" | "placed" | "in_transit" | "partially_received"
            | "pending" | "catching_up" | "filling" => "warn",
            _ => "plain",
        }
    }
}

/// A word of the API as people write it.
pub(crate) fn words(status: &str) -> String {
    status.replace('_', " ")
}

impl Display for Status {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let is_plain = |one: &char| one.is_ascii_alphanumeric() || *one == ' ';
        let text: String = words(&self.0).chars().filter(is_plain).collect();
        write!(out, "<span class=\"tag {}\">{text}</span>", self.tone())
    }
}

impl Moment {
    /// As the services write it.
    pub(crate) fn exact(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// The first moment after it, as the services read it: the end of a time that includes it.
    pub(crate) fn just_after(&self) -> String {
        Self(self.0 + TimeDelta::microseconds(1)).exact()
    }

    /// What a person writes, as the services read it; what is no moment stays as it is, for them to refuse.
    pub(crate) fn exactly(text: &str) -> String {
        Self::parse(text).map_or_else(|| text.trim().to_owned(), Self::exact)
    }

    /// Parses what a person or a browser's field writes: with or without seconds and zone; UTC without one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_suffix("UTC").unwrap_or(text).trim();
        if let Ok(at) = text.replacen(' ', "T", 1).parse::<DateTime<Utc>>() {
            return Some(Self(at));
        }
        let forms =
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
        let with_time =
            forms.iter().find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok());
        let day = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
        with_time.or_else(day).map(|naive| Self(naive.and_utc()))
    }
}

/// A moment of today, as a field takes it.
pub(crate) fn example() -> String {
    Utc::now().format("%Y-%m-%d 08:15").to_string()
}

/// Digits in groups of three.
fn separated(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    if number < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A path with the parameters that have a value.
pub(crate) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let Ok(url) = Url::parse_with_params(&format!("http://localhost{path}"), given) else {
        return path.to_owned();
    };
    let query = url.query().filter(|query| !query.is_empty());
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators_and_keep_their_value() {
        assert_eq!(Units(1_234_567).to_string(), "<data value=\"1234567\">1,234,567</data>");
        assert_eq!(Units(-42).to_string(), "<data value=\"-42\">−42</data>");
        assert!(Signed(100).to_string().contains(">+100<"));
        assert!(Signed(-1_000).to_string().contains(">−1,000<"));
    }

    #[test]
    fn a_long_time_is_written_in_hours_and_a_short_one_in_milliseconds() {
        let texts = [14_200_278, 61_500, 59_999, 350, 0].map(|ms| Lasting(ms).to_string());
        assert_eq!(texts, ["3 h 56 min", "1 min 1 s", "59 s", "350 ms", "0 ms"]);
    }

    #[test]
    fn a_moment_is_read_as_people_and_browsers_write_it() {
        let expected = Moment("2026-11-30T08:15:00Z".parse().expect("a moment"));
        for text in [
            "2026-11-30T08:15",
            "2026-11-30T08:15:00",
            "2026-11-30 08:15:00 UTC",
            "2026-11-30T08:15:00.000000Z",
            "2026-11-30T10:15:00+02:00",
        ] {
            assert_eq!(Moment::parse(text), Some(expected), "{text}");
        }
        assert!(Moment::parse("2026-11-30").is_some());
        assert_eq!(Moment::parse("yesterday"), None);
    }

    #[test]
    fn a_link_has_the_parameters_that_have_a_value() {
        assert_eq!(link("/items", &[("q", "a&b"), ("location", "")]), "/items?q=a%26b");
        assert_eq!(link("/items", &[]), "/items");
    }
}
