//! The differences that a check has come upon.

use crate::integrity::proof::difference::Difference;

/// As many as were asked for have been found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enough;

/// The first differences, in the order they were met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    wanted: usize,
    found: Vec<Difference>,
}

impl Findings {
    /// Nothing yet; `wanted` of them are enough.
    pub fn up_to(wanted: usize) -> Self {
        Self { wanted, found: Vec::new() }
    }

    /// Adds a difference, if there is one.
    ///
    /// # Errors
    /// There are enough now.
    pub fn note(&mut self, difference: Option<Difference>) -> Result<(), Enough> {
        self.found.extend(difference);
        if self.found.len() < self.wanted { Ok(()) } else { Err(Enough) }
    }

    /// What was found.
    pub fn into_vec(self) -> Vec<Difference> {
        self.found
    }
}
