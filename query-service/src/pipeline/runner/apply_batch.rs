//! From arrivals to committed rows, and what happens when a commit fails.

use std::time::Duration;

use service_edge::outage::Outage;
use service_edge::retry::{Backoff, Stopping};
use service_edge::traces::{Span, SpanKind, Work};
use shared_events::lane::Lane;
use shared_events::recorded::RecordedEvent;
use shared_events::values::Label;
use tokio::time::Instant;

use crate::config;
use crate::metrics;
use crate::pipeline::apply::{self, ApplyError};
use crate::pipeline::plan::{Advance, Arrivals, Plan, Stop, plan};
use crate::pipeline::runner::ProjectionRunner;

/// Time for a transaction beyond the timeout of one statement.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);

/// Batches of so many events are partitioned among writers; for fewer, one commit is faster.
const PARTITION_EVENTS_MIN: usize = 1_000;

impl ProjectionRunner {
    /// Applies a batch. If the database refuses it, bisects it down to the one refused event, so that
    /// all other lanes continue.
    pub(super) async fn apply_batch(&mut self, arrivals: Arrivals) -> Result<(), Stopping> {
        let mut pieces = self.apply_partitions(arrivals).await?;
        while let Some(mut piece) = pieces.pop() {
            piece.retain(|lane, _| !self.stopped.contains_key(lane));
            let Some(refusal) = self.apply_in_one_transaction(&piece).await? else {
                continue;
            };
            match bisect(piece) {
                Halves::Two(first, second) => pieces.extend([second, first]),
                Halves::One(lane, event) => {
                    let error = refusal;
                    self.stop_lane(lane, Stop { event, error }).await?;
                }
            }
        }
        Ok(())
    }

    /// Applies a large batch in concurrent transactions, each with separate lanes. Returns the partitions
    /// that failed, to be retried one after the other.
    async fn apply_partitions(&mut self, arrivals: Arrivals) -> Result<Vec<Arrivals>, Stopping> {
        let writers = config::count(self.context.config.projection.projection_writers);
        if writers == 1 || arrivals.values().map(Vec::len).sum::<usize>() < PARTITION_EVENTS_MIN {
            return Ok(vec![arrivals]);
        }
        let partitions = partition(arrivals, writers);
        let mut plans: Vec<Plan> = partitions.iter().map(|one| self.plan(one)).collect();
        let writes = plans.iter_mut().map(|plan| self.write_without_new_gaps(plan));
        let began = Instant::now();
        let outcomes = futures::future::join_all(writes).await;
        let mut failed = Vec::new();
        for ((partition, plan), outcome) in partitions.into_iter().zip(plans).zip(outcomes) {
            match outcome {
                Ok(()) => {
                    self.trace(&partition, &plan, began);
                    self.after_commit(plan).await?;
                }
                Err(error) => {
                    self.in_doubt |= matches!(error, ApplyError::Unavailable(_));
                    tracing::info!(%error, "a partition of a batch is retried");
                    failed.push(partition);
                }
            }
        }
        Ok(failed)
    }

    fn plan(&self, arrivals: &Arrivals) -> Plan {
        let projection = self.context.projection.projection();
        plan(projection, &self.checkpoints, &self.context.lane_map, arrivals)
    }

    fn has_new_gaps(&self, plan: &Plan) -> bool {
        plan.gaps.keys().any(|lane| !self.fetching.contains_key(lane))
    }

    async fn write_without_new_gaps(&self, plan: &mut Plan) -> Result<(), ApplyError> {
        if self.has_new_gaps(plan) { Err(ApplyError::Moved) } else { self.write(plan).await }
    }

    /// Returns the error of the database if it refused the batch.
    async fn apply_in_one_transaction(
        &mut self,
        arrivals: &Arrivals,
    ) -> Result<Option<String>, Stopping> {
        let mut backoff = Backoff::up_to(self.context.config.projection.retry_pause_max_ms.0);
        let outage = Outage::none();
        let mut is_fresh = false;
        loop {
            // 1. Compare with the checkpoints and fold. A gap may only mean that another instance
            //    applied these lanes, so reload once before believing it.
            let mut plan = self.plan(arrivals);
            if !is_fresh && self.has_new_gaps(&plan) {
                self.reload().await?;
                is_fresh = true;
                continue;
            }
            // 2. Write rows and checkpoints.
            let began = Instant::now();
            match self.write(&mut plan).await {
                Ok(()) => {
                    self.trace(arrivals, &plan, began);
                    self.in_doubt = false;
                    if outage.is_over() {
                        tracing::info!("events are applied again");
                    }
                    self.context.progress.set_trouble(None);
                    return self.after_commit(plan).await.map(|()| None);
                }
                Err(ApplyError::Refused(error)) => return Ok(Some(error)),
                Err(ApplyError::Moved) => {
                    self.in_doubt = false;
                    tracing::info!("another instance applies these lanes");
                    self.reload().await?;
                }
                Err(ApplyError::Unavailable(error)) => {
                    self.in_doubt = true;
                    if let Some(failures) = outage.failed() {
                        tracing::warn!(error, failures, "nothing can be applied, trying again");
                    }
                    self.context.progress.set_trouble(Some(error.clone()));
                    backoff.pause(&self.context.stop).await?;
                    self.reload().await?;
                    self.context.progress.set_trouble(Some(error));
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
        let projection = self.context.projection;
        apply::apply(
            &self.context.pool,
            projection,
            self.context.progress.memory(),
            plan.advances.clone(),
            std::mem::replace(&mut plan.changes, projection.projection().new_changes()),
            self.context.config.projection.apply_timeout_ms.0 + ANSWER_MARGIN,
        )
        .await?;
        metrics::batch_applied(self.context.projection, plan.applied, started.elapsed());
        Ok(())
    }

    /// Shows what was applied in the traces of the commands.
    fn trace(&self, arrivals: &Arrivals, plan: &Plan, began: Instant) {
        let work = || Work {
            name: format!("apply {}", self.context.projection.schema()).into(),
            kind: SpanKind::Consumer,
            since: Some(began.into_std()),
        };
        for Advance { lane, before, after, .. } in &plan.advances {
            let facts = arrivals[lane].iter().filter_map(|one| one.content.as_ref().ok());
            let applied = |event: &&RecordedEvent| {
                event.position > *before && event.position <= after.position
            };
            for event in facts.map(|fact| &fact.recorded).filter(applied) {
                let traceparent = event.traceparent.as_ref().map(Label::as_str);
                if let Some(mut span) = Span::below(traceparent, work) {
                    span.note("messaging.message.id", event.id().to_string());
                }
            }
        }
    }

    /// Publishes the new positions and handles the gaps and stops of the plan.
    async fn after_commit(&mut self, plan: Plan) -> Result<(), Stopping> {
        metrics::duplicates_dropped(self.context.projection, plan.duplicates);
        for advance in &plan.advances {
            self.checkpoints.insert(advance.lane, advance.after);
        }
        let reached = |advance: &Advance| (advance.lane, advance.after.position);
        // First, because memory answers only as of what nobody was known to be beyond.
        self.context.progress.memory().applied(plan.advances.iter().map(reached));
        self.context.progress.raise(plan.advances.iter().map(reached));
        self.context.subscription.offsets.send_if_modified(|offsets| {
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

/// Distributes the lanes of a batch among writers, with about as many events for each.
fn partition(arrivals: Arrivals, writers: usize) -> Vec<Arrivals> {
    let mut partitions: Vec<(usize, Arrivals)> = Vec::new();
    partitions.resize_with(writers, Default::default);
    let mut lanes: Vec<_> = arrivals.into_iter().collect();
    lanes.sort_by_key(|(_, events)| std::cmp::Reverse(events.len()));
    for (lane, events) in lanes {
        let (count, partition) =
            partitions.iter_mut().min_by_key(|(count, _)| *count).expect("there is a writer");
        *count += events.len();
        partition.insert(lane, events);
    }
    partitions.into_iter().map(|(_, one)| one).filter(|one| !one.is_empty()).collect()
}

/// A batch cut in two, to be applied in this order; or the one event that is left.
enum Halves {
    Two(Arrivals, Arrivals),
    One(Lane, String),
}

/// Cuts between lanes while there are several, then between events.
fn bisect(mut arrivals: Arrivals) -> Halves {
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
    Halves::One(lane, events.first().map_or_else(String::new, |event| event.name()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::pipeline::delivery::{Arrival, Unreadable};

    fn arrivals(counts: &[usize]) -> Arrivals {
        let arrival = |lane, place: usize| Arrival {
            lane,
            next_offset: None,
            content: Err(Unreadable { place: place.to_string(), error: String::new() }),
        };
        let lanes = (0..).map(Lane).zip(counts);
        lanes
            .map(|(lane, count)| {
                (lane, (0..*count).map(|at| Arc::new(arrival(lane, at))).collect())
            })
            .collect()
    }

    #[test]
    fn lanes_are_partitioned_whole_and_evenly() {
        let partitions = partition(arrivals(&[3, 1, 5, 3, 0]), 3);
        let mut counts: Vec<usize> =
            partitions.iter().map(|one| one.values().map(Vec::len).sum()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [3, 4, 5]);
        assert_eq!(partitions.iter().map(|one| one.len()).sum::<usize>(), 5);
        assert_eq!(partition(arrivals(&[7]), 3).len(), 1);
    }

    #[test]
    fn bisecting_ends_at_every_single_event_in_order() {
        let mut pieces = vec![arrivals(&[3, 1, 5])];
        let mut found = Vec::new();
        while let Some(piece) = pieces.pop() {
            match bisect(piece) {
                Halves::Two(first, second) => pieces.extend([second, first]),
                Halves::One(lane, event) => found.push(format!("{lane}-{event}")),
            }
        }
        let expected = ["0-0", "0-1", "0-2", "1-0", "2-0", "2-1", "2-2", "2-3", "2-4"];
        assert_eq!(found, expected);
    }
}
