//! What all pages have in common, and the page about a failure.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Response};

use crate::reader::{self, Reader, SignedIn};
use crate::services::{Failure, Fault, Problem, Service};
use crate::texts::Texts;

/// The part of the console that a page belongs to, for the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Items,
    Movements,
    Waitlist,
    Transfers,
    Orders,
    Alerts,
    Pipeline,
    Problems,
    Record,
    Operations,
    Elsewhere,
}

impl Section {
    /// Those with an entry in the navigation: path and name.
    fn all(t: &Texts) -> [(Self, &'static str, &'static str); 11] {
        [
            (Self::Overview, "/", t.overview),
            (Self::Items, "/items", t.items),
            (Self::Movements, "/movements", t.movements),
            (Self::Orders, "/orders", t.orders),
            (Self::Waitlist, "/waitlist", t.waitlist),
            (Self::Transfers, "/transfers", t.transfers),
            (Self::Alerts, "/alerts", t.alerts),
            (Self::Pipeline, "/pipeline", t.pipeline),
            (Self::Problems, "/problems", t.problems),
            (Self::Record, "/record", t.record),
            (Self::Operations, "/operations", t.operations),
        ]
    }
}

/// An entry of the navigation.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) is_current: bool,
}

/// What stands around each page.
#[derive(Debug)]
pub(crate) struct Frame {
    section: Section,
    /// The position that the page shows, from where changes are followed; nothing follows without one.
    pub(crate) live_after: String,
    /// What an event must name to concern the page; every event does without it.
    pub(crate) live_about: String,
    /// Who signed in.
    signed_in: Option<SignedIn>,
}

impl Frame {
    /// A page that shows what was read, and stays so.
    pub(crate) fn still(section: Section) -> Self {
        let signed_in = Reader::now().signed_in;
        Self { section, live_after: String::new(), live_about: String::new(), signed_in }
    }

    /// A page that follows changes after a position.
    pub(crate) fn live(section: Section, position: &str) -> Self {
        Self { live_after: position.to_owned(), ..Self::still(section) }
    }

    /// The same, for changes that name this.
    pub(crate) fn about(self, name: &str) -> Self {
        Self { live_about: name.to_owned(), ..self }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let entry =
            |(section, path, name)| Entry { path, name, is_current: section == self.section };
        Section::all(reader::texts()).map(entry).into()
    }

    /// The name of who signed in.
    pub(crate) fn who(&self) -> Option<&str> {
        self.signed_in.as_ref().map(|who| who.name.as_str())
    }

    /// The field that every form has which is sent back; nothing for visitors who need not sign in.
    pub(crate) fn token(&self) -> String {
        let field = |who: &SignedIn| {
            format!("<input type=\"hidden\" name=\"form_token\" value=\"{}\">", who.form_token)
        };
        self.signed_in.as_ref().map(field).unwrap_or_default()
    }
}

/// A template as an answer.
pub(crate) fn page(template: &impl Template) -> Result<Response, Failure> {
    Ok(rendered(StatusCode::OK, template))
}

pub(crate) fn rendered(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, [(CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Marks an answer to somebody who has to sign in first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotSignedIn;

/// Says that too much is in progress.
pub(crate) fn busy() -> Response {
    let t = reader::texts();
    let page = FailurePage::new(t.busy, t.busy_detail);
    rendered(StatusCode::SERVICE_UNAVAILABLE, &FailurePage { is_temporary: true, ..page })
}

/// The page about a failure.
#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    t: &'static Texts,
    frame: Frame,
    title: String,
    detail: String,
    /// What the problem is called, and the service that says so.
    code: Option<(String, &'static str)>,
    faults: Vec<String>,
    /// Whether it may work in a moment.
    is_temporary: bool,
    /// Where to go on: a path, and what it is called.
    next: (&'static str, &'static str),
}

impl FailurePage {
    fn new(title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            t: reader::texts(),
            frame: Frame::still(Section::Elsewhere),
            title: title.into(),
            detail: detail.into(),
            code: None,
            faults: Vec::new(),
            is_temporary: false,
            next: ("/", reader::texts().to_overview),
        }
    }

    /// With what the problem is called, and who says so.
    fn by(self, code: &str, service: Service) -> Self {
        Self { code: Some((code.to_owned(), service.name())), ..self }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let t = reader::texts();
        let is_sign_in = matches!(self, Self::NotSignedIn);
        let (status, page) = match self {
            Self::NotFound => {
                (StatusCode::NOT_FOUND, FailurePage::new(t.nothing_here, t.nothing_here_detail))
            }
            Self::ForeignForm => {
                (StatusCode::FORBIDDEN, FailurePage::new(t.foreign_form, t.foreign_form_detail))
            }
            Self::NotSignedIn => {
                let page = FailurePage::new(t.not_signed_in, t.not_signed_in_detail);
                let next = ("/sign-in", t.sign_in);
                (StatusCode::UNAUTHORIZED, FailurePage { next, ..page })
            }
            Self::OpenServices => {
                (StatusCode::CONFLICT, FailurePage::new(t.open_services, t.open_services_detail))
            }
            Self::Down { service, cause } => {
                tracing::warn!(service = service.name(), %cause, "a service does not answer");
                let page = FailurePage::new(t.down, format!("{}: {cause}", service.name()));
                (StatusCode::SERVICE_UNAVAILABLE, FailurePage { is_temporary: true, ..page })
            }
            Self::Unreadable { service, cause } => {
                tracing::error!(service = service.name(), %cause, "an answer cannot be read");
                (StatusCode::BAD_GATEWAY, FailurePage::new(t.unreadable, cause).by("", service))
            }
            Self::Refused { service, problem } => refused(service, *problem),
        };
        let mut response = rendered(status, &page);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, 1.into());
        }
        if is_sign_in {
            response.extensions_mut().insert(NotSignedIn);
        }
        response
    }
}

fn refused(service: Service, problem: Problem) -> (StatusCode, FailurePage) {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let fault = |fault: &Fault| format!("{} {}", fault.pointer, fault.message);
    let faults = problem.errors.iter().map(fault).collect();
    let is_temporary = status == StatusCode::SERVICE_UNAVAILABLE;
    let code = problem.code().to_owned();
    let title =
        if code == "forbidden" { reader::texts().forbidden.to_owned() } else { problem.title };
    let page = FailurePage::new(title, problem.detail).by(&code, service);
    (status, FailurePage { faults, is_temporary, ..page })
}
