//! What all endpoints share: parameters, freshness, pages, problems.

pub mod subject;
pub mod request;
pub mod body;
pub mod wait;
pub mod past;
pub mod coalesce;
pub mod page;
pub mod rows;
pub mod parameters;
pub mod answer;
pub mod problem;
pub mod health;
pub mod gate;

use std::sync::Arc;

use crate::read_model::ReadModel;

/// What a handler of a projection may use.
pub type Service = Arc<ReadModel>;
