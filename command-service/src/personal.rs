//! Personal data: sealed under a key of its subject before anything is stored, and forgotten with that key.
//!
//! - `aead` seals and opens
//! - `master` has the keys that seal the keys of subjects
//! - `subject_keys` makes, finds and forgets the keys of subjects
//! - `fingerprint` keys the hashes of requests
//! - [`rotate`]: replaces the master key
//! - [`sealed`]: a command's personal data on its way to the log

pub(crate) mod aead;
mod fingerprint;
mod master;
pub mod rotate;
pub mod sealed;
mod subject_keys;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use service_edge::database::is_unavailable;
use shared_events::personal::Personal;
use shared_events::values::Label;
use sqlx::Error as SqlError;
use sqlx::postgres::{PgPool, PgPoolOptions};

use self::fingerprint::Fingerprint;
use self::master::MasterKeys;
pub use self::sealed::{Clear, PersonalData};
use self::subject_keys::SubjectKeys;
pub(crate) use self::subject_keys::{ForgottenKey, History, SubjectKey};
use crate::config::PersonalConfig;

/// How long a look at the keys waits for a connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);

const CONNECTIONS_MAX: u32 = 4;

/// How often a request that is stored is sealed while its subject is forgotten again and again.
const SEALINGS_MAX: usize = 3;

/// Personal data of one log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PersonalVault(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    pool: PgPool,
    master: MasterKeys,
    keys: SubjectKeys,
    /// Known once both databases were read.
    log: OnceLock<Log>,
}

/// The log that the data belongs to.
#[derive(Debug)]
struct Log {
    id: String,
    fingerprint: Fingerprint,
}

/// Why a box was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the subject was forgotten")]
    Forgotten,
    /// Its key is missing or another one, or it was changed.
    #[error("the box does not open")]
    Damaged,
    #[error("the database of keys does not answer: {0}")]
    Unavailable(#[from] SqlError),
}

impl PersonalVault {
    /// What keeps personal data, if the settings say so. Reads the master keys, and connects to nothing yet.
    ///
    /// # Errors
    /// The file of master keys cannot be used.
    pub fn of(config: &PersonalConfig) -> anyhow::Result<Option<Self>> {
        let PersonalConfig { keys_database_url: Some(database), master_key_file: Some(file) } =
            config
        else {
            return Ok(None);
        };
        let master = MasterKeys::open(file.clone())?;
        let options = database.options().application_name("command-service subjects");
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_MAX)
            .test_before_acquire(false)
            .connect_lazy_with(options.options([("statement_timeout", "5000")]));
        let keys = SubjectKeys::new(pool.clone(), master.clone());
        Ok(Some(Self(Arc::new(Parts { pool, master, keys, log: OnceLock::new() }))))
    }

    /// Learns which log this is, and the key of its fingerprints.
    pub async fn learn_log(&self, id: &str) -> anyhow::Result<()> {
        let fingerprint = Fingerprint::learn(&self.0.pool, &self.0.master, id).await?;
        self.0.log.get_or_init(|| Log { id: id.to_owned(), fingerprint });
        Ok(())
    }

    /// Whether a database is away, as opposed to a fault that stays.
    pub fn may_succeed_later(error: &anyhow::Error) -> bool {
        error.chain().filter_map(|cause| cause.downcast_ref()).any(is_unavailable)
    }

    /// The keyed hash of a request that has this hash.
    pub(crate) fn fingerprint(&self, hash: &[u8; 32]) -> Option<[u8; 32]> {
        self.0.log.get().map(|log| log.fingerprint.of(hash))
    }

    /// Seals a command's personal data, unless that is done with the key that its subject has now.
    pub(crate) fn seal(&self, personal: &mut PersonalData, correlation_id: &Label) {
        if let Some(log) = self.0.log.get() {
            personal.seal(&log.id, |subject| self.0.keys.of(subject), correlation_id);
        }
    }

    /// Seals the personal data of a request that is stored, and whose commands follow. Makes the key now.
    pub(crate) async fn seal_for_later(
        &self,
        mut personal: PersonalData,
        correlation_id: &Label,
    ) -> Result<PersonalData, SqlError> {
        for _ in 0..SEALINGS_MAX {
            self.seal(&mut personal, correlation_id);
            let keys: Vec<Arc<SubjectKey>> = personal.key().cloned().into_iter().collect();
            if let Some(sealed) = personal.sealed()
                && self.confirm(&keys).await?
            {
                return Ok(PersonalData::from_sealed(Arc::clone(sealed)));
            }
        }
        Err(SqlError::Protocol("the subject's key does not last".to_owned()))
    }

    /// Makes the keys that were not made yet. Returns whether all of them may seal: if not, what they sealed is
    /// to be sealed again.
    pub(crate) async fn confirm(&self, keys: &[Arc<SubjectKey>]) -> Result<bool, SqlError> {
        self.0.keys.confirm(keys).await
    }

    /// Deletes the key of a subject, if it has one: from now on nobody opens what it sealed. Returns all deleted
    /// keys of the subject that the log does not know of yet.
    pub(crate) async fn forget(&self, subject: &Label) -> Result<Vec<ForgottenKey>, SqlError> {
        self.0.keys.forget(subject).await
    }

    /// The key that the subject has now, as [`Self::forget`] would return it.
    pub(crate) async fn present_key(&self, subject: &Label) -> Result<Vec<ForgottenKey>, SqlError> {
        self.0.keys.present(subject).await
    }

    /// At most so many deleted keys that the log does not know of yet.
    pub(crate) async fn unrecorded(&self, limit: i64) -> Result<Vec<ForgottenKey>, SqlError> {
        self.0.keys.unrecorded(limit).await
    }

    /// Notes that the log says of these keys that they were deleted.
    pub(crate) async fn mark_recorded(&self, keys: &[ForgottenKey]) -> Result<(), SqlError> {
        self.0.keys.mark_recorded(keys).await
    }

    /// Since when a subject is known, and when it was forgotten; none if it never had a key.
    pub(crate) async fn history(&self, subject: &Label) -> Result<Option<History>, SqlError> {
        self.0.keys.history(subject).await
    }

    /// Opens a box of an event with this correlation id, by the row of its key and by nothing else.
    pub async fn open(
        &self,
        personal: &Personal,
        correlation_id: &Label,
    ) -> Result<Clear, OpenError> {
        let log = self.0.log.get().ok_or(OpenError::Unavailable(SqlError::PoolClosed))?;
        let parsed = sealed::Parsed::of(&personal.sealed).ok_or(OpenError::Damaged)?;
        let key = self.0.keys.read(&personal.subject, parsed.number).await?;
        parsed.open(&log.id, &key, &personal.subject, correlation_id)
    }
}
