//! Integrity: the fold of the log = the figures in its events = the views = the chain, or the first
//! difference.
//!
//! What has to hold is [`proof`], values in, values out. [`walk`] takes one lane through it: the log's
//! pages from the catch-up API beside the rows of `movements`, then, in one repeatable-read
//! transaction, the last events up to the checkpoint that it sees, and every other row ([`read`]).
//! Nothing is held open while the log is walked, and every lane is compared at one position.
//! [`check`] does that for all lanes, or one item, while somebody waits; [`watch`] does it slowly,
//! all the time. What no lane can tell alone is in [`promises`].
//!
//! Of one item, its whole lane is walked: only the link to the event before it, back to the lane's
//! first, proves an event. Where a lane is too long for that, see [`check`].

pub mod proof;
pub mod findings;
pub mod read;
pub mod walk;
pub mod promises;
pub mod check;
pub mod watch;
