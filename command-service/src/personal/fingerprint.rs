//! Hashes of requests are keyed, because a hash without a key lets everybody check a guess of what a request said.

use anyhow::Context;
use ring::hmac;
use sqlx::Row;
use sqlx::postgres::PgPool;

use super::aead::Key;
use super::master::MasterKeys;

/// The key of a log's fingerprints. It never changes, so that a repeated request is recognised forever.
#[derive(Debug)]
pub(super) struct Fingerprint(hmac::Key);

impl Fingerprint {
    /// Reads the key of a log, or makes it.
    pub(super) async fn learn(
        pool: &PgPool,
        master: &MasterKeys,
        log: &str,
    ) -> anyhow::Result<Self> {
        let first = master.first();
        let made = first.seal(&Key::random(), &place(log));
        // The first makes it; all read it.
        sqlx::query(include_str!("../../keys/queries/make_fingerprint_key.sql"))
            .bind(log)
            .bind(made)
            .bind(&first.id)
            .execute(pool)
            .await?;
        let row = sqlx::query(include_str!("../../keys/queries/read_fingerprint_key.sql"))
            .bind(log)
            .fetch_one(pool)
            .await?;
        let (sealed, id): (&[u8], &str) = (row.try_get("sealed")?, row.try_get("master_key")?);
        let master = master.find(id);
        let master = master.with_context(|| format!("MASTER_KEY_FILE has no key {id}"))?;
        let key = master.open(sealed, &place(log));
        let key =
            key.context("the key of fingerprints does not open: another master key has its id")?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.bytes())))
    }

    pub(super) fn of(&self, hash: &[u8; 32]) -> [u8; 32] {
        let tag = hmac::sign(&self.0, hash);
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

pub(super) fn place(log: &str) -> [&[u8]; 2] {
    [b"fingerprint", log.as_bytes()]
}
