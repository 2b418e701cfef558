//! Time travel: which past an answer is about.
//!
//! Two questions can be combined. *What was known*: everything up to a position (`at_position`), or
//! everything recorded by a time (`known_at`), which the log resolves to positions. *What was true*: of
//! the known events, only those that had happened by a time (`as_of`), however late they were recorded.

use serde::Deserialize;
use shared_events::lane::{Lane, PositionToken};
use shared_events::time::Timestamp;
use utoipa::IntoParams;

use crate::http::Service;
use crate::http::parameters::invalid;
use crate::http::problem::Problem;
use crate::http::wait::{MinPosition, parse_position};

/// The past of one thing.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PastParameters {
    /// As it was at exactly this position, which names the lane of the item.
    at_position: Option<String>,
    /// As it was known at this time: at the last position recorded at or before it, which the answer
    /// returns as `known_position`. The same time always gives the same answer.
    #[param(value_type = Option<String>)]
    known_at: Option<Timestamp>,
    /// What was true at this time by `occurred_at`, late entries included; with `known_at` or
    /// `at_position` only the entries known by then. May be negative.
    #[param(value_type = Option<String>)]
    as_of: Option<Timestamp>,
}

/// The past of a list, whose rows stand in many lanes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListPastParameters {
    /// Accepted only to say why it is refused.
    #[param(ignore)]
    at_position: Option<String>,
    /// As it was known at this time.
    #[param(value_type = Option<String>)]
    known_at: Option<Timestamp>,
    /// What was true at this time by `occurred_at`.
    #[param(value_type = Option<String>)]
    as_of: Option<Timestamp>,
}

/// A past by what was known, where nothing is known of what was true.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KnownParameters {
    /// As it was at exactly this position.
    at_position: Option<String>,
    /// As it was known at this time.
    #[param(value_type = Option<String>)]
    known_at: Option<Timestamp>,
}

/// A past that can be read: times of recording are resolved to positions. The default is the present.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// In each lane named, only events up to its position count.
    pub known: Option<PositionToken>,
    /// Only what had happened by then counts.
    pub as_of: Option<Timestamp>,
    /// Whether the caller named a time and does not know the positions.
    is_resolved: bool,
}

impl ListPastParameters {
    pub async fn resolve(self, service: &Service) -> Result<Past, Problem> {
        let Self { at_position, known_at, as_of } = self;
        if at_position.is_some() {
            let detail = "at_position names single lanes, and a list has all of them: use known_at";
            return Err(Problem::invalid_position(detail.to_owned()));
        }
        PastParameters { at_position: None, known_at, as_of }.resolve(service).await
    }
}

impl KnownParameters {
    pub async fn resolve(self, service: &Service) -> Result<Past, Problem> {
        let Self { at_position, known_at } = self;
        PastParameters { at_position, known_at, as_of: None }.resolve(service).await
    }
}

impl PastParameters {
    /// Resolves `known_at` to positions, which only the log can do.
    pub async fn resolve(self, service: &Service) -> Result<Past, Problem> {
        let Self { at_position, known_at, as_of } = self;
        let is_resolved = known_at.is_some();
        let known = match (at_position, known_at) {
            (None, None) => None,
            (Some(text), None) => Some(parse_position(&text, "at_position", service)?),
            (None, Some(time)) => Some(heads_at(time, service).await?),
            (Some(_), Some(_)) => {
                return Err(invalid("known_at", "left out if at_position is given"));
            }
        };
        Ok(Past { known, as_of, is_resolved })
    }
}

/// The last positions recorded at or before a time.
async fn heads_at(time: Timestamp, service: &Service) -> Result<PositionToken, Problem> {
    let timeout = service.settings.answer_timeout_ms.0;
    let silent = || {
        let detail = "the log does not answer, and only the log can resolve known_at";
        Problem::unavailable(detail.to_owned())
    };
    match tokio::time::timeout(timeout, service.log.heads_at(time)).await {
        Ok(Ok(Some(heads))) => Ok(heads),
        Ok(Ok(None)) => Err(invalid("known_at", "a time that has passed by the log's clock")),
        Ok(Err(error)) => {
            tracing::warn!(%error, "known_at cannot be resolved");
            Err(silent())
        }
        Err(_) => Err(silent()),
    }
}

impl Past {
    /// Everything up to a position.
    pub fn at(position: PositionToken) -> Self {
        Self { known: Some(position), as_of: None, is_resolved: false }
    }

    pub fn is_present(&self) -> bool {
        self.known.is_none() && self.as_of.is_none()
    }

    /// Fails if positions are given, but none in the lane of what is asked for.
    pub fn must_name(&self, lane: Lane) -> Result<(), Problem> {
        match &self.known {
            Some(known) if known.get(lane).is_none() => Err(Problem::invalid_position(format!(
                "at_position must name lane {lane}, the lane of the item"
            ))),
            _ => Ok(()),
        }
    }

    /// The last position in a lane that counts, as its column; null for all.
    pub fn upto(&self, lane: Lane) -> Option<i64> {
        self.known.as_ref()?.get(lane).map(|position| position.0)
    }

    /// The positions in these lanes.
    pub fn of_lanes(&self, lanes: &[Lane]) -> Option<PositionToken> {
        let known = self.known.as_ref()?;
        Some(lanes.iter().filter_map(|lane| Some((*lane, known.get(*lane)?))).collect())
    }

    /// The position that the views must have applied to answer about these lanes.
    pub fn requires(&self, required: &MinPosition, lanes: &[Lane]) -> MinPosition {
        self.of_lanes(lanes).iter().fold(required.clone(), MinPosition::and)
    }

    /// The member `known_position` of an answer about these lanes.
    pub fn known_position(&self, lanes: &[Lane]) -> Option<PositionToken> {
        self.of_lanes(lanes).filter(|_| self.is_resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Code;

    fn past(known: Option<&str>) -> Past {
        let known = known.map(|token| token.parse().expect("a token"));
        Past { known, as_of: None, is_resolved: true }
    }

    #[test]
    fn a_position_must_name_the_lane_of_the_item() {
        assert!(past(Some("3:7")).must_name(Lane(3)).is_ok());
        assert!(past(None).must_name(Lane(3)).is_ok());
        let refused = past(Some("2:7")).must_name(Lane(3));
        assert_eq!(refused.expect_err("a refusal").code(), Code::InvalidPosition);
    }

    #[test]
    fn only_the_lanes_of_the_answer_are_returned() {
        let past = past(Some("0:1,3:7,5:9"));
        assert_eq!(past.upto(Lane(3)), Some(7));
        assert_eq!(past.upto(Lane(4)), None);
        let returned = past.known_position(&[Lane(3), Lane(4)]);
        assert_eq!(returned.map(|token| token.to_string()).as_deref(), Some("3:7"));
        assert_eq!(Past::at("3:7".parse().expect("a token")).known_position(&[Lane(3)]), None);
    }
}
