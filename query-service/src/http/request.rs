//! What all questions asked with GET have in common: how fresh the answer has to be, and which state of
//! it the caller has already.

use std::hash::Hash;

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, request};
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::PositionToken;

use crate::http::Service;
use crate::http::answer::{Tag, answer};
use crate::http::page::Page;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::wait::{Found, Freshness, Reflecting, fresh};
use crate::projection_set::ProjectionSet;

/// A question as it came in. What is its own has still to be taken from the parameters.
#[derive(Debug)]
pub struct Request {
    /// Those that not every question has.
    pub parameters: Parameters,
    terms: Terms,
}

/// What the caller wants of the answer, whatever it is about.
#[derive(Debug)]
pub struct Terms {
    /// How fresh it has to be.
    pub wanted: Freshness,
    headers: HeaderMap,
}

impl FromRequestParts<ProjectionSet> for Request {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        projections: &ProjectionSet,
    ) -> Result<Self, Problem> {
        let Ok(mut parameters) = Parameters::from_request_parts(parts, projections).await;
        // The lanes that a position may name are those of the log, whichever projection is asked.
        let wanted = Freshness::take(&mut parameters, &projections.any())?;
        Ok(Self { parameters, terms: Terms { wanted, headers: parts.headers.clone() } })
    }
}

impl Request {
    /// Ends the taking of parameters; only then can there be an answer.
    ///
    /// # Errors
    /// A parameter is left over, or came twice.
    pub fn finish(self) -> Result<Terms, Problem> {
        self.parameters.finish()?;
        Ok(self.terms)
    }
}

impl Terms {
    /// Answers with one thing, whose tag is its version.
    ///
    /// # Errors
    /// There is no such thing, or it cannot be read as fresh as it has to be.
    pub async fn one<T, Reading>(
        &self,
        service: &Service,
        read: impl Fn() -> Reading,
        version: impl Fn(&T) -> i64,
    ) -> Result<Response, Problem>
    where
        T: Serialize,
        Reading: Future<Output = Result<Found<T>, Problem>>,
    {
        let Reflecting { position, found } = fresh(service, &self.wanted, read).await?;
        let one = found?;
        Ok(self.answer(&position, &Tag::of_versions(&[version(&one)]), &one))
    }

    /// Answers with one page of a list, whose tag is made of the keys and versions of its rows.
    ///
    /// # Errors
    /// It cannot be read as fresh as it has to be.
    pub async fn page<T, Key, Reading>(
        &self,
        service: &Service,
        read: impl Fn() -> Reading,
        key: impl Fn(&T) -> Key,
    ) -> Result<Response, Problem>
    where
        T: Serialize,
        Key: Hash,
        Reading: Future<Output = Result<Reflecting<Page<T>>, Problem>>,
    {
        let Reflecting { position, found } = fresh(service, &self.wanted, read).await?;
        Ok(self.answer(&position, &found.tag(key), &found))
    }

    /// The answer: 200 with JSON, or 304 when the caller has it already.
    pub fn answer(&self, position: &PositionToken, tag: &Tag, body: &impl Serialize) -> Response {
        answer(&self.headers, position, tag, body)
    }
}
