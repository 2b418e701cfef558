//! Who asks, once that is proved.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::scope::{Scope, Scopes};

/// What the id of a credential begins with whose proof is a key.
pub(super) const KEY: &str = "key/";

/// A caller whose API key or token was accepted.
#[derive(Debug)]
pub struct Credential {
    /// No other credential has it: `key/{id}` or `token/{subject}`. It owns idempotency keys.
    pub id: String,
    /// The actor of what it asks for.
    pub name: String,
    pub(super) scopes: Scopes,
    pub(super) locations: Locations,
    pub(super) pace: Pace,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

impl Credential {
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    pub(super) fn is_key(&self) -> bool {
        self.id.starts_with(KEY)
    }

    pub(super) fn is_expired(&self) -> bool {
        self.expires_at.is_some_and(|end| end <= Utc::now())
    }

    pub fn locations(&self) -> &Locations {
        &self.locations
    }

    pub fn pace(&self) -> &Pace {
        &self.pace
    }
}

/// Where a credential may see and change stock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Locations {
    #[default]
    All,
    /// Only at these, ascending.
    Only(Arc<[String]>),
}

impl Locations {
    /// All, if none is named.
    pub fn of(named: Option<Vec<String>>) -> Self {
        match named {
            None => Self::All,
            Some(mut named) => {
                named.sort_unstable();
                named.dedup();
                Self::Only(named.into())
            }
        }
    }

    pub fn include(&self, location: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(named) => named.binary_search_by(|one| one.as_str().cmp(location)).is_ok(),
        }
    }

    pub fn are_limited(&self) -> bool {
        match self {
            Self::All => false,
            Self::Only(_) => true,
        }
    }
}

/// How many requests a credential may send in a second. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Pace(Option<(NonZeroU32, Arc<DefaultDirectRateLimiter>)>);

impl Pace {
    pub fn new(per_second: Option<NonZeroU32>) -> Self {
        let limiter = |rate| (rate, Arc::new(RateLimiter::direct(Quota::per_second(rate))));
        Self(per_second.map(limiter))
    }

    pub fn per_second(&self) -> Option<NonZeroU32> {
        self.0.as_ref().map(|(rate, _)| *rate)
    }

    /// Counts a request, or says how long to wait.
    pub fn count(&self) -> Result<(), Duration> {
        match &self.0 {
            None => Ok(()),
            Some((_, limiter)) => {
                limiter.check().map_err(|early| early.wait_time_from(DefaultClock::default().now()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_locations_are_included() {
        let some = Locations::of(Some(vec!["WEST".into(), "MAIN".into(), "MAIN".into()]));
        assert!(some.include("MAIN") && some.include("WEST"));
        assert!(!some.include("EAST") && !some.include("MAI") && !some.include(""));
        assert!(Locations::of(None).include("EAST"));
        assert!(!Locations::of(Some(Vec::new())).include("EAST"));
    }

    #[test]
    fn a_pace_is_kept_by_all_its_clones_together() {
        let pace = Pace::new(NonZeroU32::new(2));
        assert_eq!(pace.count(), Ok(()));
        assert_eq!(pace.clone().count(), Ok(()));
        assert!(pace.count().is_err_and(|wait| wait <= Duration::from_millis(500)));
        assert_eq!(Pace::default().count(), Ok(()));
    }
}
