//! Who reads the page that is written now. Every page says it in its frame, also one about a failure, so it goes
//! with the request and not through each handler.

use std::future::Future;

use crate::texts::{EN, Texts};

/// What pages know of the one who reads them.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) texts: &'static Texts,
    /// Who signed in.
    pub(crate) signed_in: Option<SignedIn>,
}

#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) name: String,
    /// What every form carries that is sent back.
    pub(crate) form_token: String,
}

tokio::task_local! {
    static READER: Reader;
}

impl Reader {
    /// Answers a request of this reader.
    pub(crate) async fn reads<T>(self, answer: impl Future<Output = T>) -> T {
        READER.scope(self, answer).await
    }

    /// The reader of the request in progress.
    pub(crate) fn now() -> Self {
        let nobody = Self { texts: &EN, signed_in: None };
        READER.try_with(Self::clone).unwrap_or(nobody)
    }
}

/// The words of the reader's language.
pub(crate) fn texts() -> &'static Texts {
    READER.try_with(|reader| reader.texts).unwrap_or(&EN)
}
