//! The routes that belong to no view.

pub mod changes;
pub mod integrity;
pub mod operations;
pub mod overview;
pub mod projections;
