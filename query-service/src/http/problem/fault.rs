//! What is wrong with a body, place by place.

use serde::Serialize;

/// One thing that is wrong with a body.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// Where (RFC 6901).
    pub pointer: String,
    /// What should be there instead.
    pub message: String,
}

impl Fault {
    /// What is wrong at a place.
    pub fn at(pointer: &str, message: &str) -> Self {
        Self { pointer: pointer.to_owned(), message: message.to_owned() }
    }
}
