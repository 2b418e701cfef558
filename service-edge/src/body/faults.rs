//! Faults of a request, with RFC 6901 pointers to them.

use std::fmt::{self, Display};

use crate::problem::Fault;

/// A body of a megabyte could hold a hundred thousand faults.
const FAULTS_MAX: usize = 1_000;

/// The faults found so far, in the order found.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one, unless there are too many already.
    pub fn add(&mut self, pointer: impl Display, message: impl Display) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault::new(pointer, message));
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults, in the order found.
    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// The place of a value in a request.
#[derive(Debug, Clone, Copy)]
pub enum JsonPointer<'a> {
    Root,
    Member(&'a JsonPointer<'a>, &'a str),
    Item(&'a JsonPointer<'a>, usize),
}

impl<'a> JsonPointer<'a> {
    pub fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    pub fn item(&'a self, index: usize) -> Self {
        Self::Item(self, index)
    }
}

impl Display for JsonPointer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => {
                write!(out, "{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Self::Item(parent, index) => write!(out, "{parent}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_faults_is_bounded() {
        let mut faults = Faults::default();
        for _ in 0..=FAULTS_MAX {
            faults.add(JsonPointer::Root, "x");
        }
        assert_eq!(faults.len(), FAULTS_MAX);
    }
}
