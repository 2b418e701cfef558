//! Those who wait for the stock of an item at a location, in their order.

use std::cmp::Reverse;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use shared_events::event::{PassedOver, WhyPassedOver};
use shared_events::lane::Version;
use shared_events::reservation::Fill;
use shared_events::time::Timestamp;
use shared_events::values::ReservationId;

/// The most that a fill names of those who were passed over.
const PASSED_OVER_MAX: usize = 100;

/// A place in the queue: the higher priority first, then who came first. The version of the stream at
/// which somebody came stands for the position: both grow together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    priority: Reverse<u8>,
    since: Version,
}

impl Place {
    /// Before every other place.
    const FIRST: Self = Self { priority: Reverse(u8::MAX), since: Version(0) };

    pub(crate) fn new(priority: u8, since: Version) -> Self {
        Self { priority: Reverse(priority), since }
    }

    pub(crate) fn priority(self) -> u8 {
        self.priority.0
    }
}

/// A line of a reservation that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    pub reservation: ReservationId,
    /// The line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
    pub fill: Fill,
    /// When it stops waiting.
    pub wait_until: Timestamp,
    /// The latest end of a hold that it is filled into.
    pub expires_at: Timestamp,
}

impl Waiter {
    pub(crate) fn end(&self) -> End {
        (self.wait_until, self.reservation.clone(), self.line)
    }
}

/// What a waiter is found by: the end of its waiting, its reservation and its line.
pub(crate) type End = (Timestamp, ReservationId, u32);

/// The waiters of one stock, nearly always none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredQueue", into = "StoredQueue")]
pub struct Queue(Option<Arc<Entries>>);

/// All maps are persistent: a clone shares the entries, so that a long queue is not copied with each command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entries {
    /// Those who take parts.
    parts: OrdMap<Place, Waiter>,
    /// Those who take all that they lack, or nothing.
    whole: OrdMap<Place, Waiter>,
    /// What those lack, so that the one who fits is found without asking everybody.
    needs: OrdSet<(i64, Place)>,
    ends: OrdMap<End, Place>,
    /// When lines were filled to the end, until the reservation's own stream has followed.
    filled: OrdMap<(ReservationId, u32), Timestamp>,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The number of its entries.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |entries| entries.ends.len() + entries.filled.len())
    }

    /// All waiters in their order.
    pub fn waiters(&self) -> Vec<(Place, Waiter)> {
        let entries = self.0.iter();
        let all = entries.flat_map(|entries| entries.parts.iter().chain(&entries.whole));
        let mut all: Vec<_> = all.map(|(place, waiter)| (*place, waiter.clone())).collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        all
    }

    pub(crate) fn find(&self, end: &End) -> Option<&Waiter> {
        self.0.as_ref()?.find(end)
    }

    /// The first who has waited as long as it would.
    pub(crate) fn first_ended(&self, now: Timestamp) -> Option<&Waiter> {
        let entries = self.0.as_ref()?;
        let (end, _) = entries.ends.get_min().filter(|((wait_until, ..), _)| *wait_until <= now)?;
        entries.find(end)
    }

    /// The first in the order who can use what is available, with as much as it takes.
    pub(crate) fn first_fitting(&self, available: i64) -> Option<(Place, &Waiter, i64)> {
        let entries = self.0.as_ref().filter(|_| available > 0)?;
        let parts = entries.parts.get_min().map(|(place, waiter)| (*place, waiter));
        let whole = entries.first_fitting_whole(available);
        let both = parts.into_iter().chain(whole);
        let (place, waiter) = both.min_by_key(|(place, _)| *place)?;
        Some((place, waiter, waiter.quantity.min(available)))
    }

    /// Those before a place, who are all passed over when it is filled: who takes parts is filled before.
    /// At most the first [`PASSED_OVER_MAX`].
    pub(crate) fn passed_over(&self, by: Place) -> Vec<PassedOver> {
        let entries = self.0.iter();
        let before = entries.flat_map(|entries| entries.whole.range(..by)).take(PASSED_OVER_MAX);
        let passed_over = before.map(|(_, waiter)| PassedOver {
            reservation: waiter.reservation.clone(),
            line: waiter.line,
            waiting: waiter.quantity,
            why: WhyPassedOver::WholeDoesNotFit,
        });
        passed_over.collect()
    }

    /// When a line was filled to the end, if its reservation has not followed yet.
    pub(crate) fn filled_at(&self, reservation: &ReservationId, line: u32) -> Option<Timestamp> {
        self.0.as_ref()?.filled.get(&(reservation.clone(), line)).copied()
    }

    pub(crate) fn join(&mut self, place: Place, waiter: Waiter) {
        self.edit(|entries| entries.join(place, waiter));
    }

    /// Notes how much of a waiter still waits.
    pub(crate) fn leave(&mut self, end: &End, left: i64) {
        self.edit(|entries| entries.leave(end, left));
    }

    /// Notes how much of a waiter still waits after it was filled.
    pub(crate) fn fill(&mut self, end: &End, left: i64, filled_at: Timestamp) {
        self.edit(|entries| {
            entries.leave(end, left);
            if left == 0 {
                let (_, reservation, line) = end;
                entries.filled.insert((reservation.clone(), *line), filled_at);
            }
        });
    }

    /// Gives a waiter another priority and other times. It keeps what its place follows from besides.
    pub(crate) fn change(
        &mut self,
        end: &End,
        priority: u8,
        until: Timestamp,
        expires_at: Timestamp,
    ) {
        self.edit(|entries| {
            if let Some((place, waiter)) = entries.take(end) {
                let place = Place::new(priority, place.since);
                entries.join(place, Waiter { wait_until: until, expires_at, ..waiter });
            }
        });
    }

    /// Notes that the reservation's own stream knows of a fill, or that the hold is over.
    pub(crate) fn follow(&mut self, reservation: &ReservationId, line: u32) {
        if self.0.as_ref().is_some_and(|entries| !entries.filled.is_empty()) {
            self.edit(|entries| {
                entries.filled.remove(&(reservation.clone(), line));
            });
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut Entries)) {
        let entries = Arc::make_mut(self.0.get_or_insert_default());
        change(entries);
        if entries.ends.is_empty() && entries.filled.is_empty() {
            self.0 = None;
        }
    }
}

impl Entries {
    fn find(&self, end: &End) -> Option<&Waiter> {
        let place = self.ends.get(end)?;
        self.parts.get(place).or_else(|| self.whole.get(place))
    }

    /// Looks at one waiter of each quantity that fits: the first in the order of those who lack as much.
    fn first_fitting_whole(&self, available: i64) -> Option<(Place, &Waiter)> {
        let mut first: Option<Place> = None;
        let mut least = 0;
        while let Some((need, place)) = self.needs.range((least, Place::FIRST)..).next()
            && *need <= available
        {
            first = Some(first.map_or(*place, |first| first.min(*place)));
            least = need + 1;
        }
        first.and_then(|place| Some((place, self.whole.get(&place)?)))
    }

    fn join(&mut self, place: Place, waiter: Waiter) {
        self.ends.insert(waiter.end(), place);
        match waiter.fill {
            Fill::Parts => drop(self.parts.insert(place, waiter)),
            Fill::Whole => {
                self.needs.insert((waiter.quantity, place));
                self.whole.insert(place, waiter);
            }
        }
    }

    /// Takes a waiter out; what is left of it may join again at its place.
    fn take(&mut self, end: &End) -> Option<(Place, Waiter)> {
        let place = self.ends.remove(end)?;
        let waiter = self.parts.remove(&place).or_else(|| self.whole.remove(&place))?;
        self.needs.remove(&(waiter.quantity, place));
        Some((place, waiter))
    }

    fn leave(&mut self, end: &End, left: i64) {
        if let Some((place, waiter)) = self.take(end)
            && left > 0
        {
            self.join(place, Waiter { quantity: left, ..waiter });
        }
    }
}

/// The queue as it is stored: without what follows from its entries.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredQueue {
    waiters: Vec<(Place, Waiter)>,
    filled: Vec<((ReservationId, u32), Timestamp)>,
}

impl From<StoredQueue> for Queue {
    fn from(StoredQueue { waiters, filled }: StoredQueue) -> Self {
        let mut queue = Self::default();
        queue.edit(|entries| {
            entries.filled = filled.into_iter().collect();
            for (place, waiter) in waiters {
                entries.join(place, waiter);
            }
        });
        queue
    }
}

impl From<Queue> for StoredQueue {
    fn from(queue: Queue) -> Self {
        let filled = queue.0.as_ref().map(|entries| entries.filled.iter());
        let filled = filled.into_iter().flatten().map(|(line, at)| (line.clone(), *at)).collect();
        Self { waiters: queue.waiters(), filled }
    }
}
