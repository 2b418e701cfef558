//! What was refused for who asked: the last refusals of this instance, for operators.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::Extension;
use axum::http::Method;
use chrono::{DateTime, SecondsFormat, Utc};
use metrics::counter;
use serde::Serialize;
use utoipa::ToSchema;

use super::SignedIn;
use super::refusal::Refusal;

/// Refusals that are kept; older ones make room.
const KEPT_MAX: usize = 1_000;

/// Characters of a path that are kept.
const PATH_CHARS_MAX: usize = 256;

const REFUSED: &str = "stockbook_sign_in_refused_total";

/// Every code that the metric counts.
const CODES: [&str; 4] = ["unauthenticated", "forbidden", "rate_limited", "unavailable"];

/// Describes the metric to the installed recorder, from 0 on.
pub(crate) fn describe() {
    metrics::describe_counter!(REFUSED, "Requests refused for who sent them, by problem code");
    for code in CODES {
        counter!(REFUSED, "code" => code).increment(0);
    }
}

/// The last refusals.
#[derive(Debug, Default)]
pub(super) struct Audit(Mutex<VecDeque<Refused>>);

/// A request that was refused for who sent it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Refused {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The problem's code: unauthenticated, forbidden, rate_limited, unavailable.
    code: &'static str,
    /// Whose credential it was; null if it proved nothing.
    credential: Option<String>,
    /// The credential's name.
    name: Option<String>,
    method: String,
    /// The path without its query, at most 256 characters.
    path: String,
    /// The scope that was missing.
    scope: Option<&'static str>,
    /// The location that is not the credential's; `*` for all.
    location: Option<String>,
}

/// The last refusals of this instance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedList {
    /// Newest first, at most 1,000.
    items: Vec<Refused>,
}

impl Audit {
    /// Notes a refusal, and counts it.
    pub(super) fn note(
        &self,
        refusal: &Refusal,
        credential: Option<(&str, &str)>,
        method: &Method,
        path: &str,
    ) {
        let code = refusal.code();
        counter!(REFUSED, "code" => code).increment(1);
        if let Refusal::Token(why) = refusal {
            tracing::debug!(why, "a token was refused");
        }
        let refused = Refused {
            at: text(Utc::now()),
            code,
            credential: credential.map(|(id, _)| id.to_owned()),
            name: credential.map(|(_, name)| name.to_owned()),
            method: method.to_string(),
            path: path.chars().take(PATH_CHARS_MAX).collect(),
            scope: if let Refusal::Scope(scope) = refusal { Some(scope.as_str()) } else { None },
            location: if let Refusal::Location(location) = refusal {
                Some(location.clone())
            } else {
                None
            },
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_MAX {
            kept.pop_back();
        }
        kept.push_front(refused);
    }

    fn list(&self) -> Vec<Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Requests that this instance refused for who sent them, since it started; the last 1,000. Empty without
/// sign-in.
#[utoipa::path(
    get, path = "/v1/audit", tag = "operators",
    responses((status = 200, description = "Newest first", body = RefusedList)),
)]
pub(crate) async fn list_refused(signed_in: Option<Extension<SignedIn>>) -> Json<RefusedList> {
    let items = signed_in.map(|Extension(signed_in)| signed_in.audit().list());
    Json(RefusedList { items: items.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refusals_are_kept_newest_first() {
        let audit = Audit::default();
        for number in 0..KEPT_MAX + 5 {
            let path = format!("/v1/stock/{number}");
            audit.note(&Refusal::Missing, None, &Method::GET, &path);
        }
        let kept = audit.list();
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!(kept[0].path, format!("/v1/stock/{}", KEPT_MAX + 4));
        assert_eq!(kept[KEPT_MAX - 1].path, "/v1/stock/5");
    }
}
