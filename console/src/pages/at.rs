//! A place in time: a moment, or a position of the log.

use crate::shown::Moment;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    Moment(Moment),
    /// A position token.
    Position(String),
}

impl At {
    /// Reads what a person writes; `None` if it is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if is_token(text) {
            return Some(Self::Position(text.to_owned()));
        }
        Moment::parse(text).map(Self::Moment)
    }
}

/// Whether this is `3:1042`, or several lanes with commas.
pub(crate) fn is_token(text: &str) -> bool {
    let is_number = |text: &str| {
        !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    text.split(',').all(|part| {
        part.split_once(':').is_some_and(|(lane, position)| is_number(lane) && is_number(position))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_time_is_a_moment_or_a_position() {
        assert_eq!(At::parse(" 3:1042 "), Some(At::Position("3:1042".to_owned())));
        assert!(is_token("3:1042,7:88"));
        assert!(matches!(At::parse("2026-11-30 08:00"), Some(At::Moment(_))));
        for neither in ["", "3", "3:", ":1", "3:x", "now"] {
            assert_eq!(At::parse(neither), None, "{neither}");
        }
    }
}
