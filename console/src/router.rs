//! Every route, and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use service_edge::callers::Callers;
use service_edge::config::count;
use service_edge::http::frame;
use service_edge::problem::of_panic;
use service_edge::{problem_catalogue, recorder};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::ServeConfig;
use crate::pages::sign_in::Door;
use crate::pages::{self, live::Live};
use crate::services::{Failure, Services};
use crate::sign_in::{self, SignIn};
use crate::{assets, frame as pages_frame};

problem_catalogue! {
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The console is busy"
        "Too many pages are in progress. Load the page again in a moment."
}

/// Pages come from the console alone: nothing inline, nothing of other origins, no frame around it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The console's HTTP surface, and what ends the pages that follow changes.
pub(crate) fn router(
    services: Services,
    sign_in: SignIn,
    callers: &Callers,
    config: &ServeConfig,
) -> (Router, CancellationToken) {
    let end = CancellationToken::new();
    let live = Live::new(services.clone(), count(config.live_max), end.clone());
    let free = Arc::new(Semaphore::new(count(config.requests_max)));
    let live = Router::new().route(sign_in::LIVE, get(pages::live::follow)).with_state(live);
    let door = Door { sign_in: sign_in.clone(), services: services.clone() };
    let router = pages()
        .with_state(services.clone())
        .merge(live)
        .layer(from_fn_with_state(sign_in.clone(), sign_in::signed_in))
        .merge(doors().with_state(door))
        .merge(Router::new().route("/readyz", get(pages::ready)).with_state(services))
        .layer(from_fn_with_state(free, one_of_few))
        .route("/assets/{name}", get(assets::serve))
        .route("/livez", get(async || "alive\n"))
        .route("/metrics", get(async || recorder::handle().render()))
        .fallback(async || Failure::NotFound);
    let router = router.layer(
        // From the outside in.
        ServiceBuilder::new()
            .layer(from_fn_with_state(callers.clone(), frame::<Code>))
            .layer(from_fn(guarded))
            .layer(CatchPanicLayer::custom(of_panic::<Code>))
            .layer(from_fn_with_state(sign_in, sign_in::recognised))
            .layer(from_fn(sign_in::with_own_forms)),
    );
    (router, end)
}

fn pages() -> Router<Services> {
    Router::new()
        .route("/", get(pages::overview::show))
        .route("/items", get(pages::items::show))
        .route("/items/{sku}", get(pages::item::show))
        .route("/items/{sku}/flow", get(pages::item::flow::show))
        .route("/movements", get(pages::movements::show))
        .route("/orders", get(pages::lists::orders))
        .route("/orders/{id}", get(pages::lists::order))
        .route("/reservations", get(pages::lists::reservations))
        .route("/reservations/{id}", get(pages::lists::reservation))
        .route("/waitlist", get(pages::lists::waitlist))
        .route("/transfers", get(pages::lists::transfers))
        .route("/transfers/{id}", get(pages::lists::transfer))
        .route("/alerts", get(pages::lists::alerts))
        .route("/pipeline", get(pages::pipeline::show))
        .route("/pipeline/{lane}", get(pages::pipeline::lane))
        .route("/problems", get(pages::problems::show))
        .route("/record", get(pages::record::first))
        .route("/record/{kind}", get(pages::record::form).post(pages::record::send))
        .route("/operations", get(pages::operations::show))
        .route("/operations/reverse", post(pages::operations::reverse))
        .route(
            "/operations/skip",
            get(pages::operations::views::ask_skip).post(pages::operations::views::skip),
        )
        .route(
            "/operations/rebuild",
            get(pages::operations::views::ask_rebuild).post(pages::operations::views::rebuild),
        )
        .route("/operations/reversals/{id}", get(pages::operations::reversal))
        .route("/find", get(pages::find::show))
        .route("/streams/{*stream}", get(pages::streams::show))
        .route("/events/{id}", get(pages::streams::event))
}

fn doors() -> Router<Door> {
    use pages::sign_in::{at_issuer, back, show, sign_out, with_key};
    Router::new()
        .route(sign_in::PAGE, get(show).post(with_key))
        .route("/sign-in/issuer", get(at_issuer))
        .route("/sign-in/callback", get(back))
        .route("/sign-out", post(sign_out))
}

/// Refuses commands that no page of the console sent, and adds what browsers must know of every page.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = if request.method().is_safe() || is_own(request.headers()) {
        next.run(request).await
    } else {
        Failure::ForeignForm.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Whether the browser says that a form comes from the console's own page. One of both headers is always sent.
fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(ORIGIN).and_then(|origin| origin.parse::<Uri>().ok());
    match (origin.as_ref().and_then(Uri::authority), text(HOST)) {
        (Some(origin), Some(host)) => origin.as_str().eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// Answers at once where too many pages are in progress.
async fn one_of_few(State(free): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match free.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => pages_frame::busy(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(headers: &[(&'static str, &'static str)]) -> bool {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        is_own(&headers.iter().map(header).collect())
    }

    #[test]
    fn a_form_is_taken_only_from_a_page_of_the_console() {
        let host = ("host", "127.0.0.1:8082");
        assert!(own(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(own(&[host, ("origin", "http://127.0.0.1:8082")]));
        for foreign in [
            &[host][..],
            &[host, ("origin", "http://127.0.0.1:8083")],
            &[host, ("origin", "null")],
            &[host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8082")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "none")],
        ] {
            assert!(!own(foreign), "{foreign:?}");
        }
    }
}
