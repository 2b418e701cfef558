//! Sign-in: who asks, and whether they may.
//!
//! - [`scope`]: what one may do
//! - [`config`]: the settings, and when a service may start without sign-in
//! - [`api_key`], [`keys`]: API keys, and which of them are known here
//! - `token`: JWTs of a trusted issuer
//! - [`credential`]: who asks, once that is proved
//! - [`routes`]: routes, each with what it requires
//! - [`gate`]: the middleware that lets a request through to its handler, or refuses it
//! - `refusal`, `audit`: why not, and the last of those answers

pub mod api_key;
pub(crate) mod audit;
pub mod config;
pub mod credential;
pub mod gate;
pub mod keys;
mod refusal;
pub mod routes;
pub mod scope;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::Method;

use self::audit::Audit;
use self::config::SignInConfig;
use self::credential::Credential;
use self::gate::Gate;
use self::keys::Keys;
use self::refusal::Refusal;
use self::routes::AccessTable;
use self::scope::Scope;
use self::token::Tokens;
use crate::problem::{Catalogue, Document};

/// How a service knows who asks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SignIn(Option<Arc<Parts>>);

#[derive(Debug)]
struct Parts {
    keys: Keys,
    tokens: Option<Tokens>,
    audit: Audit,
}

impl SignIn {
    /// Everybody is answered.
    pub fn off() -> Self {
        Self(None)
    }

    /// The sign-in of a service that listens here.
    ///
    /// # Errors
    /// It may not listen there like this, or a setting cannot be used.
    pub fn new(config: &SignInConfig, address: SocketAddr) -> anyhow::Result<Self> {
        if !config.is_on(address)? {
            return Ok(Self::off());
        }
        let rate = config.rate_limit;
        let tokens = config.tokens()?.map(|tokens| Tokens::new(tokens, rate)).transpose()?;
        let keys = Keys::new(config.auth_stale_max.0, rate);
        Ok(Self(Some(Arc::new(Parts { keys, tokens, audit: Audit::default() }))))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The API keys that are known here, if they matter.
    pub fn keys(&self) -> Option<&Keys> {
        self.0.as_ref().map(|parts| &parts.keys)
    }

    /// What stands before these routes; nothing without sign-in.
    pub fn gate(&self, table: AccessTable) -> Option<Gate> {
        self.0.as_ref().map(|parts| Gate::new(Arc::clone(parts), table))
    }
}

/// The credential of a request that was let through, for its handler.
#[derive(Debug, Clone)]
pub struct SignedIn(Arc<Asking>);

#[derive(Debug)]
struct Asking {
    credential: Arc<Credential>,
    parts: Arc<Parts>,
    method: Method,
    path: String,
}

impl SignedIn {
    pub fn credential(&self) -> &Credential {
        &self.0.credential
    }

    /// Whether the credential is valid still, for answers that stay open.
    pub fn holds(&self) -> bool {
        let Asking { credential, parts, .. } = &*self.0;
        !credential.is_expired() && (!credential.is_key() || parts.keys.have(credential))
    }

    /// Refuses what needs a scope that the credential lacks.
    pub fn require<C: Catalogue>(&self, scope: Scope) -> Result<(), Document<C>> {
        if self.credential().has(scope) { Ok(()) } else { Err(self.refuse(&Refusal::Scope(scope))) }
    }

    /// Refuses what concerns a location that is not the credential's.
    pub fn require_location<C: Catalogue>(&self, location: &str) -> Result<(), Document<C>> {
        if self.credential().locations().include(location) {
            return Ok(());
        }
        Err(self.refuse(&Refusal::Location(location.to_owned())))
    }

    /// Refuses what concerns all locations, unless all are the credential's.
    pub fn require_all_locations<C: Catalogue>(&self) -> Result<(), Document<C>> {
        if !self.credential().locations().are_limited() {
            return Ok(());
        }
        Err(self.refuse(&Refusal::Location(Refusal::EVERYWHERE.to_owned())))
    }

    fn refuse<C: Catalogue>(&self, refusal: &Refusal) -> Document<C> {
        let Asking { credential, method, path, .. } = &*self.0;
        self.audit().note(refusal, Some((&credential.id, &credential.name)), method, path);
        refusal.document()
    }

    fn audit(&self) -> &Audit {
        &self.0.parts.audit
    }
}
