//! What the machine can do at most, with nothing decided and nothing answered: the figures beside
//! which ours stand.

pub mod insert;
pub mod consume;
