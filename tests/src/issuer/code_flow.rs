//! The pages of the issuer at which visitors of the console sign in: authorization code flow with PKCE.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{Shared, held};

type Fields = HashMap<String, String>;

/// Whom it signs in, without asking.
#[derive(Default)]
pub(super) struct Visitors {
    /// The claims of the access token; nobody is signed in without them.
    pub(super) claims: Mutex<Option<Value>>,
    /// What ID tokens say instead of the nonce that was asked for.
    pub(super) nonce: Mutex<Option<String>>,
    /// How many tokens were renewed; none is while it gives nothing to renew them with.
    pub(super) renewed: Mutex<Option<usize>>,
    /// What was asked for, by code. A code counts once.
    codes: Mutex<HashMap<String, Fields>>,
}

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .with_state(shared)
}

async fn authorize(State(shared): State<Arc<Shared>>, Query(asked): Query<Fields>) -> Redirect {
    let visitors = &shared.visitors;
    let back = &asked["redirect_uri"];
    let state = &asked["state"];
    if held(&visitors.claims).is_none() {
        return Redirect::to(&format!("{back}?error=access_denied&state={state}"));
    }
    let mut codes = held(&visitors.codes);
    let code = format!("code-{}-{state}", codes.len());
    let to = format!("{back}?code={code}&state={state}");
    codes.insert(code, asked);
    Redirect::to(&to)
}

async fn token(State(shared): State<Arc<Shared>>, Form(given): Form<Fields>) -> Response {
    if given["grant_type"] == "refresh_token" {
        return renew(&shared, &given["refresh_token"]);
    }
    let asked = held(&shared.visitors.codes).remove(&given["code"]);
    let proves = |asked: &Fields| {
        let hash = digest(&SHA256, given["code_verifier"].as_bytes());
        asked["code_challenge"] == BASE64_URL_SAFE_NO_PAD.encode(hash)
            && asked["code_challenge_method"] == "S256"
            && asked["redirect_uri"] == given["redirect_uri"]
    };
    let Some(asked) = asked.filter(proves) else { return refused() };
    let claims = held(&shared.visitors.claims).clone().expect("it signed somebody in");
    let nonce = held(&shared.visitors.nonce).clone();
    let mut id = claims.clone();
    id["aud"] = json!(asked["client_id"]);
    id["nonce"] = json!(nonce.as_ref().unwrap_or(&asked["nonce"]));
    let mut answer = tokens(&shared);
    answer["id_token"] = json!(shared.sign("JWT", &id));
    Json(answer).into_response()
}

/// Takes what the last answer gave for this, and nothing older.
fn renew(shared: &Shared, with: &str) -> Response {
    {
        let mut renewed = held(&shared.visitors.renewed);
        let Some(count) = renewed.as_mut().filter(|count| with == renewal(**count)) else {
            return refused();
        };
        *count += 1;
    }
    Json(tokens(shared)).into_response()
}

/// An access token; if it can be renewed, one that has to be soon.
fn tokens(shared: &Shared) -> Value {
    let claims = held(&shared.visitors.claims).clone().expect("it signed somebody in");
    let access = shared.sign("at+jwt", &claims);
    let mut answer = json!({"access_token": access, "token_type": "Bearer", "expires_in": 300});
    if let Some(count) = *held(&shared.visitors.renewed) {
        answer["expires_in"] = json!(1);
        answer["refresh_token"] = json!(renewal(count));
    }
    answer
}

fn renewal(count: usize) -> String {
    format!("renewal-{count}")
}

fn refused() -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response()
}
