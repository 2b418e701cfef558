//! An issuer of tokens that can also sign what no issuer should: for another audience, with another key,
//! with an algorithm that proves nothing.

mod code_flow;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::Utc;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::code_flow::Visitors;

/// The audience of its tokens.
pub const AUDIENCE: &str = "stockbook";

/// It serves its discovery document and its keys until it is dropped.
pub struct Issuer {
    pub url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    /// The newest last; only its public keys are served.
    keys: Mutex<Vec<(String, EcdsaKeyPair)>>,
    asked: AtomicUsize,
    chance: SystemRandom,
    visitors: Visitors,
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            keys: Mutex::default(),
            asked: AtomicUsize::new(0),
            chance: SystemRandom::new(),
            visitors: Visitors::default(),
        });
        let (discovery, keys) = (url.clone(), Arc::clone(&shared));
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async move || Json(described(&discovery))),
            )
            .route("/keys", get(async move || Json(keys.public())))
            .merge(code_flow::routes(Arc::clone(&shared)));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the issuer serves");
        });
        let issuer = Self { url, shared, serving };
        issuer.rotate();
        issuer
    }

    /// Signs with a new key from now on; the older ones stay valid.
    pub fn rotate(&self) {
        let (algorithm, chance) = (&ECDSA_P256_SHA256_FIXED_SIGNING, &self.shared.chance);
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, chance).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), chance).expect("a key");
        let mut keys = held(&self.shared.keys);
        let kid = format!("key-{}", keys.len() + 1);
        keys.push((kid, pair));
    }

    /// How often its keys were asked for.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Claims that hold, with these scopes.
    pub fn claims(&self, subject: &str, scope: &str) -> Value {
        let now = Utc::now().timestamp();
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": subject, "scope": scope,
            "iat": now, "nbf": now - 5, "exp": now + 600,
        })
    }

    /// A token with these claims, signed by the newest key.
    pub fn token(&self, claims: &Value) -> String {
        self.shared.sign("at+jwt", claims)
    }

    /// Signs in every visitor, with a token of these claims; nobody without them.
    pub fn signs_in(&self, claims: Option<Value>) {
        *held(&self.shared.visitors.claims) = claims;
    }

    /// Gives visitors tokens that are to be renewed every second, or renews none any more.
    pub fn renews(&self, does: bool) {
        *held(&self.shared.visitors.renewed) = does.then_some(0);
    }

    /// How many tokens were renewed.
    pub fn renewed(&self) -> usize {
        held(&self.shared.visitors.renewed).unwrap_or_default()
    }

    /// Says in ID tokens that they are for another sign-in than this.
    pub fn says_nonce(&self, nonce: &str) {
        *held(&self.shared.visitors.nonce) = Some(nonce.to_owned());
    }

    /// A token that names a key which nobody has.
    pub fn of_unknown_key(&self, claims: &Value, number: usize) -> String {
        let token = self.token(claims);
        let (_, rest) = token.split_once('.').expect("three parts");
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("unknown-{number}")});
        format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(header.to_string()))
    }

    /// A token that says it needs no signature.
    pub fn unsigned(&self, claims: &Value) -> String {
        format!("{}.", unsigned(&json!({"alg": "none", "typ": "JWT", "kid": self.kid()}), claims))
    }

    /// A token that is signed with the public key, as if that were a secret.
    pub fn of_public_key(&self, claims: &Value) -> String {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": self.kid()});
        let signed = unsigned(&header, claims);
        let keys = held(&self.shared.keys);
        let (_, pair) = keys.last().expect("there is a key");
        let secret = hmac::Key::new(hmac::HMAC_SHA256, pair.public_key().as_ref());
        let tag = hmac::sign(&secret, signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
    }

    fn kid(&self) -> String {
        let keys = held(&self.shared.keys);
        keys.last().expect("there is a key").0.clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with it")
}

/// Its discovery document.
fn described(url: &str) -> Value {
    json!({
        "issuer": url, "jwks_uri": format!("{url}/keys"),
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}

impl Shared {
    fn sign(&self, kind: &str, claims: &Value) -> String {
        let keys = held(&self.keys);
        let (kid, pair) = keys.last().expect("there is a key");
        let signed = unsigned(&json!({"alg": "ES256", "typ": kind, "kid": kid}), claims);
        let signature = pair.sign(&self.chance, signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn public(&self) -> Value {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let keys = held(&self.keys);
        let public = keys.iter().map(|(kid, pair)| {
            let point = pair.public_key().as_ref();
            json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
                "x": BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]),
                "y": BASE64_URL_SAFE_NO_PAD.encode(&point[33..]),
            })
        });
        json!({ "keys": public.collect::<Vec<_>>() })
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}
