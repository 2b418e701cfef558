//! Back in time: which past an answer is about.
//!
//! There are two questions. How much was known: everything up to a position (`at_position`), or up
//! to a moment of recording (`known_at`), which the log resolves to positions. And what was true by
//! then: all that is known, or only what had happened by a moment (`as_of`), however late it was
//! recorded. Both may be asked together.

use shared_events::lane::{Lane, PositionToken};
use shared_events::time::Timestamp;
use utoipa::IntoParams;

use crate::http::Service;
use crate::http::parameters::{Parameters, invalid};
use crate::http::problem::Problem;
use crate::http::wait::{Freshness, take_position};

/// How to ask for the past, for people.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters, which are taken one by one")]
pub struct MomentParameters {
    /// As it was at exactly this position, which names the lane of what is asked.
    at_position: Option<String>,
    /// As it was known at this time: the last position recorded at or before it, told as
    /// `known_position`. The same time gives the same answer for ever.
    known_at: Option<String>,
    /// What was true at this time by `occurred_at`, late entries counted; with `known_at` or
    /// `at_position` only those known by then. May be negative.
    as_of: Option<String>,
}

/// Which past is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    known: Known,
    as_of: Option<Timestamp>,
}

/// How much was known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// All that is applied.
    Applied,
    /// Everything up to a position.
    Position(PositionToken),
    /// Everything that was recorded by then.
    RecordedBy(Timestamp),
}

/// A past that can be read: every moment of recording is resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// In each lane named only what stands at or before the position counts.
    pub known: Option<PositionToken>,
    /// Only what had happened by then counts.
    pub as_of: Option<Timestamp>,
    /// Whether the positions are news to the caller, who named a time.
    is_resolved: bool,
}

impl Moment {
    /// Takes `at_position`, `known_at` and `as_of`; nothing if the present is asked for.
    ///
    /// # Errors
    /// A value does not fit, or `at_position` and `known_at` are both there.
    pub fn take(parameters: &mut Parameters, service: &Service) -> Result<Option<Self>, Problem> {
        let position = take_position(parameters, "at_position", service)?;
        let recorded_by = parameters.take("known_at")?;
        let as_of = parameters.take("as_of")?;
        let known = match (position, recorded_by) {
            (None, None) if as_of.is_none() => return Ok(None),
            (None, None) => Known::Applied,
            (Some(position), None) => Known::Position(position),
            (None, Some(moment)) => Known::RecordedBy(moment),
            (Some(_), Some(_)) => return Err(invalid("known_at", "left out beside at_position")),
        };
        Ok(Some(Self { known, as_of }))
    }

    /// Takes `known_at` and `as_of` for a list, whose rows stand in many lanes.
    ///
    /// # Errors
    /// A value does not fit, or `at_position` is there.
    pub fn take_for_list(
        parameters: &mut Parameters,
        service: &Service,
    ) -> Result<Option<Self>, Problem> {
        if parameters.take_text("at_position").is_some() {
            let detail = "at_position is of single lanes, and a list is of all: use known_at";
            return Err(Problem::InvalidPosition(detail.to_owned()));
        }
        Self::take(parameters, service)
    }

    /// Takes `at_position` and `known_at` where only what was known can be told.
    ///
    /// # Errors
    /// A value does not fit, or `as_of` is there.
    pub fn take_known(
        parameters: &mut Parameters,
        service: &Service,
    ) -> Result<Option<Self>, Problem> {
        match Self::take(parameters, service)? {
            Some(Self { as_of: Some(_), .. }) => Err(invalid("as_of", "left out here")),
            moment => Ok(moment),
        }
    }

    /// Finds out the positions, asking the log if need be.
    ///
    /// # Errors
    /// The time is ahead of the log's clock, or the log does not answer.
    pub async fn resolve(self, service: &Service) -> Result<Past, Problem> {
        let Self { known, as_of } = self;
        let known = match known {
            Known::Applied => return Ok(Past { known: None, as_of, is_resolved: false }),
            Known::Position(position) => {
                return Ok(Past { known: Some(position), as_of, is_resolved: false });
            }
            Known::RecordedBy(moment) => moment,
        };
        let asking =
            tokio::time::timeout(service.settings.answer_timeout_ms.0, service.log.heads_at(known));
        let silent = "the log does not answer, and only it can say what was recorded by known_at";
        match asking.await {
            Ok(Ok(Some(heads))) => Ok(Past { known: Some(heads), as_of, is_resolved: true }),
            Ok(Ok(None)) => Err(invalid("known_at", "a time that has passed by the log's clock")),
            Ok(Err(error)) => {
                tracing::warn!(%error, "known_at cannot be resolved");
                Err(Problem::ProjectionUnavailable(silent.to_owned()))
            }
            Err(_) => Err(Problem::ProjectionUnavailable(silent.to_owned())),
        }
    }
}

impl Past {
    /// Everything up to a position.
    pub fn at(position: PositionToken) -> Self {
        Self { known: Some(position), as_of: None, is_resolved: false }
    }

    /// Fails unless the lane of what is asked has a position, where any lane has.
    ///
    /// # Errors
    /// `at_position` names other lanes only.
    pub fn must_name(&self, lane: Lane) -> Result<(), Problem> {
        match &self.known {
            Some(known) if known.get(lane).is_none() => Err(Problem::InvalidPosition(format!(
                "at_position must name lane {lane}, where all that is asked for stands"
            ))),
            _ => Ok(()),
        }
    }

    /// The position in a lane up to which events count, as its column; null for all.
    pub fn upto(&self, lane: Lane) -> Option<i64> {
        self.known.as_ref()?.get(lane).map(|position| position.0)
    }

    /// The positions in some of the lanes.
    pub fn of_lanes(&self, lanes: &[Lane]) -> Option<PositionToken> {
        let known = self.known.as_ref()?;
        Some(lanes.iter().filter_map(|lane| Some((*lane, known.get(*lane)?))).collect())
    }

    /// How fresh the views have to be to tell of these lanes.
    pub fn needs(&self, wanted: &Freshness, lanes: &[Lane]) -> Freshness {
        self.of_lanes(lanes).iter().fold(wanted.clone(), Freshness::and)
    }

    /// What the caller is told as `known_position`, for an answer about these lanes.
    pub fn known_position(&self, lanes: &[Lane]) -> Option<PositionToken> {
        self.of_lanes(lanes).filter(|_| self.is_resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(known: Option<&str>) -> Past {
        let known = known.map(|token| token.parse().expect("a token"));
        Past { known, as_of: None, is_resolved: true }
    }

    #[test]
    fn a_position_must_name_the_lane_of_what_is_asked() {
        assert!(past(Some("3:7")).must_name(Lane(3)).is_ok());
        assert!(past(None).must_name(Lane(3)).is_ok());
        let refused = past(Some("2:7")).must_name(Lane(3));
        assert!(matches!(refused, Err(Problem::InvalidPosition(_))), "{refused:?}");
    }

    #[test]
    fn only_the_lanes_concerned_are_told() {
        let past = past(Some("0:1,3:7,5:9"));
        assert_eq!(past.upto(Lane(3)), Some(7));
        assert_eq!(past.upto(Lane(4)), None);
        let told = past.known_position(&[Lane(3), Lane(4)]);
        assert_eq!(told.map(|token| token.to_string()).as_deref(), Some("3:7"));
        assert_eq!(Past::at("3:7".parse().expect("a token")).known_position(&[Lane(3)]), None);
    }
}
