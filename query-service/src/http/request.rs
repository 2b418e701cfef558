//! What all GET requests have in common: how fresh the answer has to be, and which state of it the
//! caller has already.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, request};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_edge::sign_in::SignedIn;
use service_edge::sign_in::credential::Locations;
use shared_events::lane::PositionToken;
use shared_events::values::LocationCode;
use utoipa::{IntoParams, IntoResponses};

use crate::http::Service;
use crate::http::answer::{Tag, answer};
use crate::http::page::{ListRow, Page, PageQuery};
use crate::http::parameters::{Integer, Parameters};
use crate::http::problem::Problem;
use crate::http::wait::{AsOf, Lookup, MinPosition, WAIT_MAX, read_when_applied};
use crate::projection_set::ProjectionSet;

/// Every route's parameters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadParameters {
    /// Wait until this position is applied.
    pub min_position: Option<String>,
    /// Wait at most this many milliseconds, 2,000 by default.
    #[param(value_type = Option<i64>)]
    pub wait_ms: Option<Integer<0, { WAIT_MAX.as_millis() as i64 }>>,
}

/// What a route may answer with instead of a thing.
#[derive(IntoResponses)]
pub enum ReadResponses {
    #[response(status = 304)]
    NotModified,
    #[response(status = 422, description = "invalid_parameter, invalid_position")]
    Invalid,
    #[response(status = 503, description = "not_yet_applied, projection_unavailable")]
    Unavailable,
}

/// A request with the parameters of its route.
#[derive(Debug)]
pub struct ReadRequest<Q> {
    pub parameters: Q,
    pub options: ReadOptions,
}

/// How to answer, whatever the question is.
#[derive(Debug)]
pub struct ReadOptions {
    pub min_position: MinPosition,
    headers: HeaderMap,
    signed_in: Option<SignedIn>,
}

impl<Q: DeserializeOwned> FromRequestParts<ProjectionSet> for ReadRequest<Q> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        projections: &ProjectionSet,
    ) -> Result<Self, Problem> {
        let mut given = Parameters::of(&parts.uri)?;
        let read: ReadParameters = given.take()?;
        let parameters = given.take()?;
        given.finish()?;
        // The lanes that a position may name are those of the log, whichever projection answers.
        let wait = read.wait_ms.map(|ms| Duration::from_millis(ms.0.unsigned_abs()));
        let least = read.min_position.as_deref();
        let min_position = MinPosition::new(least, wait, &projections.any())?;
        let signed_in = parts.extensions.get().cloned();
        let options = ReadOptions { min_position, headers: parts.headers.clone(), signed_in };
        Ok(Self { parameters, options })
    }
}

/// A thing that is at locations.
pub trait Placed {
    /// All of them, with duplicates.
    fn locations(&self) -> impl Iterator<Item = &LocationCode>;
}

impl ReadOptions {
    /// Where the caller may see stock.
    pub fn locations(&self) -> &Locations {
        const ALL: &Locations = &Locations::All;
        self.signed_in.as_ref().map_or(ALL, |signed_in| signed_in.credential().locations())
    }

    /// Whether the caller's credential is valid still.
    pub fn hold(&self) -> bool {
        self.signed_in.as_ref().is_none_or(SignedIn::holds)
    }

    /// Refuses a location that is not the caller's.
    pub fn require(&self, location: &LocationCode) -> Result<(), Problem> {
        match &self.signed_in {
            Some(signed_in) => Ok(signed_in.require_location(location.as_str())?),
            None => Ok(()),
        }
    }

    /// Answers with one thing, as [`Self::one`], unless a part of it is where the caller may not see it.
    pub async fn own<T, Reading>(
        &self,
        service: &Service,
        read: impl Fn() -> Reading,
        version: impl Fn(&T) -> i64,
    ) -> Result<Response, Problem>
    where
        T: Serialize + Placed,
        Reading: Future<Output = Result<Lookup<T>, Problem>>,
    {
        let AsOf { position, value } = read_when_applied(service, &self.min_position, read).await?;
        let one = value?;
        one.locations().try_for_each(|location| self.require(location))?;
        Ok(self.answer(&position, &Tag::of_versions(&[version(&one)]), &one))
    }

    /// Answers with one thing, whose version is its entity tag.
    pub async fn one<T, Reading>(
        &self,
        service: &Service,
        read: impl Fn() -> Reading,
        version: impl Fn(&T) -> i64,
    ) -> Result<Response, Problem>
    where
        T: Serialize,
        Reading: Future<Output = Result<Lookup<T>, Problem>>,
    {
        let AsOf { position, value } = read_when_applied(service, &self.min_position, read).await?;
        let one = value?;
        Ok(self.answer(&position, &Tag::of_versions(&[version(&one)]), &one))
    }

    /// Answers with one page of a list. The statement asks for one row more than the limit.
    pub async fn page<T: ListRow>(
        &self,
        service: &Service,
        limit: i64,
        statement: impl Fn() -> PageQuery,
    ) -> Result<Response, Problem> {
        self.list(service, || statement().fetch::<T>(service, limit)).await
    }

    /// Answers with the page that is read.
    pub async fn list<T, F>(
        &self,
        service: &Service,
        read: impl Fn() -> F,
    ) -> Result<Response, Problem>
    where
        T: ListRow,
        F: Future<Output = Result<AsOf<Page<T>>, Problem>>,
    {
        let AsOf { position, value } = read_when_applied(service, &self.min_position, read).await?;
        Ok(self.answer(&position, &value.tag(), &value))
    }

    /// The answer: 200 with JSON, or 304 if the caller has it already.
    pub fn answer(&self, position: &PositionToken, tag: &Tag, body: &impl Serialize) -> Response {
        answer(&self.headers, position, tag, body)
    }
}
