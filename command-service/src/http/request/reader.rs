//! A small reader for JSON objects that gathers every fault, each with its place.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Faults that are told at most; a body of a megabyte could hold a hundred thousand.
const FAULTS_MAX: usize = 1_000;

/// What is said of a required member that is not there.
pub(super) const MISSING: &str = "is missing";

/// Something wrong with a request, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::http) struct Fault {
    /// Where it stands, as an RFC 6901 pointer.
    pub pointer: String,
    /// What is wrong, to follow the place.
    pub message: String,
}

/// The faults found so far, in the order found.
#[derive(Debug, Default)]
pub(in crate::http) struct Faults(Vec<Fault>);

impl Faults {
    pub(in crate::http) fn note(&mut self, place: Place<'_>, message: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault { pointer: place.to_string(), message: message.into() });
        }
    }

    pub(in crate::http) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// Where a value stands in a request. Displays as an RFC 6901 pointer.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
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

/// An object whose members are taken one by one; what is left over at the end is unknown.
#[derive(Debug)]
pub(in crate::http) struct Members<'a> {
    place: Place<'a>,
    left: Map<String, Value>,
    faults: &'a mut Faults,
}

impl<'a> Members<'a> {
    /// Reads a whole object: what `read` does not take is noted as unknown.
    pub(in crate::http) fn read<T>(
        place: Place<'a>,
        value: Value,
        faults: &'a mut Faults,
        read: impl FnOnce(&mut Members<'_>) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(left) = value else {
            faults.note(place, "must be an object");
            return None;
        };
        let mut members = Members { place, left, faults };
        let result = read(&mut members);
        for name in members.left.keys() {
            members.faults.note(Place::Member(&members.place, name), "is not known here");
        }
        result
    }

    /// The value of a member; nothing where it is absent or was noted as faulty.
    pub(in crate::http) fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.left.remove(name)?;
        match read(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.note(name, message);
                None
            }
        }
    }

    /// The value of a member; nothing after noting that it is missing or faulty.
    pub(in crate::http) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(name) {
            self.note(name, MISSING);
        }
        self.optional(name, read)
    }

    /// The value of a member that is an object itself; nothing where it is absent or faulty.
    pub(super) fn object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Members<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.left.remove(name)?;
        Members::read(Place::Member(&self.place, name), value, self.faults, read)
    }

    /// The items of a member that must be a list of 1 to `len_max` objects; nothing after noting
    /// that it is missing or faulty.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        len_max: usize,
        read: impl FnMut(&mut Members<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        if !self.has(name) {
            self.note(name, MISSING);
        }
        self.optional_list(name, len_max, read)
    }

    /// The same of a member that may be absent.
    pub(super) fn optional_list<T>(
        &mut self,
        name: &str,
        len_max: usize,
        mut read: impl FnMut(&mut Members<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let values = self.optional(name, |value| match value {
            Value::Array(values) if (1..=len_max).contains(&values.len()) => Ok(values),
            _ => Err(format!("must be a list of 1 to {len_max} objects")),
        })?;
        let list = Place::Member(&self.place, name);
        let mut items = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            // Goes on after a fault: all of them are told at once.
            items.push(Members::read(Place::Item(&list, index), value, self.faults, &mut read));
        }
        items.into_iter().collect()
    }

    /// The members left, each with its value read; nothing after noting a fault.
    pub(super) fn rest<T>(
        &mut self,
        mut read: impl FnMut(&str, Value) -> Result<T, String>,
    ) -> Option<Vec<(String, T)>> {
        let mut rest = Vec::with_capacity(self.left.len());
        let mut whole = true;
        for (name, value) in std::mem::take(&mut self.left) {
            match read(&name, value) {
                Ok(value) => rest.push((name, value)),
                Err(message) => {
                    self.note(&name, message);
                    whole = false;
                }
            }
        }
        whole.then_some(rest)
    }

    /// Whether a member is there that was not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Takes whatever is left, where it cannot be known what it should be.
    pub(super) fn pass_over_rest(&mut self) {
        self.left.clear();
    }

    /// The members left, as they stand.
    pub(super) fn left(&self) -> &Map<String, Value> {
        &self.left
    }

    /// How many members are left.
    pub(super) fn len(&self) -> usize {
        self.left.len()
    }

    /// Notes a fault of the object itself.
    pub(super) fn note_self(&mut self, message: impl Into<String>) {
        self.faults.note(self.place, message);
    }

    /// Notes a fault of a member.
    pub(super) fn note(&mut self, name: &str, message: impl Into<String>) {
        self.faults.note(Place::Member(&self.place, name), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_rfc_6901_pointer() {
        let lines = Place::Member(&Place::Root, "lines");
        let line = Place::Item(&lines, 3);
        assert_eq!(Place::Root.to_string(), "");
        assert_eq!(Place::Member(&line, "a/b~c").to_string(), "/lines/3/a~1b~0c");
    }

    #[test]
    fn no_more_faults_are_kept_than_can_be_told() {
        let mut faults = Faults::default();
        for _ in 0..=FAULTS_MAX {
            faults.note(Place::Root, "x");
        }
        assert_eq!(faults.into_vec().len(), FAULTS_MAX);
    }
}
