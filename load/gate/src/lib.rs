//! The hot paths, one call at a time, so that their instructions can be counted.

pub mod paths;
pub mod counting;
