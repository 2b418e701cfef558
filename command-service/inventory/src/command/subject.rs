//! Persons.

use shared_events::values::Label;

/// Record that keys of a person were deleted, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetSubject {
    pub subject: Label,
    /// By their numbers in hexadecimal.
    pub keys: Vec<Label>,
}
