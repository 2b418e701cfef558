//! Hands what one consumer reads to every view: records are fetched and decoded once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared_events::lane::Lane;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::pipeline::delivery::{Arrival, Delivery, Heads, Records};
use crate::projection::ProjectionVersion;

/// Deliveries that may wait for one view.
const INBOX_DELIVERIES: usize = 64;

/// KiB of records that may wait for one view or be applied by it. The views share the records, so together
/// they keep hardly more.
const ROOM_KIB: u32 = 24 << 10;

/// How long the others wait for a view that has no room. It reads from the log what it misses then.
const SLOWEST_MAX: Duration = Duration::from_secs(5);

/// What connects one view with the consumer.
pub struct Subscription {
    /// To the view's runner.
    pub inbox: mpsc::Sender<Delivery>,
    /// One permit for each KiB of records.
    room: Arc<Semaphore>,
    /// Where Kafka should continue for this view, by lane; committed there as a hint.
    pub offsets: watch::Sender<BTreeMap<Lane, i64>>,
    /// Lanes for which Kafka brought nothing although the log was ahead, each with the moment since when
    /// it was.
    pub stalled: watch::Sender<BTreeMap<Lane, Instant>>,
}

impl Subscription {
    /// Creates a subscription and the receiver of its inbox.
    pub fn new() -> (Arc<Self>, mpsc::Receiver<Delivery>) {
        let (inbox, receiver) = mpsc::channel(INBOX_DELIVERIES);
        let subscription = Self {
            inbox,
            room: Arc::new(Semaphore::new(ROOM_KIB as usize)),
            offsets: watch::Sender::default(),
            stalled: watch::Sender::default(),
        };
        (Arc::new(subscription), receiver)
    }

    async fn hand_over(&self, arrivals: Vec<Arc<Arrival>>, kib: u32) {
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await;
        let room = room.expect("the permits are never closed");
        // A closed inbox belongs to a view that failed: it reads from the log what it misses.
        let _ = self.inbox.send(Delivery::Records(Records { arrivals, room })).await;
    }
}

/// The views that follow the log here.
pub struct Subscribers {
    subscribers: Mutex<BTreeMap<ProjectionVersion, Subscriber>>,
    slowest_max: Duration,
}

#[derive(Clone)]
struct Subscriber {
    subscription: Arc<Subscription>,
    /// It had no room for the last records, and nobody waits for it until it has.
    is_left_behind: bool,
}

impl Default for Subscribers {
    fn default() -> Self {
        Self { subscribers: Mutex::default(), slowest_max: SLOWEST_MAX }
    }
}

impl Subscribers {
    /// Adds a view, or replaces the subscription of one that was restarted.
    pub fn add(&self, of: ProjectionVersion, subscription: Arc<Subscription>) {
        self.lock().insert(of, Subscriber { subscription, is_left_behind: false });
    }

    pub fn remove(&self, of: ProjectionVersion) {
        self.lock().remove(&of);
    }

    /// Hands records to every view. Waits while a view has no room, for a bounded time.
    pub async fn hand_over(&self, records: Vec<Arrival>, bytes: usize) {
        let records: Vec<Arc<Arrival>> = records.into_iter().map(Arc::new).collect();
        let kib = u32::try_from((bytes >> 10) + records.len()).unwrap_or(u32::MAX).min(ROOM_KIB);
        let waits_until = Instant::now() + self.slowest_max;
        for (of, Subscriber { subscription, is_left_behind }) in self.all() {
            let until = if is_left_behind { Instant::now() } else { waits_until };
            let handed = timeout_at(until, subscription.hand_over(records.clone(), kib)).await;
            if handed.is_err() != is_left_behind {
                self.note(of, handed.is_err());
            }
        }
    }

    fn note(&self, of: ProjectionVersion, is_left_behind: bool) {
        if is_left_behind {
            let projection = of.schema();
            tracing::warn!(
                projection,
                "too slow for the other views; it reads from the log what it misses"
            );
        }
        if let Some(subscriber) = self.lock().get_mut(&of) {
            subscriber.is_left_behind = is_left_behind;
        }
    }

    /// Hands the heads of the log to every view. A busy one gets the next.
    pub fn hand_heads(&self, heads: &Heads) {
        for (_, Subscriber { subscription, .. }) in self.all() {
            let _ = subscription.inbox.try_send(Delivery::Heads(heads.clone()));
        }
    }

    /// Where Kafka should continue in these lanes: where the slowest view is.
    pub fn offsets(&self, lanes: &BTreeSet<Lane>) -> BTreeMap<Lane, i64> {
        let mut least = BTreeMap::new();
        for (_, Subscriber { subscription, .. }) in self.all() {
            let offsets = subscription.offsets.borrow();
            for (lane, offset) in offsets.iter().filter(|(lane, _)| lanes.contains(lane)) {
                let least = least.entry(*lane).or_insert(*offset);
                *least = (*least).min(*offset);
            }
        }
        least
    }

    /// Since when the log has been ahead of what Kafka brought to a view in lanes that are `ours`.
    pub fn ahead_since(&self, are_ours: impl Fn(&BTreeSet<Lane>) -> bool) -> Option<Instant> {
        let since = |(_, Subscriber { subscription, .. }): (_, Subscriber)| {
            let stalled = subscription.stalled.borrow();
            stalled.values().min().copied().filter(|_| are_ours(&stalled.keys().copied().collect()))
        };
        self.all().into_iter().filter_map(since).min()
    }

    fn all(&self) -> Vec<(ProjectionVersion, Subscriber)> {
        self.lock().iter().map(|(of, subscriber)| (*of, subscriber.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProjectionVersion, Subscriber>> {
        // No method leaves the list half changed.
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::delivery::Unreadable;
    use crate::projections;

    fn record(place: &str) -> Vec<Arrival> {
        let content = Err(Unreadable { place: place.to_owned(), error: String::new() });
        vec![Arrival { lane: Lane(0), next_offset: None, content }]
    }

    /// The places of the records that wait in an inbox, with their room.
    fn waiting(inbox: &mut mpsc::Receiver<Delivery>) -> Vec<(String, Records)> {
        let mut waiting = Vec::new();
        while let Ok(Delivery::Records(records)) = inbox.try_recv() {
            waiting.push((records.arrivals[0].name(), records));
        }
        waiting
    }

    #[tokio::test]
    async fn a_view_without_room_is_waited_for_once_and_misses_what_comes_until_it_has_room() {
        let views = projections::all();
        let (slow, mut slow_inbox) = Subscription::new();
        let (quick, mut quick_inbox) = Subscription::new();
        let slowest_max = Duration::from_millis(200);
        let subscribers = Subscribers { slowest_max, ..Subscribers::default() };
        subscribers.add(views[0].version(1), slow);
        subscribers.add(views[1].version(1), quick);
        let large = ROOM_KIB as usize * 1_024;
        let mut quick_has = Vec::new();
        let began = Instant::now();
        for place in ["1", "2", "3"] {
            subscribers.hand_over(record(place), large).await;
            quick_has.extend(waiting(&mut quick_inbox).into_iter().map(|(place, _)| place));
        }
        assert_eq!(quick_has, ["1", "2", "3"]);
        let waited = began.elapsed();
        assert!((slowest_max..2 * slowest_max).contains(&waited), "waited for {waited:?}");
        let applied = waiting(&mut slow_inbox);
        assert_eq!(applied.iter().map(|(place, _)| place).collect::<Vec<_>>(), ["1"]);
        drop(applied);
        subscribers.hand_over(record("4"), large).await;
        assert_eq!(waiting(&mut slow_inbox)[0].0, "4");
    }

    #[tokio::test]
    async fn kafka_continues_where_the_slowest_view_is_that_has_read_a_lane() {
        let views = projections::all();
        let subscribers = Subscribers::default();
        for (view, offsets) in views.iter().zip([&[(0, 7), (1, 3)][..], &[(0, 5), (2, 9)], &[]]) {
            let (subscription, _) = Subscription::new();
            let offsets = offsets.iter().map(|(lane, offset)| (Lane(*lane), *offset));
            subscription.offsets.send_replace(offsets.collect());
            subscribers.add(view.version(1), subscription);
        }
        let ours = BTreeSet::from([Lane(0), Lane(1)]);
        assert_eq!(subscribers.offsets(&ours), BTreeMap::from([(Lane(0), 5), (Lane(1), 3)]));
    }
}
