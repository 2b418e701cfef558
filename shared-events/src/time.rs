//! Times in UTC with microseconds, the precision of Postgres.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::values::{ValueError, serde_as_text};

/// A time in UTC with microseconds, written `2010-12-01T08:26:00.000000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Truncates to microseconds. A leap second becomes the next second, as in Postgres.
    pub fn new(moment: DateTime<Utc>) -> Self {
        let micros = moment.timestamp_micros();
        Self(DateTime::from_timestamp_micros(micros).expect("it was valid before it was truncated"))
    }

    /// 1970-01-01T00:00:00Z, the earliest time that a caller may use.
    pub const UNIX_EPOCH: Self = Self(DateTime::UNIX_EPOCH);

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn unix_micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// How long after an earlier time; nothing if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or_default()
    }

    /// The same time as a chrono type.
    pub fn to_utc(self) -> DateTime<Utc> {
        self.0
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self::new(self.0 + duration)
    }
}

serde_as_text!(Timestamp);

impl FromStr for Timestamp {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const EXPECTED: ValueError =
            ValueError { expected: "an RFC 3339 time in UTC, such as 2010-12-01T08:26:00Z" };
        if !text.ends_with('Z') {
            return Err(EXPECTED);
        }
        let moment = DateTime::parse_from_rfc3339(text).map_err(|_| EXPECTED)?;
        Ok(Self::new(moment.to_utc()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_six_digits_and_z() {
        let moment: Timestamp = "2010-12-01T08:26:00Z".parse().expect("a valid time");
        assert_eq!(moment.to_string(), "2010-12-01T08:26:00.000000Z");
        assert_eq!(moment.to_string().parse(), Ok(moment));
    }

    #[test]
    fn a_time_is_truncated_to_microseconds_and_a_leap_second_becomes_the_next_second() {
        let cut: Timestamp = "2010-12-01T08:26:00.123456789Z".parse().expect("a valid time");
        assert_eq!(cut.to_string(), "2010-12-01T08:26:00.123456Z");
        let leap: Timestamp = "2016-12-31T23:59:60.5Z".parse().expect("a valid time");
        assert_eq!(leap.to_string(), "2017-01-01T00:00:00.500000Z");
    }

    #[test]
    fn a_time_with_an_offset_or_without_a_zone_is_refused() {
        for bad in ["2010-12-01T08:26:00+00:00", "2010-12-01T08:26:00", "2010-12-01", "Z", ""] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }
}
