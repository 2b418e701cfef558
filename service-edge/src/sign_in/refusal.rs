//! Why a request is not answered for who sent it.

use std::time::Duration;

use super::scope::Scope;
use crate::problem::{Catalogue, Document};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no credential.
    Missing,
    /// Neither an API key nor a token.
    Malformed,
    /// The API key is unknown, revoked or expired.
    Key,
    /// The token does not hold; for the log, not for the caller.
    Token(&'static str),
    /// The keys that are valid now are not known here.
    KeysUnknown,
    /// The issuer has not said yet which keys are its own.
    IssuerSilent,
    Scope(Scope),
    /// A location that is not the credential's, or all of them.
    Location(String),
    /// Too many requests; how long to wait.
    TooMany(Duration),
}

impl Refusal {
    /// The location that stands for all of them.
    pub(crate) const EVERYWHERE: &str = "*";

    /// The same name as that of the problem.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Missing | Self::Malformed | Self::Key | Self::Token(_) => "unauthenticated",
            Self::KeysUnknown | Self::IssuerSilent => "unavailable",
            Self::Scope(_) | Self::Location(_) => "forbidden",
            Self::TooMany(_) => "rate_limited",
        }
    }

    pub(super) fn document<C: Catalogue>(&self) -> Document<C> {
        match self {
            Self::Missing => Document::unauthenticated(
                "this service answers those who sign in: send Authorization: Bearer with an API key \
                 or a token",
            ),
            Self::Malformed => {
                Document::unauthenticated("Authorization must be Bearer with an API key or a token")
            }
            Self::Key => Document::unauthenticated("the API key is unknown, revoked or expired"),
            Self::Token(_) => Document::unauthenticated(
                "the token is not valid here: expired, not yet valid, for another audience, or not \
                 signed by the trusted issuer",
            ),
            Self::KeysUnknown => Document::new(
                C::UNAVAILABLE,
                "which API keys are valid now is not known here. Nothing was recorded.",
            ),
            Self::IssuerSilent => Document::new(
                C::UNAVAILABLE,
                "the trusted issuer does not answer, so tokens cannot be checked. Nothing was recorded.",
            ),
            Self::Scope(scope) => {
                Document::new(C::FORBIDDEN, format!("the credential lacks the scope {scope}"))
                    .with("scope", scope)
            }
            Self::Location(location) if location == Self::EVERYWHERE => Document::new(
                C::FORBIDDEN,
                "this concerns all locations, and the credential is limited to some",
            )
            .with("location", location),
            Self::Location(location) => Document::new(
                C::FORBIDDEN,
                format!("the credential is not for the location {location}"),
            )
            .with("location", location),
            Self::TooMany(wait) => {
                Document::new(C::RATE_LIMITED, "the credential sends more requests than it may")
                    .retry_after(*wait)
            }
        }
    }
}
