//! A command's personal data: as it was given, and sealed once for all of its events.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use shared_events::personal::Personal;
use shared_events::values::Label;

use super::OpenError;
use super::aead::{Key, Sealer};
use super::subject_keys::SubjectKey;

/// The first byte of a box: how it is made.
const VERSION: u8 = 1;

/// Personal data as the caller gave it. Debug hides the data.
#[derive(Clone)]
pub struct Clear {
    pub subject: Label,
    pub data: BTreeMap<String, String>,
}

impl fmt::Debug for Clear {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Clear({}, …)", self.subject)
    }
}

/// The personal data of one command.
#[derive(Debug, Clone)]
pub struct PersonalData(State);

#[derive(Debug, Clone)]
enum State {
    /// Sealed before the writer takes it, and sealed again if its key does not hold any more when it is to be
    /// recorded.
    Clear { clear: Clear, sealed: Option<(Arc<SubjectKey>, Arc<Personal>)> },
    /// Sealed when a request was stored, whose commands follow. It stays as it is: a subject that is forgotten
    /// meanwhile gets no new key.
    Sealed(Arc<Personal>),
}

impl PersonalData {
    pub fn new(clear: Clear) -> Self {
        Self(State::Clear { clear, sealed: None })
    }

    /// As it was sealed for an earlier request.
    pub(crate) fn from_sealed(personal: Arc<Personal>) -> Self {
        Self(State::Sealed(personal))
    }

    /// What is recorded.
    pub(crate) fn sealed(&self) -> Option<&Arc<Personal>> {
        match &self.0 {
            State::Clear { sealed, .. } => sealed.as_ref().map(|(_, personal)| personal),
            State::Sealed(personal) => Some(personal),
        }
    }

    /// The key that has to hold when it is recorded.
    pub(crate) fn key(&self) -> Option<&Arc<SubjectKey>> {
        match &self.0 {
            State::Clear { sealed, .. } => sealed.as_ref().map(|(key, _)| key),
            State::Sealed(_) => None,
        }
    }

    /// About the bytes that each event takes.
    pub(crate) fn size(&self) -> usize {
        match &self.0 {
            State::Clear { clear, .. } => {
                let data = clear.data.iter().map(|(name, value)| name.len() + value.len() + 6);
                clear.subject.as_str().len() + (data.sum::<usize>() + 64) * 4 / 3
            }
            State::Sealed(personal) => personal.subject.as_str().len() + personal.sealed.len(),
        }
    }

    /// Seals it with the key that its subject has now, unless that is done.
    pub(super) fn seal(
        &mut self,
        log: &str,
        key_of: impl FnOnce(&Label) -> Arc<SubjectKey>,
        correlation_id: &Label,
    ) {
        let State::Clear { clear, sealed } = &mut self.0 else { return };
        let key = key_of(&clear.subject);
        if sealed.as_ref().is_some_and(|(used, _)| used.number == key.number) {
            return;
        }
        let text = serde_json::to_vec(&clear.data).expect("texts are JSON");
        let number = key.number.to_be_bytes();
        let place = place(log, &clear.subject, &number, correlation_id);
        let bytes = Sealer::new(&key.key).seal(&text, &place);
        let bytes = BASE64_URL_SAFE_NO_PAD.encode([&[VERSION], &number[..], &bytes].concat());
        let personal = Personal { subject: clear.subject.clone(), sealed: bytes.into() };
        *sealed = Some((key, Arc::new(personal)));
    }
}

/// Where a box belongs: it opens nowhere else.
fn place<'a>(
    log: &'a str,
    subject: &'a Label,
    number: &'a [u8; 8],
    correlation_id: &'a Label,
) -> [&'a [u8]; 4] {
    [log.as_bytes(), subject.as_str().as_bytes(), number, correlation_id.as_str().as_bytes()]
}

/// A box with the number of its key.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) number: i64,
    sealed: Vec<u8>,
}

impl Parsed {
    pub(super) fn of(sealed: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let ([VERSION], rest) = bytes.split_first_chunk::<1>()? else { return None };
        let (number, sealed) = rest.split_first_chunk::<8>()?;
        Some(Self { number: i64::from_be_bytes(*number), sealed: sealed.to_vec() })
    }

    pub(super) fn open(
        &self,
        log: &str,
        key: &Key,
        subject: &Label,
        correlation_id: &Label,
    ) -> Result<Clear, OpenError> {
        let number = self.number.to_be_bytes();
        let place = place(log, subject, &number, correlation_id);
        let text = Sealer::new(key).open(&self.sealed, &place).map_err(|_| OpenError::Damaged)?;
        let data = serde_json::from_slice(&text).map_err(|_| OpenError::Damaged)?;
        Ok(Clear { subject: subject.clone(), data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_opens_only_where_it_belongs_and_unchanged() {
        let label = |text: &str| -> Label { text.parse().unwrap() };
        let data = BTreeMap::from([("name".to_owned(), "Mrs Miller".to_owned())]);
        let clear = Clear { subject: label("c-1"), data };
        let key = Arc::new(SubjectKey::for_test("c-1", 7));
        let mut personal = PersonalData::new(clear.clone());
        personal.seal("log", |_| Arc::clone(&key), &label("order-1"));
        let sealed = Arc::clone(personal.sealed().unwrap());
        assert!(
            !sealed.to_string().contains("Miller") && !format!("{personal:?}").contains("Miller")
        );
        let parsed = Parsed::of(&sealed.sealed).unwrap();
        assert_eq!(parsed.number, 7);
        let open = |log, subject, correlation: &str| {
            parsed.open(log, &key.key, &label(subject), &label(correlation))
        };
        assert_eq!(open("log", "c-1", "order-1").unwrap().data, clear.data);
        for (log, subject, correlation) in
            [("other", "c-1", "order-1"), ("log", "c-2", "order-1"), ("log", "c-1", "order-2")]
        {
            assert!(matches!(open(log, subject, correlation), Err(OpenError::Damaged)));
        }
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&*sealed.sealed).unwrap();
        for nth in 0..bytes.len() {
            bytes[nth] ^= 1;
            let changed = Parsed::of(&BASE64_URL_SAFE_NO_PAD.encode(&bytes));
            let opened =
                changed.map(|one| one.open("log", &key.key, &label("c-1"), &label("order-1")));
            assert!(!matches!(opened, Some(Ok(_))), "byte {nth} may change");
            bytes[nth] ^= 1;
        }
    }
}
