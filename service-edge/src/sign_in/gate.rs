//! The middleware that finds out who asks, and refuses those who may not.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::api_key::{ApiKey, PREFIX};
use super::credential::Credential;
use super::refusal::Refusal;
use super::routes::{Access, AccessTable, Need};
use super::scope::Scope;
use super::{Asking, Parts, SignedIn};
use crate::problem::Catalogue;

const ACTOR: &str = "actor";

/// What stands before the routes of a service with sign-in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate {
    parts: Arc<Parts>,
    table: Arc<AccessTable>,
}

/// Lets a request through with its credential, or answers it with the reason why not.
pub async fn guard<C: Catalogue>(
    State(gate): State<Gate>,
    mut request: Request,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let access = gate.table.access(matched.map(MatchedPath::as_str), request.method());
    if let Need::Nothing = access.need {
        return next.run(request).await;
    }
    let found = gate.find(request.headers()).await;
    let admitted = match &found {
        Ok(credential) => admit(credential, access, request.headers()),
        Err(refusal) => Err(refusal.clone()),
    };
    let (method, path) = (request.method(), request.uri().path());
    match (found, admitted) {
        (Ok(credential), Ok(())) => {
            let (method, path) = (method.clone(), path.to_owned());
            let parts = Arc::clone(&gate.parts);
            let signed_in = SignedIn(Arc::new(Asking { credential, parts, method, path }));
            request.extensions_mut().insert(signed_in);
            next.run(request).await
        }
        (found, Err(refusal)) => {
            let who = found.as_ref().ok().map(|who| (who.id.as_str(), who.name.as_str()));
            gate.parts.audit.note(&refusal, who, method, path);
            refusal.document::<C>().into_response()
        }
        (Err(refusal), Ok(())) => refusal.document::<C>().into_response(),
    }
}

impl Gate {
    pub(super) fn new(parts: Arc<Parts>, table: AccessTable) -> Self {
        Self { parts, table: Arc::new(table) }
    }

    /// Whom a request comes from.
    async fn find(&self, headers: &HeaderMap) -> Result<Arc<Credential>, Refusal> {
        let text = bearer(headers)?;
        if text.starts_with(PREFIX) {
            let key = ApiKey::parse(text).ok_or(Refusal::Key)?;
            return self.parts.keys.find(&key);
        }
        match &self.parts.tokens {
            Some(tokens) => tokens.find(text).await,
            None => Err(Refusal::Malformed),
        }
    }
}

/// What stands after `Bearer` in the one header that there may be.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (all.next(), all.next()) else {
        let is_missing = !headers.contains_key(AUTHORIZATION);
        return Err(if is_missing { Refusal::Missing } else { Refusal::Malformed });
    };
    let text = header.to_str().map_err(|_| Refusal::Malformed)?;
    let (scheme, text) = text.split_once(' ').ok_or(Refusal::Malformed)?;
    let text = text.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || text.is_empty() {
        return Err(Refusal::Malformed);
    }
    Ok(text)
}

/// Whether the credential may ask for this.
fn admit(credential: &Credential, access: Access, headers: &HeaderMap) -> Result<(), Refusal> {
    credential.pace().count().map_err(Refusal::TooMany)?;
    match access.need {
        Need::Nothing | Need::SignedIn => {}
        Need::Scope(scope) if credential.has(scope) => {}
        Need::Scope(scope) => return Err(Refusal::Scope(scope)),
        Need::AnyOf(scopes) => {
            if !scopes.iter().any(|scope| credential.has(*scope)) {
                let first = scopes.first().copied().unwrap_or(Scope::Operate);
                return Err(Refusal::Scope(first));
            }
        }
    }
    if !access.knows_locations && credential.locations().are_limited() {
        return Err(Refusal::Location(Refusal::EVERYWHERE.to_owned()));
    }
    if headers.contains_key(ACTOR) && !credential.has(Scope::ActAs) {
        return Err(Refusal::Scope(Scope::ActAs));
    }
    Ok(())
}
