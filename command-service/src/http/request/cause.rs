//! Why a command is given: the members that most commands may have.

use std::collections::BTreeMap;

use shared_events::event::{Cause, Context, Reference};
use shared_events::values::Code;

use super::reader::Members;
use super::value::{metadata_value, note, text};

/// Free members are kept in every event of a command, so they are bounded well below the body.
const METADATA_LEN_MAX: usize = 20;
const METADATA_NAME_CHARS_MAX: usize = 64;

/// Why, where a reason may be given.
pub(super) fn cause(body: &mut Members<'_>) -> Cause {
    let reason = body.optional("reason", text);
    beside(body, reason)
}

/// Why, where a reason must be given.
pub(super) fn cause_with_reason(body: &mut Members<'_>) -> Cause {
    let reason = body.required("reason", text);
    beside(body, reason)
}

fn beside(body: &mut Members<'_>, reason: Option<Code>) -> Cause {
    let reference = body.object("reference", |reference| {
        let kind = reference.required("type", text);
        let id = reference.required("id", text);
        let line = reference.optional("line", text);
        Some(Reference { kind: kind?, id: id?, line })
    });
    let note = body.optional("note", note);
    let metadata = metadata(body).unwrap_or_default();
    let is_empty = note.is_none() && metadata.is_empty();
    Cause { reason, reference, context: (!is_empty).then_some(Context { note, metadata }) }
}

/// The caller's own names and values.
pub(super) fn metadata(body: &mut Members<'_>) -> Option<BTreeMap<String, String>> {
    body.object("metadata", |metadata| {
        if metadata.len() > METADATA_LEN_MAX {
            metadata.note_self(format!("must have at most {METADATA_LEN_MAX} members"));
        }
        let entries = metadata.rest(|name, value| {
            if is_metadata_name(name) {
                metadata_value(value)
            } else {
                Err(format!("must be named by 1 to {METADATA_NAME_CHARS_MAX} printable characters"))
            }
        });
        Some(entries?.into_iter().collect())
    })
}

fn is_metadata_name(name: &str) -> bool {
    (1..=METADATA_NAME_CHARS_MAX).contains(&name.chars().count())
        && !name.chars().any(char::is_control)
}
