//! From arrivals to committed rows, and what to do when that fails.

use std::time::Duration;

use shared_events::lane::Lane;
use tokio::time::Instant;

use crate::backoff::{Backoff, Stopping};
use crate::config;
use crate::metrics;
use crate::projection::apply::{self, ApplyError};
use crate::projection::changes::Changes;
use crate::projection::delivery::Arrival;
use crate::projection::follow::Follower;
use crate::projection::plan::{Advance, Arrivals, Plan, Stop, plan};

/// Extra time for a transaction's answer beyond what one of its statements may take.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);

/// From how many events on a batch is shared out among writers; below that, one commit is quicker.
const SIDE_BY_SIDE_MIN: usize = 1_000;

impl Follower {
    /// Applies a batch. What the database refuses is halved until the one event is found that it
    /// refuses, so that everything else goes on.
    pub(super) async fn absorb(&mut self, arrivals: Arrivals) -> Result<(), Stopping> {
        let mut pieces = self.absorb_side_by_side(arrivals).await?;
        while let Some(mut piece) = pieces.pop() {
            piece.retain(|lane, _| !self.stopped.contains_key(lane));
            let Some(refusal) = self.absorb_whole(&piece).await? else {
                continue;
            };
            match halve(piece) {
                Halves::Two(first, second) => pieces.extend([second, first]),
                Halves::One(lane, event) => {
                    let error = refusal;
                    self.stop_lane(lane, Stop { event, error }).await?;
                }
            }
        }
        Ok(())
    }

    /// Applies a large batch in several transactions at once, each with lanes of its own. Gives back
    /// what needs a second look, whatever the reason, to be seen to one after the other.
    async fn absorb_side_by_side(&mut self, arrivals: Arrivals) -> Result<Vec<Arrivals>, Stopping> {
        let writers = config::count(self.tools.settings.projection_writers);
        if writers == 1 || arrivals.values().map(Vec::len).sum::<usize>() < SIDE_BY_SIDE_MIN {
            return Ok(vec![arrivals]);
        }
        let hands = deal(arrivals, writers);
        let mut plans: Vec<Plan> = hands.iter().map(|hand| self.plan(hand)).collect();
        let writes = plans.iter_mut().map(|plan| self.write_if_whole(plan));
        let outcomes = futures::future::join_all(writes).await;
        let mut left = Vec::new();
        for ((hand, plan), outcome) in hands.into_iter().zip(plans).zip(outcomes) {
            match outcome {
                Ok(()) => self.settle(plan).await?,
                Err(error) => {
                    tracing::info!(%error, "a part of a batch is looked at once more");
                    left.push(hand);
                }
            }
        }
        Ok(left)
    }

    fn plan(&self, arrivals: &Arrivals) -> Plan {
        let projection = self.tools.projection.projection();
        plan(projection, &self.checkpoints, &self.tools.lane_map, arrivals)
    }

    /// Whether a gap was not known before.
    fn has_news(&self, plan: &Plan) -> bool {
        plan.gaps.keys().any(|lane| !self.fetching.contains_key(lane))
    }

    async fn write_if_whole(&self, plan: &mut Plan) -> Result<(), ApplyError> {
        if self.has_news(plan) { Err(ApplyError::Moved) } else { self.write(plan).await }
    }

    /// Applies a batch in one transaction; answers with what the database refused it for.
    async fn absorb_whole(&mut self, arrivals: &Arrivals) -> Result<Option<String>, Stopping> {
        let mut backoff = Backoff::up_to(self.tools.settings.retry_pause_max_ms.0);
        let mut is_fresh = false;
        loop {
            // 1. Compare with the checkpoints and fold. A gap may only mean that another instance
            //    applied these lanes meanwhile, so look once more before it is believed.
            let mut plan = self.plan(arrivals);
            if !is_fresh && self.has_news(&plan) {
                self.reload().await?;
                is_fresh = true;
                continue;
            }
            // 2. Write rows and checkpoints.
            match self.write(&mut plan).await {
                Ok(()) => {
                    self.tools.progress.set_trouble(None);
                    return self.settle(plan).await.map(|()| None);
                }
                Err(ApplyError::Refused(error)) => return Ok(Some(error)),
                Err(ApplyError::Moved) => {
                    tracing::info!("another instance applies these lanes");
                    self.reload().await?;
                }
                Err(ApplyError::Unavailable(error)) => {
                    tracing::warn!(error, "nothing can be applied, trying again");
                    self.tools.progress.set_trouble(Some(error.clone()));
                    backoff.pause(&self.tools.stop).await?;
                    self.reload().await?;
                    self.tools.progress.set_trouble(Some(error));
                }
            }
            is_fresh = true;
        }
    }

    async fn write(&self, plan: &mut Plan) -> Result<(), ApplyError> {
        if plan.advances.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let projection = self.tools.projection;
        apply::apply(
            &self.tools.pool,
            projection,
            plan.advances.clone(),
            std::mem::replace(&mut plan.changes, Changes::none(projection.projection())),
            self.tools.settings.apply_timeout_ms.0 + ANSWER_MARGIN,
        )
        .await?;
        metrics::batch_applied(self.tools.projection, plan.applied, started.elapsed());
        Ok(())
    }

    /// After the commit: what is now known, told to everybody; and what else the plan asks for.
    async fn settle(&mut self, plan: Plan) -> Result<(), Stopping> {
        metrics::duplicates_dropped(self.tools.projection, plan.duplicates);
        for advance in &plan.advances {
            self.checkpoints.insert(advance.lane, advance.after);
        }
        let reached = |advance: &Advance| (advance.lane, advance.after.position);
        self.tools.progress.raise(plan.advances.iter().map(reached));
        self.tools.feedback.offsets.send_if_modified(|offsets| {
            let moved = plan.advances.iter();
            let known = moved.filter_map(|one| Some((one.lane, one.kafka_offset?)));
            let before = offsets.clone();
            offsets.extend(known);
            before != *offsets
        });
        for (lane, seen) in plan.gaps {
            self.catch_up(lane, seen);
        }
        for (lane, stop) in plan.stops {
            self.stop_lane(lane, stop).await?;
        }
        Ok(())
    }
}

/// Deals the lanes of a batch out to several writers, about as many events to each.
fn deal(arrivals: Arrivals, writers: usize) -> Vec<Arrivals> {
    let mut hands: Vec<(usize, Arrivals)> = Vec::new();
    hands.resize_with(writers, Default::default);
    let mut lanes: Vec<_> = arrivals.into_iter().collect();
    lanes.sort_by_key(|(_, events)| std::cmp::Reverse(events.len()));
    for (lane, events) in lanes {
        let (count, hand) =
            hands.iter_mut().min_by_key(|(count, _)| *count).expect("there is a writer");
        *count += events.len();
        hand.insert(lane, events);
    }
    hands.into_iter().map(|(_, hand)| hand).filter(|hand| !hand.is_empty()).collect()
}

/// A batch cut in two, the first to be applied before the second; or the one event that is left.
enum Halves {
    Two(Arrivals, Arrivals),
    One(Lane, String),
}

/// Cuts between lanes as long as there are several, then between events.
fn halve(mut arrivals: Arrivals) -> Halves {
    if arrivals.len() > 1 {
        let middle =
            *arrivals.keys().nth(arrivals.len() / 2).expect("the middle of several lanes exists");
        let second = arrivals.split_off(&middle);
        return Halves::Two(arrivals, second);
    }
    let (lane, mut events) = arrivals.pop_first().expect("an empty batch is never refused");
    if events.len() > 1 {
        let second = events.split_off(events.len() / 2);
        return Halves::Two(Arrivals::from([(lane, events)]), Arrivals::from([(lane, second)]));
    }
    Halves::One(lane, events.first().map_or_else(String::new, Arrival::name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::delivery::Unreadable;

    fn arrivals(counts: &[usize]) -> Arrivals {
        let arrival = |lane, place: usize| Arrival {
            lane,
            next_offset: None,
            content: Err(Unreadable { place: place.to_string(), error: String::new() }),
        };
        let lanes = (0..).map(Lane).zip(counts);
        lanes
            .map(|(lane, count)| (lane, (0..*count).map(|at| arrival(lane, at)).collect()))
            .collect()
    }

    #[test]
    fn lanes_are_dealt_out_whole_and_evenly() {
        let hands = deal(arrivals(&[3, 1, 5, 3, 0]), 3);
        let mut counts: Vec<usize> =
            hands.iter().map(|hand| hand.values().map(Vec::len).sum()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [3, 4, 5]);
        assert_eq!(hands.iter().map(|hand| hand.len()).sum::<usize>(), 5);
        assert_eq!(deal(arrivals(&[7]), 3).len(), 1);
    }

    #[test]
    fn halving_ends_at_every_single_event_in_order() {
        let mut pieces = vec![arrivals(&[3, 1, 5])];
        let mut found = Vec::new();
        while let Some(piece) = pieces.pop() {
            match halve(piece) {
                Halves::Two(first, second) => pieces.extend([second, first]),
                Halves::One(lane, event) => found.push(format!("{lane}-{event}")),
            }
        }
        let expected = ["0-0", "0-1", "0-2", "1-0", "2-0", "2-1", "2-2", "2-3", "2-4"];
        assert_eq!(found, expected);
    }
}
