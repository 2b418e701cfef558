//! The OpenAPI description of a service: what the routes' types do not say because all routes have it in
//! common.

use crate::problem::ProblemDocument;

/// What the way to sign in is called.
pub(crate) const BEARER: &str = "bearer";
use utoipa::openapi::path::Operation;
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, HttpMethod, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};

/// Completes the description of all routes.
///
/// # Panics
/// If an operation does not say what it requires of a credential.
pub(crate) fn complete_description(description: &mut OpenApi) {
    for (path, item) in &mut description.paths.paths {
        for (method, operation) in operations(item) {
            assert!(operation.security.is_some(), "{path} does not say who may ask");
            let forbidden = match method {
                HttpMethod::Get => "forbidden, forbidden_host",
                _ => "forbidden, forbidden_host, forbidden_origin",
            };
            let responses = &mut operation.responses.responses;
            for (status, refusals) in
                [("401", "unauthenticated"), ("403", forbidden), ("429", "rate_limited")]
            {
                let refused = || ResponseBuilder::new().description(refusals).build().into();
                responses.entry(status.to_owned()).or_insert_with(refused);
            }
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                leave_out_null(body);
            }
            for (status, response) in responses {
                if let RefOr::T(response) = response {
                    complete(status, response);
                }
            }
        }
    }
    let components = description.components.get_or_insert_default();
    components.schemas.insert(ProblemDocument::name().into_owned(), ProblemDocument::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "An API key (`sbk_…`) or a token (JWT) of the trusted issuer, where the service has sign-in.",
    ));
    components
        .security_schemes
        .insert(BEARER.to_owned(), SecurityScheme::Http(bearer.build()).into());
}

/// The operations of a path.
pub fn operations(path: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    let all = [
        (HttpMethod::Get, get),
        (HttpMethod::Put, put),
        (HttpMethod::Post, post),
        (HttpMethod::Delete, delete),
        (HttpMethod::Patch, patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// A body that may be left out is described as one that may be null, and null is refused.
fn leave_out_null(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(RefOr::T(Schema::OneOf(one_of))) = &mut content.schema
            && let [named @ RefOr::Ref(_), RefOr::T(_)] | [RefOr::T(_), named @ RefOr::Ref(_)] =
                one_of.items.as_slice()
        {
            content.schema = Some(named.clone());
        }
    }
}

/// Gives every refusal its document, and every response the description that OpenAPI requires.
fn complete(status: &str, response: &mut Response) {
    if status.starts_with(['4', '5']) && response.content.is_empty() {
        let document = Content::new(Some(Ref::from_schema_name(ProblemDocument::name())));
        response.content.insert("application/problem+json".to_owned(), document.into());
    }
    if response.description.is_empty() {
        response.description = match status {
            "200" => "The answer.",
            "304" => "The caller has this answer already.",
            _ => "See the problem's page.",
        }
        .to_owned();
    }
}
