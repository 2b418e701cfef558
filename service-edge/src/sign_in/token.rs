//! Tokens of a trusted issuer: JWTs that somebody else signed.
//!
//! Algorithms are those of the issuer's public keys, never the token's choice alone; a secret is never a
//! key. What was verified is remembered for some seconds, because verifying takes longer than all the rest
//! of a request's way through HTTP.

mod issuer;
mod verifier;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use lru::LruCache;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use self::issuer::{IssuerKeys, KeyLookup};
use super::config::TokenConfig;
use super::credential::{Credential, Locations, Pace};
use super::refusal::Refusal;

/// How much the clocks of issuer and service may differ, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// How long a verified token counts without looking again.
const VERIFIED_MAX: Duration = Duration::from_secs(10);

/// Verified tokens, and subjects with a rate, that are remembered.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Bytes of a token.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// What a token's type may be, if it says one; RFC 9068 wants `at+jwt`.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// Characters of a subject, which becomes an actor; `token/` and it have room in one label.
const SUBJECT_CHARS_MAX: usize = 240;

#[derive(Debug)]
pub(super) struct Tokens {
    issuer: IssuerKeys,
    validation: Validation,
    rate_default: Option<NonZeroU32>,
    /// By SHA-256 of the token.
    verified: Mutex<LruCache<[u8; 32], Verified>>,
    /// By subject.
    paces: Mutex<LruCache<String, Pace>>,
}

#[derive(Debug, Clone)]
struct Verified {
    credential: Arc<Credential>,
    until: Instant,
}

/// The claims that are read. Whatever else a token says has no effect here.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default)]
    scope: String,
    #[serde(default, deserialize_with = "named")]
    stockbook_locations: Option<Vec<String>>,
}

/// A claim that is there limits the token; null is a fault, not freedom.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

impl Tokens {
    pub(super) fn new(
        config: TokenConfig,
        rate_default: Option<NonZeroU32>,
    ) -> anyhow::Result<Self> {
        verifier::install();
        // The algorithms are set from the key of each token.
        let mut validation =
            Validation { leeway: LEEWAY_SECONDS, validate_nbf: true, ..Validation::default() };
        validation.set_audience(&[&config.audience]);
        validation.set_issuer(&[&config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(Self {
            issuer: IssuerKeys::new(config)?,
            validation,
            rate_default,
            verified: Mutex::new(LruCache::new(REMEMBERED_MAX)),
            paces: Mutex::new(LruCache::new(REMEMBERED_MAX)),
        })
    }

    /// Whom a token belongs to.
    pub(super) async fn find(&self, token: &str) -> Result<Arc<Credential>, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Token("it is too long"));
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(verified) = lock(&self.verified).get(&hash)
            && Instant::now() < verified.until
        {
            return Ok(Arc::clone(&verified.credential));
        }
        let verified = self.verify(token).await?;
        let credential = Arc::clone(&verified.credential);
        lock(&self.verified).put(hash, verified);
        Ok(credential)
    }

    async fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        let header =
            decode_header(token).map_err(|_| Refusal::Token("its header is unreadable"))?;
        let is_known = |kind: &String| TYPES.iter().any(|known| kind.eq_ignore_ascii_case(known));
        if !header.typ.as_ref().is_none_or(is_known) || header.crit.is_some() {
            return Err(Refusal::Token("it is of another type"));
        }
        let key = match self.issuer.key(header.kid.as_deref()).await {
            KeyLookup::Found(key) => key,
            KeyLookup::Unknown => return Err(Refusal::Token("the issuer has no such key")),
            KeyLookup::Silent => return Err(Refusal::IssuerSilent),
        };
        if !key.algorithms.contains(&header.alg) {
            return Err(Refusal::Token("its algorithm is not that of the key"));
        }
        let validation = Validation { algorithms: vec![header.alg], ..self.validation.clone() };
        let decoded = decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| Refusal::Token(why(error.kind())))?;
        self.accept(decoded.claims)
    }

    fn accept(&self, claims: Claims) -> Result<Verified, Refusal> {
        let Claims { sub, exp, scope, stockbook_locations } = claims;
        let chars = sub.chars().count();
        if chars == 0 || chars > SUBJECT_CHARS_MAX || sub.chars().any(char::is_control) {
            return Err(Refusal::Token("its subject cannot be an actor"));
        }
        // Scopes that this service does not know are for others.
        let scopes = scope.split(' ').filter_map(|scope| scope.parse().ok()).collect();
        let pace = self.pace(&sub);
        let locations = Locations::of(stockbook_locations);
        #[expect(clippy::cast_precision_loss, reason = "seconds of this millennium")]
        let left = exp + LEEWAY_SECONDS as f64 - Utc::now().timestamp() as f64;
        let left = Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(Duration::MAX);
        let ends_in = TimeDelta::from_std(left).ok();
        let id = format!("token/{sub}");
        // One that ends later than dates go never ends.
        let expires_at = ends_in.and_then(|left| Utc::now().checked_add_signed(left));
        let credential = Credential { id, name: sub, scopes, locations, pace, expires_at };
        let until = Instant::now() + left.min(VERIFIED_MAX);
        Ok(Verified { credential: Arc::new(credential), until })
    }

    fn pace(&self, subject: &str) -> Pace {
        if self.rate_default.is_none() {
            return Pace::default();
        }
        let mut paces = lock(&self.paces);
        paces.get_or_insert_ref(subject, || Pace::new(self.rate_default)).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For the log; the caller learns only that the token does not hold.
fn why(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it is expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "another issuer made it",
        ErrorKind::InvalidSignature => "its signature is not the issuer's",
        ErrorKind::InvalidAlgorithm => "its algorithm is not that of the key",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "it is unreadable",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use ring::hmac;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;
    use crate::sign_in::scope::Scope;

    /// An issuer that signs whatever it is asked to.
    struct Signer {
        pair: EcdsaKeyPair,
        chance: SystemRandom,
    }

    impl Signer {
        fn new() -> Self {
            let chance = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let made = EcdsaKeyPair::generate_pkcs8(algorithm, &chance).expect("a key");
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &chance).expect("a key");
            Self { pair, chance }
        }

        fn jwk(&self, kid: &str) -> Value {
            let point = self.pair.public_key().as_ref();
            json!({
                "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
                "x": BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]),
                "y": BASE64_URL_SAFE_NO_PAD.encode(&point[33..]),
            })
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let signed = unsigned(header, claims);
            let signature = self.pair.sign(&self.chance, signed.as_bytes()).expect("a signature");
            format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn unsigned(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(header), part(claims))
    }

    fn tokens(keys: &[Value]) -> Tokens {
        let config = TokenConfig {
            issuer: "https://issuer.example".to_owned(),
            audience: "stockbook".to_owned(),
            jwks_url: Some("http://127.0.0.1:1/keys".parse().expect("a URL")),
        };
        let tokens = Tokens::new(config, None).expect("tokens");
        tokens.issuer.learn(&json!({ "keys": keys }).to_string()).expect("keys");
        tokens
    }

    fn claims() -> Value {
        let now = Utc::now().timestamp();
        json!({
            "iss": "https://issuer.example", "aud": "stockbook", "sub": "shop",
            "exp": now + 300, "nbf": now - 1, "scope": "openid stock:read act_as",
        })
    }

    fn with(member: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[member] = value;
        claims
    }

    fn es256(kid: &str) -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": kid})
    }

    async fn refusal(tokens: &Tokens, token: &str) -> Refusal {
        tokens.find(token).await.expect_err("a refusal")
    }

    #[tokio::test]
    async fn a_token_of_the_issuer_is_a_credential() {
        let signer = Signer::new();
        let tokens = tokens(&[signer.jwk("one")]);
        let all = tokens.find(&signer.sign(&es256("one"), &claims())).await.expect("valid");
        assert_eq!((all.id.as_str(), all.name.as_str()), ("token/shop", "shop"));
        let scopes: HashSet<Scope> =
            Scope::ALL.iter().copied().filter(|scope| all.has(*scope)).collect();
        assert_eq!(scopes, HashSet::from([Scope::StockRead, Scope::ActAs]));
        assert!(!all.locations().are_limited());
        let some = with("stockbook_locations", json!(["MAIN"]));
        let some = tokens.find(&signer.sign(&es256("one"), &some)).await.expect("valid");
        assert!(some.locations().include("MAIN") && !some.locations().include("WEST"));
    }

    #[tokio::test]
    async fn a_token_with_a_claim_that_does_not_hold_is_refused() {
        let signer = Signer::new();
        let tokens = tokens(&[signer.jwk("one")]);
        let now = Utc::now().timestamp();
        for (claims, expected) in [
            (with("aud", json!("another")), "it is for another audience"),
            (with("aud", json!(null)), "it is unreadable"),
            (with("iss", json!("https://evil.example")), "another issuer made it"),
            (with("exp", json!(now - 31)), "it is expired"),
            (with("exp", json!("9999999999")), "it is unreadable"),
            (with("nbf", json!(now + 60)), "it is not valid yet"),
            (with("sub", json!("")), "its subject cannot be an actor"),
            (with("sub", json!("a\nb")), "its subject cannot be an actor"),
            (with("stockbook_locations", json!(null)), "it is unreadable"),
            (with("stockbook_locations", json!("MAIN")), "it is unreadable"),
        ] {
            let refused = refusal(&tokens, &signer.sign(&es256("one"), &claims)).await;
            assert_eq!(refused.code(), "unauthenticated", "{claims}");
            if expected != "it is unreadable" {
                assert_eq!(refused, Refusal::Token(expected), "{claims}");
            }
        }
        for member in ["exp", "iss", "aud", "sub"] {
            let mut without = claims();
            without.as_object_mut().expect("an object").remove(member);
            let refused = refusal(&tokens, &signer.sign(&es256("one"), &without)).await;
            assert_eq!(refused.code(), "unauthenticated", "{member}");
        }
        let late = with("exp", json!(now - 10));
        tokens.find(&signer.sign(&es256("one"), &late)).await.expect("clocks may differ");
    }

    #[tokio::test]
    async fn a_signature_by_anything_but_the_issuers_key_is_refused() {
        let (signer, other) = (Signer::new(), Signer::new());
        let jwk = signer.jwk("one");
        let tokens = tokens(std::slice::from_ref(&jwk));
        let point = signer.pair.public_key().as_ref().to_vec();
        let hs256 = json!({"alg": "HS256", "typ": "JWT", "kid": "one"});
        // The public key in the forms that a careless verifier might take for a secret.
        for secret in [point.as_slice(), jwk.to_string().as_bytes(), b""] {
            let signed = unsigned(&hs256, &claims());
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag));
            let why = "its algorithm is not that of the key";
            assert_eq!(refusal(&tokens, &token).await, Refusal::Token(why));
        }
        let none = unsigned(&json!({"alg": "none", "typ": "JWT", "kid": "one"}), &claims());
        for token in [format!("{none}."), none, format!("{}.", unsigned(&es256("one"), &claims()))]
        {
            assert_eq!(refusal(&tokens, &token).await.code(), "unauthenticated", "{token}");
        }
        let forged = other.sign(&es256("one"), &claims());
        let why = "its signature is not the issuer's";
        assert_eq!(refusal(&tokens, &forged).await, Refusal::Token(why));
        let good = signer.sign(&es256("one"), &claims());
        let (head, signature) = good.rsplit_once('.').expect("three parts");
        let (header, _) = head.split_once('.').expect("two parts");
        let grown = unsigned(&es256("one"), &with("scope", json!("operate")));
        let (_, grown) = grown.split_once('.').expect("two parts");
        let grown = format!("{header}.{grown}.{signature}");
        assert_eq!(refusal(&tokens, &grown).await, Refusal::Token(why));
        tokens.find(&good).await.expect("the issuer's own token is valid");
    }

    #[tokio::test]
    async fn a_key_of_another_curve_or_for_another_use_signs_nothing() {
        let chance = SystemRandom::new();
        let made = Ed25519KeyPair::generate_pkcs8(&chance).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key");
        let jwk = |usage: &str| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": usage,
                "x": BASE64_URL_SAFE_NO_PAD.encode(pair.public_key()),
            })
        };
        let sign = |alg: &str| {
            let signed = unsigned(&json!({"alg": alg, "kid": "ed"}), &claims());
            let signature = BASE64_URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
            format!("{signed}.{signature}")
        };
        let signing = tokens(&[jwk("sig")]);
        signing.find(&sign("EdDSA")).await.expect("valid");
        let why = "its algorithm is not that of the key";
        assert_eq!(refusal(&signing, &sign("ES256")).await, Refusal::Token(why));
        let encrypting = tokens(&[jwk("enc"), Signer::new().jwk("one")]);
        assert_eq!(refusal(&encrypting, &sign("EdDSA")).await.code(), "unauthenticated");
    }

    /// What npm's oidc-provider 9.13 issued with RS256 and PS256, valid until 2099, and its public keys. The
    /// private ones are gone.
    const OF_A_PROVIDER: &str = include_str!("token/of_a_provider.json");

    #[tokio::test]
    async fn what_a_provider_signed_with_rsa_is_valid_until_a_bit_is_changed() {
        let samples: Vec<Value> = serde_json::from_str(OF_A_PROVIDER).expect("JSON");
        for sample in &samples {
            let tokens = tokens(sample["keys"].as_array().expect("keys"));
            let token = sample["token"].as_str().expect("a token");
            let credential = tokens.find(token).await.expect("valid");
            assert_eq!(credential.name.as_str(), "shop");
            assert!(credential.has(Scope::StockWrite) && !credential.has(Scope::Operate));
            let (head, signature) = token.rsplit_once('.').expect("three parts");
            let mut signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
            signature[9] ^= 1;
            let changed = format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
            let why = "its signature is not the issuer's";
            assert_eq!(refusal(&tokens, &changed).await, Refusal::Token(why));
        }
        assert_eq!(samples.len(), 2);
    }

    #[tokio::test]
    async fn a_token_of_another_type_or_without_a_known_key_is_refused() {
        let signer = Signer::new();
        let tokens = tokens(&[signer.jwk("one"), Signer::new().jwk("two")]);
        for header in [
            json!({"alg": "ES256", "typ": "secevent+jwt", "kid": "one"}),
            json!({"alg": "ES256", "kid": "one", "crit": ["exp"]}),
            json!({"alg": "ES256", "kid": "three"}),
            json!({"alg": "ES256"}),
        ] {
            let refused = refusal(&tokens, &signer.sign(&header, &claims())).await;
            assert_eq!(refused.code(), "unauthenticated", "{header}");
        }
        for text in ["", ".", "..", "a.b.c", &"a".repeat(9_000)] {
            assert_eq!(refusal(&tokens, text).await.code(), "unauthenticated", "{text}");
        }
    }
}
