//! The OpenAPI description of a service: what the routes' types do not say because all routes have it in
//! common, and the comparison with the committed document.

use std::path::Path;
use std::{env, fs};

use axum::Router;
use utoipa::openapi::path::Operation;
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::{
    Content, HttpMethod, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::problem::ProblemDocument;

/// The routes with their description, completed.
pub(crate) fn described<S>(routes: OpenApiRouter<S>) -> (Router<S>, OpenApi)
where
    S: Clone + Send + Sync + 'static,
{
    let (routes, mut description) = routes.split_for_parts();
    for path in description.paths.paths.values_mut() {
        for (method, operation) in operations(path) {
            let refusals = match method {
                HttpMethod::Get => "forbidden_host",
                _ => "forbidden_host, forbidden_origin",
            };
            let refused = || ResponseBuilder::new().description(refusals).build().into();
            let responses = &mut operation.responses.responses;
            responses.entry("403".to_owned()).or_insert_with(refused);
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
    let schemas = &mut description.components.get_or_insert_default().schemas;
    schemas.insert(ProblemDocument::name().into_owned(), ProblemDocument::schema());
    (routes, description)
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

/// For a service's test: panics unless the description of its routes is the `openapi.json` committed in
/// the folder of its package. The message has the command that accepts the change.
pub fn assert_description_is_committed<S>(routes: OpenApiRouter<S>, package: &Path)
where
    S: Clone + Send + Sync + 'static,
{
    let (_, description) = described(routes);
    let actual = description.to_pretty_json().expect("an OpenAPI document is JSON") + "\n";
    let committed = package.join("openapi.json");
    if fs::read_to_string(&committed).unwrap_or_default() != actual {
        let name = package.file_name().unwrap_or_default().display();
        let now = env::temp_dir().join(format!("{name}-openapi.json"));
        fs::write(&now, actual).expect("the temporary folder can be written");
        let (now, committed) = (now.display(), committed.display());
        panic!("the description changed; to accept it: cp {now} {committed}");
    }
}
