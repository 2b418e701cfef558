//! The hot paths, one call at a time, so that their instructions can be counted.
//!
//! The core is compiled from its own source and not through the command-service: it knows no IO, so
//! it needs none of what a service needs, and is built in seconds.

#[path = "../../../command-service/src"]
mod command_service {
    pub mod inventory;
}
pub use command_service::inventory;

pub mod paths;
pub mod counting;
