//! What a view consists of.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use service_edge::sign_in::routes::Routes;
use shared_events::event::Event;
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use sqlx::PgConnection;

use crate::projection::{Definition, Fold, Projection, Slot, TableChanges, Unfit};
use crate::projection_set::ProjectionSet;

/// A projection with everything that belongs to it.
pub trait View: Debug + Sized + 'static {
    /// The name, without a version.
    const NAME: &'static str;
    /// Shown by `--help`.
    const SUMMARY: &'static str;
    /// How long the projection waits for more events before it applies a batch. Short where callers
    /// read right after a command; long where one transaction per event would be a waste.
    const LINGER: Duration;

    /// What a batch changes in the tables.
    type Changes: Fold;

    const PROJECTION: Projection = Projection::new(
        &const {
            Definition {
                name: Self::NAME,
                summary: Self::SUMMARY,
                linger: Self::LINGER,
                new_changes: || Box::new(ViewChanges::<Self>(Self::Changes::default())),
            }
        },
    );

    /// The slots of all rows that a batch changes and that point reads may keep in memory.
    fn slots(_changes: &Self::Changes) -> Vec<Slot> {
        Vec::new()
    }

    /// Writes the rows inside the caller's transaction, which holds the checkpoints of these lanes.
    /// `ends` holds the last position of each lane in the batch.
    fn write(
        changes: &Self::Changes,
        ends: &BTreeMap<Lane, Position>,
        connection: &mut PgConnection,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    fn routes() -> Routes<ProjectionSet>;
}

/// The changes of any view, as the pipeline handles them.
#[derive(Debug)]
pub struct ViewChanges<V: View>(pub V::Changes);

impl<V: View> TableChanges for ViewChanges<V> {
    fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        self.0.fold(recorded, event)
    }

    fn slots(&self) -> Vec<Slot> {
        V::slots(&self.0)
    }

    fn write<'a>(
        &'a self,
        ends: &'a BTreeMap<Lane, Position>,
        connection: &'a mut PgConnection,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        V::write(&self.0, ends, connection).boxed()
    }
}

/// A view in the registry.
pub struct Registered {
    pub projection: Projection,
    pub routes: fn() -> Routes<ProjectionSet>,
}

impl Registered {
    pub const fn of<V: View>() -> Self {
        Self { projection: V::PROJECTION, routes: V::routes }
    }
}
