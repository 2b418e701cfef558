//! The harness of the integration tests: one real Postgres and one real Kafka for the run, and for
//! every test its own databases, topic and service processes.

pub mod world;
pub mod stockbook;
pub mod bodies;
pub mod node;
pub mod pair;
pub mod api;
pub mod issuer;
pub mod collector;
pub mod oracle;
pub mod topic;
pub mod eventually;
pub mod size;
pub mod proxy;
pub mod link;
pub mod refusals;
pub mod seed;
pub mod shim;
pub mod traders;
pub mod visitor;

pub use api::{Answer, Api, Figures, assert_has, moment, pointers};
pub use bodies::{each, line_at, lines_at_main, reservation};
pub use collector::Collector;
pub use eventually::{DEADLINE, eventually};
pub use issuer::Issuer;
pub use node::Node;
pub use oracle::{Oracle, assert_flow};
pub use pair::{Commits, Pair};
pub use proxy::{Loss, Proxy};
pub use seed::seeded;
pub use size::Size;
pub use stockbook::{READY_MAX, Stockbook, start_again, stop};
pub use topic::{read_messages, read_partition};
pub use traders::{Traders, accepted, assert_done_once};
pub use visitor::{Visitor, hidden};
pub use world::{World, stop_fsync};
