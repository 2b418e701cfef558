//! The holds on the stock of an item at a location.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use shared_events::time::Timestamp;
use shared_events::values::ReservationId;

/// Which hold it is. Ordered by the moment at which holds end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// When it ends.
    pub expires_at: Timestamp,
    /// For which reservation.
    pub reservation: ReservationId,
    /// For which of its lines, from 1.
    pub line: u32,
}

impl Hold {
    /// The hold for a line of a reservation, until a moment.
    pub fn new(expires_at: Timestamp, reservation: &ReservationId, line: u32) -> Self {
        Self { expires_at, reservation: reservation.clone(), line }
    }
}

/// Quantities that are held, by the moment at which they end. A copy costs nothing, so that a busy
/// item with many holds is not copied with each batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Hold, i64)>", into = "Vec<(Hold, i64)>")]
pub struct Holds(OrdMap<Hold, i64>);

impl Holds {
    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The quantity of a hold in base units; 0 where there is none.
    pub fn quantity(&self, hold: &Hold) -> i64 {
        self.0.get(hold).copied().unwrap_or_default()
    }

    /// Those whose time has come at `now`, the first to end first.
    pub fn lapsed(&self, now: Timestamp) -> impl Iterator<Item = (&Hold, i64)> + '_ {
        let lapsed = self.0.iter().take_while(move |(hold, _)| hold.expires_at <= now);
        lapsed.map(|(hold, quantity)| (hold, *quantity))
    }

    /// Changes the quantity of a hold by a difference; one that comes to zero is gone.
    pub fn change(&mut self, hold: Hold, difference: i64) {
        let quantity = self.quantity(&hold) + difference;
        if quantity == 0 {
            self.0.remove(&hold);
        } else {
            self.0.insert(hold, quantity);
        }
    }
}

impl From<Vec<(Hold, i64)>> for Holds {
    fn from(holds: Vec<(Hold, i64)>) -> Self {
        Self(holds.into_iter().collect())
    }
}

impl From<Holds> for Vec<(Hold, i64)> {
    fn from(holds: Holds) -> Self {
        holds.0.into_iter().collect()
    }
}
