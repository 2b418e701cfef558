//! The public keys of the trusted issuer: found by OIDC discovery or at a given URL, remembered, and asked
//! for again when a token names one that is not known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::time::timeout;

use crate::sign_in::config::TokenConfig;

/// The least time between two requests to the issuer: unknown keys in tokens are not a way to send it
/// requests.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// After this time the keys are asked for again, so that one that the issuer withdrew is forgotten.
const REFRESH_AFTER: Duration = Duration::from_secs(300);

/// How long the issuer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Bytes of an answer, and keys in it, that are read.
const ANSWER_BYTES_MAX: usize = 256 << 10;
const KEYS_MAX: usize = 100;

type Http = Client<HttpsConnector<HttpConnector>, Empty<axum::body::Bytes>>;

#[derive(Debug)]
pub(super) struct IssuerKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: TokenConfig,
    http: Http,
    known: Mutex<Known>,
    /// Held by the one who asks the issuer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Arc<HashMap<Option<String>, Arc<IssuerKey>>>,
    /// When the issuer was last asked, and when it last answered.
    asked_at: Option<Instant>,
    learned_at: Option<Instant>,
}

/// A public key, and what it may verify.
#[derive(Debug)]
pub(super) struct IssuerKey {
    pub(super) key: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

pub(super) enum KeyLookup {
    Found(Arc<IssuerKey>),
    Unknown,
    /// The issuer has not answered yet.
    Silent,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl IssuerKeys {
    pub(super) fn new(config: TokenConfig) -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .context("the system's trusted certificates cannot be read")?
            .https_or_http()
            .enable_http1()
            .build();
        let http = Client::builder(TokioExecutor::new()).build(connector);
        let (known, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self(Arc::new(Shared { config, http, known, asking })))
    }

    /// The key that a token names; the only one, if it names none.
    pub(super) async fn key(&self, kid: Option<&str>) -> KeyLookup {
        if let Some(key) = self.0.find(kid) {
            if self.0.is_older(REFRESH_AFTER) {
                let shared = Arc::clone(&self.0);
                tokio::spawn(async move { shared.ask().await });
            }
            return KeyLookup::Found(key);
        }
        self.0.ask().await;
        match self.0.find(kid) {
            Some(key) => KeyLookup::Found(key),
            None if self.0.is_older(Duration::MAX) => KeyLookup::Silent,
            None => KeyLookup::Unknown,
        }
    }

    #[cfg(test)]
    pub(super) fn learn(&self, text: &str) -> anyhow::Result<()> {
        self.0.learn(text.as_bytes())
    }
}

impl Shared {
    fn find(&self, kid: Option<&str>) -> Option<Arc<IssuerKey>> {
        let keys = Arc::clone(&self.lock().keys);
        match kid {
            Some(kid) => keys.get(&Some(kid.to_owned())).cloned(),
            None => keys.values().next().filter(|_| keys.len() == 1).cloned(),
        }
    }

    /// Whether the keys were learned so long ago, or never.
    fn is_older(&self, age: Duration) -> bool {
        self.lock().learned_at.is_none_or(|at| at.elapsed() > age)
    }

    /// Asks the issuer, unless somebody did a moment ago. Waits for one who is asking now.
    async fn ask(&self) {
        let _asking = self.asking.lock().await;
        {
            let mut known = self.lock();
            if known.asked_at.is_some_and(|at| at.elapsed() < ASK_AGAIN) {
                return;
            }
            known.asked_at = Some(Instant::now());
        }
        let answered = timeout(ANSWER_MAX, self.fetch()).await;
        let learned = answered
            .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {ANSWER_MAX:?}")))
            .and_then(|answer| self.learn(&answer));
        if let Err(error) = learned {
            tracing::warn!("the keys of {} are not known: {error:#}", self.config.issuer);
        }
    }

    async fn fetch(&self) -> anyhow::Result<Vec<u8>> {
        let url = match &self.config.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        self.get(url).await
    }

    async fn discover(&self) -> anyhow::Result<Uri> {
        let issuer = &self.config.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let answer = self.get(url.parse().context("the issuer is no URL")?).await?;
        let found: Discovery = serde_json::from_slice(&answer).context("the discovery document")?;
        ensure!(found.issuer == *issuer, "the discovery document is that of {}", found.issuer);
        let keys: Uri = found.jwks_uri.parse().context("jwks_uri")?;
        let is_as_safe = keys.scheme_str() == Some("https") || !issuer.starts_with("https:");
        ensure!(is_as_safe, "the keys of an issuer with https are not read without it");
        Ok(keys)
    }

    async fn get(&self, url: Uri) -> anyhow::Result<Vec<u8>> {
        let answer = self.http.get(url.clone()).await.with_context(|| url.to_string())?;
        ensure!(answer.status().is_success(), "{url} answers {}", answer.status());
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(body.map_err(|error| anyhow::anyhow!(error))?.to_bytes().to_vec())
    }

    fn learn(&self, answer: &[u8]) -> anyhow::Result<()> {
        let set: JwkSet = serde_json::from_slice(answer).context("the set of keys")?;
        let signing = set.keys.iter().filter(|jwk| {
            jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
        });
        let usable = signing.filter_map(|jwk| {
            let key = DecodingKey::from_jwk(jwk).ok()?;
            let algorithms = algorithms(jwk);
            let key = Arc::new(IssuerKey { key, algorithms });
            (!key.algorithms.is_empty()).then(|| (jwk.common.key_id.clone(), key))
        });
        let keys: HashMap<_, _> = usable.take(KEYS_MAX).collect();
        ensure!(!keys.is_empty(), "there is no key for signatures among {}", set.keys.len());
        let mut known = self.lock();
        known.keys = Arc::new(keys);
        known.learned_at = Some(Instant::now());
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a key may verify: what it says, else what such keys are for. None for a secret.
fn algorithms(jwk: &Jwk) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let fitting: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(curve) => match curve.curve {
            EllipticCurve::Ed25519 => &[EdDSA],
            _ => &[],
        },
        _ => &[],
    };
    let is_said = |algorithm: &Algorithm| match &jwk.common.key_algorithm {
        None => true,
        Some(said) => KeyAlgorithm::from(*algorithm) == *said,
    };
    fitting.iter().copied().filter(is_said).collect()
}
