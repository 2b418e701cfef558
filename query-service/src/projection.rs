//! What a projection is: a named, versioned set of tables that is computed from the log.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures::future::BoxFuture;
use shared_events::event::Event;
use shared_events::lane::{Lane, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use sqlx::PgConnection;

/// Everything that the pipeline has to know about a projection.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    /// Shown by `--help`.
    pub summary: &'static str,
    /// How long a projection waits for more events before it applies a batch. Short where callers
    /// read right after a command; long where one transaction per event would be a waste.
    pub linger: Duration,
    pub new_changes: fn() -> Box<dyn TableChanges>,
}

/// What a batch changes in the tables of a view.
pub trait Fold: Default + Debug + Send + Sync + 'static {
    /// Adds one event, after all earlier events of its lane. PURE. An error leaves `self` unchanged.
    fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit>;
}

/// The same of any projection, with how it is written.
pub trait TableChanges: Any + Debug + Send + Sync {
    /// Adds one event, after all earlier events of its lane. PURE. An error leaves `self` unchanged.
    fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit>;

    /// The slots of all rows that it changes and that point reads may keep in memory.
    fn slots(&self) -> Vec<Slot>;

    /// Writes the rows inside the caller's transaction, which holds the checkpoints of these lanes.
    /// `ends` holds the last position of each lane in the batch.
    fn write<'a>(
        &'a self,
        ends: &'a BTreeMap<Lane, Position>,
        connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, sqlx::Result<()>>;
}

/// Rows of one version that point reads may keep in memory.
pub const SLOTS: usize = 1 << 16;

/// Where a row is kept, by the hash of its key. Several rows share a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub usize);

impl Slot {
    pub fn of(key: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self(usize::try_from(hasher.finish() % SLOTS as u64).expect("a slot is below 65,536"))
    }
}

/// An event that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the data is not about the stream it stands in")]
    Stream,
    #[error("a figure leaves the range of 64 bits")]
    Overflow,
}

/// A projection that this binary knows.
#[derive(Clone, Copy)]
pub struct Projection(&'static Definition);

impl Projection {
    pub const fn new(definition: &'static Definition) -> Self {
        Self(definition)
    }

    pub fn definition(self) -> &'static Definition {
        self.0
    }

    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub fn new_changes(self) -> Box<dyn TableChanges> {
        (self.0.new_changes)()
    }

    pub fn version(self, version: i16) -> ProjectionVersion {
        ProjectionVersion { projection: self, version }
    }
}

impl Debug for Projection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl PartialEq for Projection {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Projection {}

impl PartialOrd for Projection {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Projection {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name().cmp(other.name())
    }
}

/// One filled set of a projection's tables, with its own checkpoints. The migrations make version 1,
/// each rebuild makes the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProjectionVersion {
    projection: Projection,
    version: i16,
}

impl ProjectionVersion {
    pub fn projection(self) -> Projection {
        self.projection
    }

    /// The projection's name.
    pub fn name(self) -> &'static str {
        self.projection.name()
    }

    /// The number, from 1.
    pub fn version(self) -> i16 {
        self.version
    }

    /// The schema of its tables.
    pub fn schema(self) -> String {
        format!("{}_v{}", self.name(), self.version)
    }
}

/// The event that a row shows the state after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPosition {
    pub lane: Lane,
    pub position: Position,
    pub version: Version,
    pub recorded_at: Timestamp,
}

impl EventPosition {
    pub fn of(recorded: &RecordedEvent) -> Self {
        Self {
            lane: recorded.lane,
            position: recorded.position,
            version: recorded.version,
            recorded_at: recorded.recorded_at,
        }
    }
}
