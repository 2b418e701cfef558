//! What a command is about, and at which version that should be.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use shared_events::lane::Version;
use shared_events::values::ValueError;

use super::reader::Members;
use super::value::{text, version};

/// Where a command says what it is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Address<'a> {
    /// In the path and the If-Match of a request of its own.
    Request { path: &'a PathNames, expected_version: Option<Version> },
    /// Among the members of a command in a batch.
    Batch,
}

impl Address<'_> {
    /// The thing that the path or the member of this name stands for.
    pub(super) fn subject<T>(&self, name: &str, body: &mut Members<'_>) -> Option<T>
    where
        T: FromStr<Err = ValueError>,
    {
        match self {
            Self::Request { path, .. } => {
                let subject = path.get(name).parse();
                subject.map_err(|error: ValueError| body.note(name, error.to_string())).ok()
            }
            Self::Batch => body.required(name, text),
        }
    }

    /// The same of a thing whose name is made by the server: in a path, one that cannot be is not a
    /// fault but the name of something that does not exist.
    pub(super) fn made_subject<T>(&self, name: &str, body: &mut Members<'_>) -> Option<T>
    where
        T: FromStr<Err = ValueError>,
    {
        match self {
            Self::Request { path, .. } => path.get(name).parse().ok(),
            Self::Batch => body.required(name, text),
        }
    }

    /// The version of the command's one stream that the caller expects.
    pub(super) fn expected_version(&self, body: &mut Members<'_>) -> Option<Version> {
        match self {
            Self::Request { expected_version, .. } => *expected_version,
            Self::Batch => body.optional("expected_version", version),
        }
    }
}

/// The parameters of a path with their values.
#[derive(Debug, Default)]
pub(super) struct PathNames(Vec<(String, String)>);

impl PathNames {
    /// What the matched route found in the path.
    pub(super) async fn of(head: &mut Parts) -> Self {
        match RawPathParams::from_request_parts(head, &()).await {
            Ok(names) => names.iter().collect(),
            Err(_) => Self::default(),
        }
    }

    /// The value of a parameter. Bytes that are not UTF-8 stand for a name that nothing can have,
    /// which is told like any other.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(parameter, _)| parameter == name);
        found.map_or("\u{fffd}", |(_, value)| value)
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for PathNames {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(names: I) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(names.into_iter().map(owned).collect())
    }
}
