//! The API keys that this instance knows, and how fresh that knowledge is.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::api_key::{ApiKey, KeyHash, StoredKey};
use super::credential::{Credential, KEY, Locations, Pace};
use super::refusal::Refusal;

/// All keys that are not revoked, as of one change.
#[derive(Debug, Clone, Default)]
pub struct KeyList {
    /// Grows with every change; `None` before the first list.
    pub version: Option<i64>,
    pub keys: Arc<[StoredKey]>,
}

#[derive(Debug)]
struct KnownKey {
    hash: KeyHash,
    credential: Arc<Credential>,
}

#[derive(Debug, Default)]
struct Known {
    list: KeyList,
    by_id: HashMap<String, KnownKey>,
}

/// The keys that are known here. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    known: watch::Sender<Known>,
    /// When their list was last confirmed.
    heard_at: Mutex<Option<Instant>>,
    stale_max: Duration,
    rate_default: Option<NonZeroU32>,
}

impl Keys {
    /// None yet. What is not confirmed for `stale_max` does not count.
    pub fn new(stale_max: Duration, rate_default: Option<NonZeroU32>) -> Self {
        let (known, heard_at) = (watch::Sender::default(), Mutex::default());
        Self(Arc::new(Shared { known, heard_at, stale_max, rate_default }))
    }

    /// The list was read at this moment and is this one.
    pub fn replace(&self, list: KeyList, asked_at: Instant) {
        self.0.known.send_modify(|known| {
            let by_id = list.keys.iter().map(|key| {
                let before = known.by_id.get(&key.id).map(|known| known.credential.pace());
                (key.id.clone(), self.known_key(key, before))
            });
            let by_id = by_id.collect();
            *known = Known { list, by_id };
        });
        self.confirm(asked_at);
    }

    /// The list was asked for at this moment and has not changed.
    pub fn confirm(&self, asked_at: Instant) {
        *self.0.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked_at);
    }

    /// The version of the known list.
    pub fn version(&self) -> Option<i64> {
        self.0.known.borrow().list.version
    }

    /// The known list, if it was confirmed within `age_max`.
    pub fn list(&self, age_max: Duration) -> Option<KeyList> {
        self.is_confirmed(age_max).then(|| self.0.known.borrow().list.clone())
    }

    /// Returns once the version is another one.
    pub async fn changed_from(&self, version: i64) {
        let mut seen = self.0.known.subscribe();
        // The sender lives as long as `self`.
        let _ = seen.wait_for(|known| known.list.version.is_some_and(|now| now != version)).await;
    }

    /// Whom a key belongs to.
    pub(super) fn find(&self, key: &ApiKey) -> Result<Arc<Credential>, Refusal> {
        if !self.is_confirmed(self.0.stale_max) {
            return Err(Refusal::KeysUnknown);
        }
        let known = self.0.known.borrow();
        let found = known.by_id.get(key.id()).filter(|known| known.hash.is(&key.hash()));
        let valid = found.filter(|known| !known.credential.is_expired());
        valid.map(|known| Arc::clone(&known.credential)).ok_or(Refusal::Key)
    }

    /// Whether a credential that was found here is one still.
    pub(super) fn have(&self, credential: &Credential) -> bool {
        let id = credential.id.strip_prefix(KEY).unwrap_or_default();
        self.is_confirmed(self.0.stale_max) && self.0.known.borrow().by_id.contains_key(id)
    }

    fn is_confirmed(&self, age_max: Duration) -> bool {
        let heard_at = *self.0.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        heard_at.is_some_and(|at| at.elapsed() <= age_max)
    }

    /// A key keeps its count of requests while its rate stays.
    fn known_key(&self, key: &StoredKey, before: Option<&Pace>) -> KnownKey {
        let rate = key.rate.or(self.0.rate_default);
        let kept = before.filter(|pace| pace.per_second() == rate);
        let credential = Credential {
            id: format!("{KEY}{}", key.id),
            name: key.name.clone(),
            scopes: key.scopes.iter().copied().collect(),
            locations: Locations::of(key.locations.clone()),
            pace: kept.cloned().unwrap_or_else(|| Pace::new(rate)),
            expires_at: key.expires_at,
        };
        KnownKey { hash: key.hash, credential: Arc::new(credential) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::sign_in::scope::Scope;

    const STALE_MAX: Duration = Duration::from_secs(30);

    fn stored(key: &ApiKey, expires_at: Option<DateTime<Utc>>) -> StoredKey {
        StoredKey {
            id: key.id().to_owned(),
            hash: key.hash(),
            name: "shop".to_owned(),
            scopes: vec![Scope::StockRead],
            locations: Some(vec!["MAIN".to_owned()]),
            expires_at,
            rate: NonZeroU32::new(1),
        }
    }

    fn list(version: i64, keys: Vec<StoredKey>) -> KeyList {
        KeyList { version: Some(version), keys: keys.into() }
    }

    #[test]
    fn a_key_is_valid_until_it_is_left_out_or_expires() {
        let keys = Keys::new(STALE_MAX, None);
        let (key, old) = (ApiKey::random(), ApiKey::random());
        assert_eq!(keys.find(&key).err(), Some(Refusal::KeysUnknown));
        let past = Utc::now() - TimeDelta::seconds(1);
        keys.replace(list(1, vec![stored(&key, None), stored(&old, Some(past))]), Instant::now());
        let found = keys.find(&key).expect("it is known");
        assert_eq!((found.name.as_str(), found.has(Scope::StockRead)), ("shop", true));
        assert!(!found.has(Scope::StockWrite) && !found.locations().include("WEST"));
        assert_eq!(keys.find(&old).err(), Some(Refusal::Key));
        assert_eq!(keys.find(&ApiKey::random()).err(), Some(Refusal::Key));
        keys.replace(list(2, Vec::new()), Instant::now());
        assert_eq!(keys.find(&key).err(), Some(Refusal::Key));
    }

    #[test]
    fn another_secret_under_the_same_id_is_refused() {
        let keys = Keys::new(STALE_MAX, None);
        let key = ApiKey::random();
        keys.replace(list(1, vec![stored(&key, None)]), Instant::now());
        let forged = format!("{}{}", &key.reveal()[..17], &ApiKey::random().reveal()[17..]);
        let forged = ApiKey::parse(&forged).expect("a key");
        assert_eq!(forged.id(), key.id());
        assert_eq!(keys.find(&forged).err(), Some(Refusal::Key));
    }

    #[test]
    fn what_was_not_confirmed_for_long_does_not_count() {
        let keys = Keys::new(Duration::ZERO, None);
        let key = ApiKey::random();
        keys.replace(list(1, vec![stored(&key, None)]), Instant::now());
        std::thread::yield_now();
        assert_eq!(keys.find(&key).err(), Some(Refusal::KeysUnknown));
        assert!(keys.list(Duration::ZERO).is_none() && keys.list(STALE_MAX).is_some());
    }

    #[test]
    fn a_changed_list_does_not_forget_how_many_requests_were_sent() {
        let keys = Keys::new(STALE_MAX, None);
        let key = ApiKey::random();
        keys.replace(list(1, vec![stored(&key, None)]), Instant::now());
        assert!(keys.find(&key).expect("known").pace().count().is_ok());
        keys.replace(list(2, vec![stored(&key, None)]), Instant::now());
        assert!(keys.find(&key).expect("known").pace().count().is_err());
    }
}
