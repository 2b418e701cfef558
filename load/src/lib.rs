//! `cargo load`: Stockbook measured, beside what most would build instead, beside a peer, and beside
//! what the machine can do at most.
//!
//! In reading order: the generator ([`drive`]), what it asks ([`keys`], [`requests`]), what is
//! started to be asked ([`world`], [`session`]), the physical limits ([`limits`]), what comes before
//! all measuring ([`heat_up`]), the comparison ([`compare`]), what grows ([`growth`]), the generator
//! alone ([`driving`]), and what is written down ([`table`], [`report`], [`chart`]).

pub mod drive;
pub mod keys;
pub mod requests;
pub mod world;
pub mod session;
pub mod limits;
pub mod heat_up;
pub mod compare;
pub mod growth;
pub mod driving;
pub mod table;
pub mod report;
pub mod chart;
