//! The keys of subjects: rows of a separate database, each sealed by a master key.
//!
//! Sealing uses keys in memory. Right before an event that they sealed is recorded, new ones are made, and known ones
//! are looked at again if any key was forgotten anywhere since. That is asked at most every [`COUNT_AGE_MAX`], and
//! who forgets a key waits so long before saying so: from then on no instance seals with it. Opening reads the row.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use shared_events::time::Timestamp;
use shared_events::values::Label;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::types::chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use super::OpenError;
use super::aead::{Key, random};
use super::master::MasterKeys;

/// Keys in memory.
const CACHED_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("it is not 0");

/// How old the count of forgotten keys may be by which a key in memory is known to hold.
const COUNT_AGE_MAX: Duration = Duration::from_millis(200);

/// The count at which a key held that was never made.
const NEVER: i64 = -1;

/// A key of a subject.
pub(crate) struct SubjectKey {
    subject: Label,
    /// No other key has it.
    pub(super) number: i64,
    pub(super) key: Key,
    /// As it is stored.
    sealed: Vec<u8>,
    master_key: String,
    /// It held when so many keys had been forgotten; [`NEVER`] before it was made.
    held_at: AtomicI64,
}

impl SubjectKey {
    /// Whether its row is known to have been there.
    pub(crate) fn is_made(&self) -> bool {
        self.held_at.load(Ordering::Relaxed) != NEVER
    }

    #[cfg(test)]
    pub(super) fn for_test(subject: &str, number: i64) -> Self {
        Self {
            subject: subject.parse().unwrap(),
            number,
            key: Key::random(),
            sealed: Vec::new(),
            master_key: String::new(),
            held_at: AtomicI64::new(0),
        }
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SubjectKey({}, …)", self.number)
    }
}

/// A key that was deleted.
#[derive(Debug, Clone)]
pub(crate) struct ForgottenKey {
    pub(crate) subject: Label,
    number: i64,
}

impl ForgottenKey {
    /// Its name in the log.
    pub(crate) fn name(&self) -> Label {
        Label::known(&format!("{:016x}", self.number))
    }

    fn read(row: &PgRow) -> sqlx::Result<Self> {
        let subject = row.try_get::<&str, _>("subject")?.parse().map_err(unreadable)?;
        Ok(Self { subject, number: row.try_get("number")? })
    }
}

/// What is known of a subject's last key.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) since: Timestamp,
    pub(crate) forgotten_at: Option<Timestamp>,
}

/// The keys of all subjects.
#[derive(Debug)]
pub(super) struct SubjectKeys {
    pool: PgPool,
    master: MasterKeys,
    cache: Mutex<LruCache<Label, Arc<SubjectKey>>>,
    /// How many keys had been forgotten, and when that was asked.
    forgettings: Mutex<Option<(i64, Instant)>>,
}

impl SubjectKeys {
    pub(super) fn new(pool: PgPool, master: MasterKeys) -> Self {
        let cache = Mutex::new(LruCache::new(CACHED_MAX));
        Self { pool, master, cache, forgettings: Mutex::default() }
    }

    /// The key that seals for a subject: a known one, or a new one, which is made when what it sealed is
    /// recorded.
    pub(super) fn of(&self, subject: &Label) -> Arc<SubjectKey> {
        let mut cache = self.cache();
        if let Some(known) = cache.get(subject) {
            return Arc::clone(known);
        }
        let new = Arc::new(self.new_key(subject));
        cache.put(subject.clone(), Arc::clone(&new));
        new
    }

    fn new_key(&self, subject: &Label) -> SubjectKey {
        let number = i64::from_be_bytes(random()) & i64::MAX;
        let (key, master) = (Key::random(), self.master.first());
        let sealed = master.seal(&key, &place(subject, &number.to_be_bytes()));
        let (subject, held_at) = (subject.clone(), AtomicI64::new(NEVER));
        SubjectKey { subject, number, key, sealed, master_key: master.id, held_at }
    }

    /// Makes the keys that were never made. Returns whether all hold; of those that do not, the cache has the
    /// keys of their subjects as they are now.
    pub(super) async fn confirm(&self, keys: &[Arc<SubjectKey>]) -> sqlx::Result<bool> {
        let count = self.forgettings().await?;
        let mut seen = HashSet::new();
        let unsure = keys.iter().filter(|key| key.held_at.load(Ordering::Relaxed) != count);
        let (made, new): (Vec<&Arc<SubjectKey>>, Vec<_>) =
            unsure.filter(|key| seen.insert(key.number)).partition(|key| key.is_made());
        if made.is_empty() && new.is_empty() {
            return Ok(true);
        }
        let holding = self.holding(&made, &new).await?;
        let (good, gone): (Vec<&Arc<SubjectKey>>, Vec<_>) =
            made.into_iter().chain(new).partition(|key| holding.contains(&key.number));
        good.iter().for_each(|key| key.held_at.store(count, Ordering::Relaxed));
        if gone.is_empty() {
            return Ok(true);
        }
        self.learn(gone.iter().map(|key| &key.subject).collect(), count).await?;
        Ok(false)
    }

    /// How many keys were forgotten, as asked within [`COUNT_AGE_MAX`].
    async fn forgettings(&self) -> sqlx::Result<i64> {
        let lock = || self.forgettings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, asked_at)) = *lock()
            && asked_at.elapsed() < COUNT_AGE_MAX
        {
            return Ok(count);
        }
        let asked_at = Instant::now();
        let count = sqlx::query_scalar(include_str!("../../keys/queries/count_forgettings.sql"))
            .fetch_one(&self.pool)
            .await?;
        *lock() = Some((count, asked_at));
        Ok(count)
    }

    /// The numbers of those keys that hold, once the new ones are made.
    async fn holding(
        &self,
        made: &[&Arc<SubjectKey>],
        new: &[&Arc<SubjectKey>],
    ) -> sqlx::Result<HashSet<i64>> {
        let numbers: Vec<i64> = made.iter().map(|key| key.number).collect();
        let holding = if new.is_empty() {
            sqlx::query_scalar(include_str!("../../keys/queries/find_holding.sql"))
                .bind(numbers)
                .fetch_all(&self.pool)
                .await?
        } else {
            let (sealed, masters): (Vec<_>, Vec<_>) =
                new.iter().map(|key| self.sealed(key)).unzip();
            sqlx::query_scalar(include_str!("../../keys/queries/make_subject_keys.sql"))
                .bind(new.iter().map(|key| key.subject.as_str()).collect::<Vec<_>>())
                .bind(new.iter().map(|key| key.number).collect::<Vec<_>>())
                .bind(sealed)
                .bind(masters)
                .bind(numbers)
                .fetch_all(&self.pool)
                .await?
        };
        Ok(holding.into_iter().collect())
    }

    /// A new key as it is to be stored: by the master key that is the first now.
    fn sealed(&self, key: &SubjectKey) -> (Vec<u8>, String) {
        let first = self.master.first();
        if first.id == key.master_key {
            return (key.sealed.clone(), first.id);
        }
        let sealed = first.seal(&key.key, &place(&key.subject, &key.number.to_be_bytes()));
        (sealed, first.id)
    }

    /// Reads the present keys of subjects into the cache, after so many keys were forgotten.
    async fn learn(&self, subjects: Vec<&Label>, count: i64) -> sqlx::Result<()> {
        let names: Vec<&str> = subjects.iter().map(|subject| subject.as_str()).collect();
        let rows = sqlx::query(include_str!("../../keys/queries/read_subject_keys.sql"))
            .bind(names)
            .fetch_all(&self.pool)
            .await?;
        let known: sqlx::Result<Vec<SubjectKey>> =
            rows.iter().map(|row| self.known(row, count)).collect();
        let known = known?;
        let mut cache = self.cache();
        for subject in subjects {
            cache.pop(subject);
        }
        for key in known {
            cache.put(key.subject.clone(), Arc::new(key));
        }
        Ok(())
    }

    fn known(&self, row: &PgRow, count: i64) -> sqlx::Result<SubjectKey> {
        let subject: Label = row.try_get::<&str, _>("subject")?.parse().map_err(unreadable)?;
        let number: i64 = row.try_get("number")?;
        let (sealed, master_key): (&[u8], String) =
            (row.try_get("sealed")?, row.try_get("master_key")?);
        let key = self.opened(&subject, number, sealed, &master_key).map_err(unreadable)?;
        let held_at = AtomicI64::new(count);
        Ok(SubjectKey { subject, number, key, sealed: sealed.to_vec(), master_key, held_at })
    }

    pub(super) async fn forget(&self, subject: &Label) -> sqlx::Result<Vec<ForgottenKey>> {
        sqlx::query(include_str!("../../keys/queries/forget_subject.sql"))
            .bind(subject.as_str())
            .execute(&self.pool)
            .await?;
        self.cache().pop(subject);
        // Other instances may take the key to hold so long.
        sleep(COUNT_AGE_MAX).await;
        let rows = sqlx::query(include_str!("../../keys/queries/list_unrecorded_of.sql"))
            .bind(subject.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(ForgottenKey::read).collect()
    }

    pub(super) async fn present(&self, subject: &Label) -> sqlx::Result<Vec<ForgottenKey>> {
        let rows = sqlx::query(include_str!("../../keys/queries/read_subject_keys.sql"))
            .bind(vec![subject.as_str()])
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(ForgottenKey::read).collect()
    }

    pub(super) async fn unrecorded(&self, limit: i64) -> sqlx::Result<Vec<ForgottenKey>> {
        let rows = sqlx::query(include_str!("../../keys/queries/list_unrecorded.sql"))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(ForgottenKey::read).collect()
    }

    pub(super) async fn mark_recorded(&self, keys: &[ForgottenKey]) -> sqlx::Result<()> {
        sqlx::query(include_str!("../../keys/queries/mark_recorded.sql"))
            .bind(keys.iter().map(|key| key.number).collect::<Vec<_>>())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(super) async fn history(&self, subject: &Label) -> sqlx::Result<Option<History>> {
        let row = sqlx::query(include_str!("../../keys/queries/read_history.sql"))
            .bind(subject.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let time = |row: &PgRow, column| {
            let at: Option<DateTime<Utc>> = row.try_get(column)?;
            Ok::<_, sqlx::Error>(at.map(Timestamp::new))
        };
        row.map(|row| {
            let since = time(&row, "made_at")?.ok_or(sqlx::Error::RowNotFound)?;
            Ok(History { since, forgotten_at: time(&row, "forgotten_at")? })
        })
        .transpose()
    }

    /// The key of a box, by its row.
    pub(super) async fn read(&self, subject: &Label, number: i64) -> Result<Key, OpenError> {
        let row = sqlx::query(include_str!("../../keys/queries/read_subject_key.sql"))
            .bind(number)
            .fetch_optional(&self.pool)
            .await?;
        let row = row.ok_or(OpenError::Damaged)?;
        if row.try_get::<&str, _>("subject")? != subject.as_str() {
            return Err(OpenError::Damaged);
        }
        let sealed: Option<&[u8]> = row.try_get("sealed")?;
        let sealed = sealed.ok_or(OpenError::Forgotten)?;
        self.opened(subject, number, sealed, row.try_get("master_key")?)
    }

    fn opened(
        &self,
        subject: &Label,
        number: i64,
        sealed: &[u8],
        master_key: &str,
    ) -> Result<Key, OpenError> {
        let Some(master) = self.master.find(master_key) else {
            tracing::error!(
                number,
                master_key,
                "MASTER_KEY_FILE lacks the key that seals a subject's key"
            );
            return Err(OpenError::Damaged);
        };
        let number = number.to_be_bytes();
        master.open(sealed, &place(subject, &number)).map_err(|_| OpenError::Damaged)
    }

    fn cache(&self) -> MutexGuard<'_, LruCache<Label, Arc<SubjectKey>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn place<'a>(subject: &'a Label, number: &'a [u8; 8]) -> [&'a [u8]; 3] {
    [b"subject", subject.as_str().as_bytes(), number]
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
