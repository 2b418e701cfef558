//! `/sign-in`: with an API key, or at the issuer; `/sign-out`.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use service_edge::sign_in::api_key::ApiKey;

use super::link;
use crate::frame::{self, Frame, Section};
use crate::reader::{self, Reader};
use crate::services::{Failure, Services};
use crate::sessions::{Credential, random_token};
use crate::sign_in::issuer::{IssuerError, Returned, SignedIn};
use crate::sign_in::{PAGE, SignIn, Token, lets_in, return_path};
use crate::texts::Texts;

/// What the routes of sign-in use.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) sign_in: SignIn,
    /// They are asked without a credential, or with the one that is tried.
    pub(crate) services: Services,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    to: String,
    /// Says that a session ended.
    over: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    t: &'static Texts,
    frame: Frame,
    to: String,
    /// The way to the issuer, if there is one.
    issuer: Option<String>,
    token: String,
    problem: Option<String>,
    is_over: bool,
}

impl Door {
    /// The page, with why signing in did not work.
    fn page(
        &self,
        headers: &HeaderMap,
        asked: &Asked,
        status: StatusCode,
        problem: Option<String>,
    ) -> Response {
        let cookies = self.sign_in.cookies();
        let to = return_path(&asked.to);
        let known = cookies.read_form(headers).map(str::to_owned);
        let token = known.unwrap_or_else(random_token);
        let page = SignInPage {
            t: reader::texts(),
            frame: Frame::still(Section::Elsewhere),
            issuer: self.sign_in.issuer().map(|_| link("/sign-in/issuer", &[("to", &to)])),
            to,
            token: token.clone(),
            problem,
            is_over: !asked.over.is_empty(),
        };
        (cookies.form(&token), frame::rendered(status, &page)).into_response()
    }

    /// The page that says why the issuer signed nobody in.
    fn failed(&self, headers: &HeaderMap, error: &IssuerError) -> Response {
        let t = reader::texts();
        if let IssuerError::Unusable(_) = error {
            tracing::warn!(%error, "visitors cannot sign in at the issuer");
        } else {
            tracing::info!(%error, "a visitor did not sign in at the issuer");
        }
        let (status, problem) = match error {
            IssuerError::Unusable(_) => (StatusCode::BAD_GATEWAY, t.issuer_unusable.to_owned()),
            IssuerError::Refused(why) => {
                (StatusCode::FORBIDDEN, format!("{} {why}", t.issuer_refused))
            }
            IssuerError::Foreign => (StatusCode::FORBIDDEN, t.sign_in_foreign.to_owned()),
        };
        self.page(headers, &Asked::default(), status, Some(problem))
    }
}

pub(crate) async fn show(
    State(door): State<Door>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if Reader::now().signed_in.is_some() {
        return Ok(Redirect::to(&return_path(&asked.to)).into_response());
    }
    if lets_in(&door.services).await? {
        return nothing_to_sign_in_to(&door, &asked);
    }
    Ok(door.page(&headers, &asked, StatusCode::OK, None))
}

/// Services that let everybody in would take any key for a good one.
fn nothing_to_sign_in_to(door: &Door, asked: &Asked) -> Result<Response, Failure> {
    if door.sign_in.is_required() {
        return Err(Failure::OpenServices);
    }
    Ok(Redirect::to(&return_path(&asked.to)).into_response())
}

/// A form with a key. No Debug: it holds the key.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeyForm {
    key: String,
    to: String,
    #[serde(flatten)]
    token: Token,
}

pub(crate) async fn with_key(
    State(door): State<Door>,
    headers: HeaderMap,
    Form(form): Form<KeyForm>,
) -> Result<Response, Failure> {
    let asked = Asked { to: form.to, over: String::new() };
    let t = reader::texts();
    let refuse = |problem: &str| {
        door.page(&headers, &asked, StatusCode::FORBIDDEN, Some(problem.to_owned()))
    };
    let is_own = door.sign_in.cookies().read_form(&headers).is_some_and(|own| form.token.is(own));
    if !is_own {
        return Ok(refuse(t.sign_in_foreign));
    }
    let Some(_attempt) = door.sign_in.attempt() else { return Ok(frame::busy()) };
    let Some(key) = ApiKey::parse(form.key.trim()) else { return Ok(refuse(t.no_such_key)) };
    if lets_in(&door.services).await? {
        return nothing_to_sign_in_to(&door, &asked);
    }
    let Ok(credential) = key.reveal().parse();
    if !lets_in(&door.services.asked_with(&credential)).await? {
        return Ok(refuse(t.no_such_key));
    }
    let name = format!("sbk_{}", key.id());
    let credential = Credential { secret: credential, lasts: None, renewal: None };
    let cookie = door.sign_in.start(&headers, credential, name);
    Ok((cookie, Redirect::to(&return_path(&asked.to))).into_response())
}

/// Leads to the issuer's page.
pub(crate) async fn at_issuer(
    State(door): State<Door>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let issuer = door.sign_in.issuer().ok_or(Failure::NotFound)?;
    let Some(_attempt) = door.sign_in.attempt() else { return Ok(frame::busy()) };
    match issuer.begin(return_path(&asked.to)).await {
        Ok((page, kept)) => {
            let cookie = door.sign_in.cookies().flow(&kept);
            Ok((cookie, Redirect::to(&page)).into_response())
        }
        Err(error) => Ok(door.failed(&headers, &error)),
    }
}

/// Where the issuer sends visitors back to.
pub(crate) async fn back(
    State(door): State<Door>,
    Query(returned): Query<Returned>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let issuer = door.sign_in.issuer().ok_or(Failure::NotFound)?;
    let Some(_attempt) = door.sign_in.attempt() else { return Ok(frame::busy()) };
    let no_flow = door.sign_in.cookies().no_flow();
    let kept = door.sign_in.cookies().read_flow(&headers).unwrap_or_default();
    let signed_in = match issuer.end(&kept, returned).await {
        Ok(signed_in) => signed_in,
        Err(error) => return Ok((no_flow, door.failed(&headers, &error)).into_response()),
    };
    if lets_in(&door.services).await? {
        return nothing_to_sign_in_to(&door, &Asked { to: signed_in.to, over: String::new() });
    }
    if !lets_in(&door.services.asked_with(&signed_in.credential.secret)).await? {
        tracing::warn!(
            name = signed_in.name,
            "the services do not accept the token of the issuer: compare AUTH_ISSUER and \
             AUTH_AUDIENCE with OIDC_ISSUER and OIDC_RESOURCE"
        );
        let problem = Some(reader::texts().token_not_accepted.to_owned());
        let page = door.page(&headers, &Asked::default(), StatusCode::FORBIDDEN, problem);
        return Ok((no_flow, page).into_response());
    }
    let SignedIn { credential, name, to } = signed_in;
    let cookie = door.sign_in.start(&headers, credential, name);
    Ok((no_flow, cookie, Redirect::to(&return_path(&to))).into_response())
}

pub(crate) async fn sign_out(State(door): State<Door>, headers: HeaderMap) -> Response {
    (door.sign_in.end(&headers), Redirect::to(PAGE)).into_response()
}
