//! Settings of sign-in, and the rule that a service does not stand open by accident.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{bail, ensure};
use axum::http::Uri;
use clap::{Args, ValueEnum};

/// Settings of who is answered.
#[derive(Debug, Clone, Default, Args)]
pub struct SignInConfig {
    /// Whether callers sign in, `on` or `off`. By default off where the service listens on loopback, and on
    /// where AUTH_ISSUER is set. Beyond loopback it must be said.
    #[arg(long, env = "AUTH", value_enum)]
    pub auth: Option<Switch>,

    /// The issuer whose tokens (JWT) are accepted next to API keys, as their `iss` says it.
    #[arg(long, env = "AUTH_ISSUER", requires = "auth_audience")]
    pub auth_issuer: Option<String>,

    /// The audience that a token must be for, as its `aud` says it.
    #[arg(long, env = "AUTH_AUDIENCE", requires = "auth_issuer")]
    pub auth_audience: Option<String>,

    /// Where the issuer's public keys are. By default they are found by OIDC discovery.
    #[arg(long, env = "AUTH_JWKS_URL", requires = "auth_issuer")]
    pub auth_jwks_url: Option<Uri>,

    /// For how many seconds API keys count after it was last heard which of them are valid. Then they are
    /// answered `unavailable`; tokens are not concerned.
    #[arg(long, env = "AUTH_STALE_MAX", default_value = "30")]
    pub auth_stale_max: Seconds,

    /// Requests a second that each credential may send to this instance, unless its key says another rate.
    /// Without it there is no limit.
    #[arg(long, env = "RATE_LIMIT")]
    pub rate_limit: Option<NonZeroU32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// A duration as a whole number of seconds, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seconds(pub Duration);

impl FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<u32>() {
            Ok(0) | Err(_) => Err("must be a whole number of seconds, at least 1"),
            Ok(count) => Ok(Self(Duration::from_secs(count.into()))),
        }
    }
}

/// The trusted issuer of tokens.
#[derive(Debug, Clone)]
pub(crate) struct TokenConfig {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) jwks_url: Option<Uri>,
}

impl SignInConfig {
    /// Whether callers of a service that listens here sign in.
    ///
    /// # Errors
    /// It would stand open, and nobody said that this is meant.
    pub fn is_on(&self, address: SocketAddr) -> anyhow::Result<bool> {
        let is_on = match self.auth {
            Some(Switch::On) => true,
            Some(Switch::Off) => {
                ensure!(
                    self.auth_issuer.is_none(),
                    "AUTH=off and AUTH_ISSUER contradict each other"
                );
                false
            }
            None => self.auth_issuer.is_some(),
        };
        if address.ip().is_loopback() {
            return Ok(is_on);
        }
        if !is_on && self.auth.is_none() {
            bail!(
                "{address} is beyond loopback, where callers sign in: set AUTH=on, or AUTH=off if \
                 everybody who reaches this address may do everything"
            );
        }
        Ok(is_on)
    }

    pub(crate) fn tokens(&self) -> anyhow::Result<Option<TokenConfig>> {
        match (&self.auth_issuer, &self.auth_audience) {
            (None, None) => Ok(None),
            (Some(issuer), Some(audience)) => Ok(Some(TokenConfig {
                issuer: issuer.clone(),
                audience: audience.clone(),
                jwks_url: self.auth_jwks_url.clone(),
            })),
            _ => bail!("AUTH_ISSUER and AUTH_AUDIENCE belong together"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(auth: Option<Switch>, address: &str) -> Option<bool> {
        let config = SignInConfig { auth, ..SignInConfig::default() };
        config.is_on(address.parse().expect("an address")).ok()
    }

    #[test]
    fn a_service_stands_open_only_on_loopback_or_where_it_was_said() {
        for loopback in ["127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(decided(None, loopback), Some(false));
            assert_eq!(decided(Some(Switch::On), loopback), Some(true));
            assert_eq!(decided(Some(Switch::Off), loopback), Some(false));
        }
        for beyond in ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:8080"] {
            assert_eq!(decided(None, beyond), None);
            assert_eq!(decided(Some(Switch::On), beyond), Some(true));
            assert_eq!(decided(Some(Switch::Off), beyond), Some(false));
        }
    }

    #[test]
    fn a_trusted_issuer_switches_sign_in_on() {
        let address = "127.0.0.1:8080".parse().expect("an address");
        let issuer = Some("https://issuer.example".to_owned());
        let config = SignInConfig { auth_issuer: issuer, ..SignInConfig::default() };
        assert!(config.is_on(address).expect("decided"));
        assert!(config.tokens().is_err(), "it has no audience");
        let off = SignInConfig { auth: Some(Switch::Off), ..config };
        assert!(off.is_on(address).is_err());
    }
}
