//! Routes, each with what it requires. There is no other way to add one.

use std::collections::HashMap;

use axum::extract::Request;
use axum::http::Method;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, Route};
use tower::{Layer, Service};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::scope::Scope;
use crate::openapi::{BEARER, operations};

/// What a route requires of a credential.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    pub(super) need: Need,
    /// Whether the handler keeps to the credential's locations. If not, a credential that is limited to some
    /// is refused.
    pub(super) knows_locations: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Need {
    /// Nothing, not even a credential.
    Nothing,
    /// Any credential.
    SignedIn,
    Scope(Scope),
    /// One of them; the handler finds out which.
    AnyOf(&'static [Scope]),
}

impl Access {
    pub(super) const OPEN: Self = Self { need: Need::Nothing, knows_locations: true };
    pub(super) const SIGNED_IN: Self = Self { need: Need::SignedIn, knows_locations: true };

    /// A scope, and all locations.
    pub const fn everywhere(scope: Scope) -> Self {
        Self { need: Need::Scope(scope), knows_locations: false }
    }

    /// A scope; the handler keeps to the credential's locations.
    pub const fn by_location(scope: Scope) -> Self {
        Self { need: Need::Scope(scope), knows_locations: true }
    }

    /// One of these scopes; the handler checks which, and keeps to the credential's locations.
    pub const fn any_of(scopes: &'static [Scope]) -> Self {
        Self { need: Need::AnyOf(scopes), knows_locations: true }
    }

    /// Says so in OpenAPI: each requirement is enough.
    fn describe(self, operation: &mut Operation) {
        let scopes = match &self.need {
            Need::Nothing | Need::SignedIn => &[][..],
            Need::Scope(scope) => std::slice::from_ref(scope),
            Need::AnyOf(scopes) => scopes,
        };
        let requirement =
            |scope: &Scope| SecurityRequirement::new(BEARER, [scope.as_str().to_owned()]);
        operation.security = Some(scopes.iter().map(requirement).collect());
    }
}

/// The requirements of all routes, by path and method.
#[derive(Debug, Clone, Default)]
pub struct AccessTable(HashMap<String, Vec<(Method, Access)>>);

impl AccessTable {
    fn add(&mut self, path: &str, method: Method, access: Access) {
        self.0.entry(path.to_owned()).or_default().push((method, access));
    }

    /// What a request requires. A path without an entry is one that every service has, or leads nowhere.
    pub(super) fn access(&self, path: Option<&str>, method: &Method) -> Access {
        let Some(path) = path else { return Access::SIGNED_IN };
        let asked = if method == Method::HEAD { &Method::GET } else { method };
        match self.0.get(path) {
            Some(methods) => {
                let found = methods.iter().find(|(known, _)| known == asked);
                found.map_or(Access::SIGNED_IN, |(_, access)| *access)
            }
            None => match path {
                "/livez" | "/readyz" | "/problems/{code}" => Access::OPEN,
                "/metrics" => Access::everywhere(Scope::Operate),
                path if path.starts_with("/v1/") => Access::everywhere(Scope::Operate),
                _ => Access::SIGNED_IN,
            },
        }
    }
}

/// Routes with their description and their requirements.
pub struct Routes<S> {
    pub(crate) router: OpenApiRouter<S>,
    pub(crate) table: AccessTable,
}

impl<S> Default for Routes<S>
where
    S: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self { router: OpenApiRouter::new(), table: AccessTable::default() }
    }
}

impl<S> Routes<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// No routes yet, of a service that is described like this.
    pub fn of(description: OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(description), ..Self::default() }
    }

    /// Adds what `routes!` gives.
    pub fn routes(mut self, access: Access, routes: UtoipaMethodRouter<S>) -> Self {
        let (schemas, mut paths, handlers) = routes;
        for (path, item) in &mut paths.paths {
            for (method, operation) in operations(item) {
                access.describe(operation);
                self.table.add(path, name(method), access);
            }
        }
        self.router = self.router.routes((schemas, paths, handlers));
        self
    }

    /// Adds a route for GET whose answers are described under other paths.
    pub fn described_as(
        mut self,
        access: Access,
        path: &str,
        described: &[&str],
        handler: MethodRouter<S>,
    ) -> Self {
        for described in described {
            let item = self.router.get_openapi_mut().paths.paths.get_mut(*described);
            let item = item.expect("the answers of a route are described");
            operations(item).for_each(|(_, operation)| access.describe(operation));
        }
        self.table.add(path, Method::GET, access);
        self.router = self.router.route(path, handler);
        self
    }

    pub fn merge(mut self, other: Self) -> Self {
        for (path, methods) in other.table.0 {
            self.table.0.entry(path).or_default().extend(methods);
        }
        self.router = self.router.merge(other.router);
        self
    }

    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<std::convert::Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.router = self.router.layer(layer);
        self
    }

    pub fn description(&mut self) -> &mut OpenApi {
        self.router.get_openapi_mut()
    }
}

fn name(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Trace => Method::TRACE,
    }
}
