//! Signing in at an issuer: OpenID Connect, authorization code flow with PKCE.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::StreamExt;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdTokenClaims,
    CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardErrorResponse, TokenResponse,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use service_edge::config::Secret;
use service_edge::tls::{trusting, trusting_nobody};
use subtle::ConstantTimeEq;

use crate::config::OidcConfig;
use crate::sessions::Credential;

/// Bytes of an answer of the issuer that are read.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// Characters of a visitor's name that pages write.
const NAME_CHARS_MAX: usize = 64;

/// Characters of a reason why the issuer did not sign somebody in.
const REASON_CHARS_MAX: usize = 64;

fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Where visitors sign in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Issuer(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    http: Client,
    issuer: IssuerUrl,
    client: ClientId,
    secret: Option<ClientSecret>,
    back: RedirectUrl,
    scopes: Vec<String>,
    resource: Option<Url>,
}

/// Why a visitor is not signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    #[error("the issuer does not answer as it should: {0}")]
    Unusable(String),
    #[error("the issuer did not sign the visitor in: {0}")]
    Refused(String),
    #[error("what came back does not belong to the sign-in that this browser began")]
    Foreign,
}

/// What a browser keeps while its visitor is at the issuer: nobody else's answer fits.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    /// The page to go on with.
    to: String,
}

/// What comes back with a visitor.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Returned {
    code: String,
    state: String,
    error: String,
}

/// A visitor whom the issuer signed in.
pub(crate) struct SignedIn {
    pub(crate) credential: Credential,
    pub(crate) name: String,
    pub(crate) to: String,
}

type TokenError = RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>;

type Known = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Issuer {
    /// The issuer of these settings, if they name one.
    ///
    /// # Errors
    /// A file cannot be used, or secrets would cross a network in clear.
    pub(super) fn new(config: &OidcConfig, timeout: Duration) -> anyhow::Result<Option<Self>> {
        let (Some(issuer), Some(client), Some(back)) =
            (&config.oidc_issuer, &config.oidc_client_id, &config.oidc_redirect_url)
        else {
            return Ok(None);
        };
        // Kept as it is written, because that is compared with what tokens say, where a slash at the end counts.
        let issuer = IssuerUrl::new(issuer.clone()).context("OIDC_ISSUER is no URL")?;
        for (name, url) in [("OIDC_ISSUER", issuer.url()), ("OIDC_REDIRECT_URL", back)] {
            let is_safe = url.scheme() == "https" || is_loopback(url);
            ensure!(is_safe, "{name} must begin with https:// unless it is on loopback");
        }
        let tls = match &config.oidc_ca {
            None if issuer.url().scheme() == "http" => trusting_nobody()?,
            ca => trusting(ca.as_deref())?,
        };
        let http = Client::builder()
            .timeout(timeout)
            // An answer that leads elsewhere is none: nothing says that it is safe to ask there.
            .redirect(Policy::none())
            .tls_backend_preconfigured(tls)
            .build()?;
        let secret = config.oidc_client_secret_file.as_ref().map(|path| {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
            anyhow::Ok(ClientSecret::new(text.trim().to_owned()))
        });
        Ok(Some(Self(Arc::new(Parts {
            http,
            issuer,
            client: ClientId::new(client.clone()),
            secret: secret.transpose()?,
            back: RedirectUrl::from_url(back.clone()),
            scopes: config.oidc_scopes.split_whitespace().map(str::to_owned).collect(),
            resource: config.oidc_resource.clone(),
        }))))
    }

    pub(super) fn returns_by_tls(&self) -> bool {
        self.0.back.url().scheme() == "https"
    }

    /// Begins: the issuer's page to go to, and what the browser keeps.
    pub(crate) async fn begin(&self, to: String) -> Result<(String, Vec<u8>), IssuerError> {
        let client = self.discover().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut request = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .set_pkce_challenge(challenge);
        // It adds `openid` by itself.
        for scope in self.0.scopes.iter().filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        if let Some(resource) = &self.0.resource {
            request = request.add_extra_param("resource", resource.as_str());
        }
        let (page, state, nonce) = request.url();
        let kept = Flow {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            to,
        };
        Ok((page.into(), serde_json::to_vec(&kept).unwrap_or_default()))
    }

    /// Ends: the credential that the issuer gives for the code that came back.
    pub(crate) async fn end(&self, kept: &[u8], back: Returned) -> Result<SignedIn, IssuerError> {
        let flow: Flow = serde_json::from_slice(kept).map_err(|_| IssuerError::Foreign)?;
        if !bool::from(flow.state.as_bytes().ct_eq(back.state.as_bytes())) {
            return Err(IssuerError::Foreign);
        }
        if !back.error.is_empty() || back.code.is_empty() {
            return Err(IssuerError::Refused(reason(&back.error)));
        }
        let client = self.discover().await?;
        let answer = self.exchange(&client, back.code, flow.verifier).await?;
        let id_token = answer.id_token().ok_or_else(|| unusable("there is no ID token"))?;
        let claims = id_token.claims(&client.id_token_verifier(), &Nonce::new(flow.nonce));
        let claims = claims.map_err(|error| unusable(&error.to_string()))?;
        Ok(SignedIn { credential: credential(&answer), name: name(claims), to: flow.to })
    }

    /// The next credential of a visitor who is signed in.
    pub(crate) async fn renew(&self, renewal: &Secret) -> Result<Credential, IssuerError> {
        let client = self.discover().await?;
        let renewal = RefreshToken::new(renewal.reveal().to_owned());
        let request = client.exchange_refresh_token(&renewal);
        let mut request = request.map_err(|error| unusable(&error.to_string()))?;
        if let Some(resource) = &self.0.resource {
            request = request.add_extra_param("resource", resource.as_str());
        }
        let http = |request| ask(self.0.http.clone(), request);
        Ok(credential(&request.request_async(&http).await.map_err(without_tokens)?))
    }

    async fn exchange(
        &self,
        client: &Known,
        code: String,
        verifier: String,
    ) -> Result<CoreTokenResponse, IssuerError> {
        let request = client.exchange_code(AuthorizationCode::new(code));
        let mut request = request
            .map_err(|error| unusable(&error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier));
        if let Some(resource) = &self.0.resource {
            request = request.add_extra_param("resource", resource.as_str());
        }
        let http = |request| ask(self.0.http.clone(), request);
        request.request_async(&http).await.map_err(without_tokens)
    }

    /// Asked for each time, so that its keys and addresses are those of now.
    async fn discover(&self) -> Result<Known, IssuerError> {
        let http = |request| ask(self.0.http.clone(), request);
        let metadata = CoreProviderMetadata::discover_async(self.0.issuer.clone(), &http).await;
        let metadata = metadata.map_err(|error| unusable(&error.to_string()))?;
        let Parts { client, secret, back, .. } = &*self.0;
        Ok(CoreClient::from_provider_metadata(metadata, client.clone(), secret.clone())
            .set_redirect_uri(back.clone()))
    }
}

/// The tokens of an answer.
fn credential(answer: &CoreTokenResponse) -> Credential {
    let Ok(secret) = answer.access_token().secret().parse();
    let renewal = answer.refresh_token().map(|token| {
        let Ok(renewal) = token.secret().parse();
        renewal
    });
    Credential { secret, lasts: answer.expires_in(), renewal }
}

/// Why there are no tokens.
fn without_tokens(error: TokenError) -> IssuerError {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            IssuerError::Refused(reason(answer.error().as_ref()))
        }
        // The others may quote what the issuer answered, which can hold secrets.
        RequestTokenError::Request(error) => unusable(&error.to_string()),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            unusable("its tokens cannot be read")
        }
    }
}

fn unusable(why: &str) -> IssuerError {
    IssuerError::Unusable(why.to_owned())
}

/// The issuer's code of a refusal. It came by the browser, so it is nothing but a word.
fn reason(code: &str) -> String {
    let is_plain = |one: &char| one.is_ascii_alphanumeric() || *one == '_';
    code.chars().filter(is_plain).take(REASON_CHARS_MAX).collect()
}

/// What people call the visitor, if the issuer says it.
fn name(claims: &CoreIdTokenClaims) -> String {
    let login = claims.preferred_username().map(|name| name.as_str());
    let email = || claims.email().map(|email| email.as_str());
    let name = login.or_else(email).unwrap_or(claims.subject().as_str());
    name.chars().filter(|one| !one.is_control()).take(NAME_CHARS_MAX).collect()
}

#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("no answer")]
    Reqwest(#[from] reqwest::Error),
    #[error("it has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

/// A request of the library, by the console's own client.
async fn ask(http: Client, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let answer = http.execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(HttpError::TooLong);
        }
    }
    let mut answer = HttpResponse::new(body);
    (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(issuer: &str) -> OidcConfig {
        OidcConfig {
            oidc_issuer: Some(issuer.to_owned()),
            oidc_client_id: Some("console".to_owned()),
            oidc_redirect_url: Some(
                "https://console.example/sign-in/callback".parse().expect("a URL"),
            ),
            ..OidcConfig::default()
        }
    }

    #[test]
    fn an_issuer_without_tls_is_on_this_machine() {
        let timeout = Duration::from_secs(1);
        let issuer = Issuer::new(&config("http://127.0.0.1:9000"), timeout).expect("it may be");
        assert!(issuer.expect("an issuer").returns_by_tls());
        assert!(Issuer::new(&config("http://issuer.example"), timeout).is_err());
        assert!(Issuer::new(&OidcConfig::default(), timeout).expect("none").is_none());
    }

    #[test]
    fn a_reason_is_a_word() {
        assert_eq!(reason("access_denied"), "access_denied");
        assert_eq!(reason("<b>call 0800</b>"), "bcall0800b");
        assert_eq!(reason(&"a".repeat(500)).len(), REASON_CHARS_MAX);
    }
}
