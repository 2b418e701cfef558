//! A batch while its requests are decided one after another, each on what the one before it left.

use std::collections::HashSet;
use std::sync::Arc;

use shared_events::event::Event;
use shared_events::lane::{LaneMap, PositionToken};
use shared_events::recorded::RecordedEvent;
use tokio::time::Instant;

use super::append::Append;
use super::batch::{Deferral, Outcomes};
use super::outcomes::{self, KnownOutcomes, Unrecorded};
use super::past::{REVERSED_EVENTS_MAX, Reversals, Selected};
use super::places::Places;
use super::plan::{Admission, Plan};
use super::submission::{
    Asked, Decision, IdempotencyKey, NotExecuted, Outcome, Submission, Unchanged, Verdict,
};
use crate::inventory::{Command, Inventory, Request, decide};

/// The batch while it is decided.
#[derive(Debug)]
pub(super) struct Deciding {
    lanes: Arc<LaneMap>,
    /// The locks of keys that another instance holds.
    busy: HashSet<i64>,
    known: KnownOutcomes,
    decided: Decided,
}

/// What a batch comes to.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) inventory: Inventory,
    pub(super) places: Places,
    pub(super) events: Vec<Arc<RecordedEvent>>,
    pub(super) append: Append,
    pub(super) reversals: Reversals,
}

impl Deciding {
    pub(super) fn new(
        lanes: Arc<LaneMap>,
        busy: HashSet<i64>,
        known: KnownOutcomes,
        inventory: Inventory,
        places: Places,
    ) -> Self {
        let decided = Decided {
            inventory,
            places,
            events: Vec::new(),
            append: Append::default(),
            reversals: Reversals::default(),
        };
        Self { lanes, busy, known, decided }
    }

    /// What is known so far, and where the next events come to stand.
    pub(super) fn decided(&mut self) -> &mut Decided {
        &mut self.decided
    }

    pub(super) fn end(self) -> Decided {
        self.decided
    }

    /// Decides the requests of a planned batch, in the order of arrival.
    pub(super) fn decide_all(&mut self, plan: &Plan, batch: &[&Submission]) -> Outcomes {
        let admitted = batch.iter().zip(&plan.admissions);
        let decided = admitted.map(|(submission, admission)| match admission {
            Admission::Now => self.decide(plan, submission),
            Admission::Later => Err(Deferral::BatchFull),
            Admission::Never { limit } => {
                Ok(Outcome::NotExecuted(NotExecuted::TooLarge { limit: *limit }))
            }
        });
        decided.collect()
    }

    /// Decides the next request.
    pub(super) fn decide(
        &mut self,
        plan: &Plan,
        submission: &Submission,
    ) -> Result<Outcome, Deferral> {
        // A key that was decided is answered from, however late: what was done is not called undone.
        let key = submission.stored_key();
        if let Some(outcome) = key.and_then(|key| self.known.of(key)) {
            return Ok(outcome);
        }
        if submission.deadline <= Instant::now() {
            return Ok(Outcome::NotExecuted(NotExecuted::DeadlinePassed));
        }
        if key.is_some_and(|key| self.is_busy(key)) {
            return Err(Deferral::KeyBusy);
        }
        if submission.commands().any(|command| is_too_large(plan, command)) {
            let limit = REVERSED_EVENTS_MAX;
            return Ok(Outcome::NotExecuted(NotExecuted::TooManyEvents { limit }));
        }
        let known = &self.decided.inventory;
        if !submission.commands().all(|command| plan.covers(command, known)) {
            return Err(Deferral::LanesMissing);
        }
        Ok(match &submission.asked {
            Asked::One(request) => self.decide_one(plan, submission, request),
            Asked::Together(requests) => self.decide_together(plan, submission, requests),
        })
    }

    /// Whether another instance holds the lock of a key. Nearly always none is held.
    fn is_busy(&self, key: &IdempotencyKey) -> bool {
        !self.busy.is_empty() && self.busy.contains(&outcomes::lock_number(key))
    }

    fn decide_one(&mut self, plan: &Plan, submission: &Submission, request: &Request) -> Outcome {
        let decided = decide(&self.decided.inventory, request, self.decided.places.recorded_at());
        let decision = match decided {
            Err(rejection) => Decision::Rejected(rejection),
            Ok(events) if submission.validate_only => return Outcome::Valid(events),
            Ok(events) if events.is_empty() => {
                Decision::Unchanged(self.unchanged(plan, submission))
            }
            Ok(events) => {
                let events = self.place(submission, request, &events);
                self.decided.append.events.add(&events, submission.key.as_ref());
                Decision::Accepted(events)
            }
        };
        self.conclude(submission, decision)
    }

    /// All or none: each is decided on a copy of what it touches, with what the ones before it would
    /// leave; only when none is refused does any of it happen.
    fn decide_together(
        &mut self,
        plan: &Plan,
        submission: &Submission,
        requests: &[Request],
    ) -> Outcome {
        let mut scratch = self.scratch(plan, submission);
        let mut verdicts = Vec::with_capacity(requests.len());
        for request in requests {
            let decided = decide(&scratch, request, self.decided.places.recorded_at());
            verdicts.push(match decided {
                Ok(events) => {
                    for event in &events {
                        scratch.evolve(event);
                    }
                    Verdict::Possible(events)
                }
                Err(rejection) => Verdict::Refused(rejection),
            });
        }
        let possible: Option<Vec<&Vec<Event>>> = verdicts.iter().map(Verdict::events).collect();
        let decision = match possible {
            None => Decision::RefusedTogether(verdicts),
            Some(made) if submission.validate_only => {
                return Outcome::ValidTogether(made.into_iter().cloned().collect());
            }
            Some(made) if made.iter().all(|events| events.is_empty()) => {
                Decision::Unchanged(self.unchanged(plan, submission))
            }
            Some(made) => {
                let sizes: Vec<usize> = made.iter().map(|events| events.len()).collect();
                let mut events = Vec::with_capacity(sizes.iter().sum());
                for (request, made) in requests.iter().zip(made) {
                    events.extend(self.place(submission, request, made));
                }
                let key = submission.key.as_ref();
                self.decided.append.events.add_together(&events, &sizes, key);
                Decision::AcceptedTogether { events, sizes }
            }
        };
        self.conclude(submission, decision)
    }

    /// A copy of what the commands touch.
    fn scratch(&self, plan: &Plan, submission: &Submission) -> Inventory {
        let known = &self.decided.inventory;
        let mut scratch = Inventory::default();
        for command in submission.commands() {
            let streams = plan.touched(command, known);
            for state in streams.filter_map(|stream| known.state(&stream)) {
                scratch.insert(state);
            }
            if let Some(sku) = command.item_everywhere() {
                scratch.copy_stock_everywhere(known, sku);
            }
            if let Some(target) = command.reversal() {
                scratch.copy_selection(known, target);
            }
        }
        scratch
    }

    /// Stores the decision with its key, if it is one that is stored.
    fn conclude(&mut self, submission: &Submission, decision: Decision) -> Outcome {
        if let Some(key) = submission.stored_key()
            && outcomes::is_stored(&decision)
        {
            self.decided.append.outcomes.extend(Unrecorded::of(key, &decision));
            self.known.remember(key, decision.clone());
        }
        Outcome::Decided(decision)
    }

    /// Folds the events of an accepted command and gives them their places.
    fn place(
        &mut self,
        submission: &Submission,
        request: &Request,
        events: &[Event],
    ) -> Vec<Arc<RecordedEvent>> {
        let Decided { inventory, places, append, reversals, .. } = &mut self.decided;
        let mut recorded = Vec::with_capacity(events.len());
        for event in events {
            let version = inventory.evolve(event);
            let lane = self.lanes.lane_of(&event.stream());
            let occurred_at = event.own_time().or(request.occurred_at);
            let placed = places.place(lane, event, version, occurred_at, &submission.origin);
            if let Event::StockReversed(reversed) = event {
                inventory.mark_reversed(reversed.reverses, placed.id());
            }
            reversals.add(event, placed.id());
            append.deadlines.add(event);
            recorded.push(Arc::new(placed));
        }
        self.decided.events.extend(recorded.iter().cloned());
        recorded
    }

    fn unchanged(&self, plan: &Plan, submission: &Submission) -> Unchanged {
        let Decided { inventory, places, .. } = &self.decided;
        let position: PositionToken = submission
            .commands()
            .flat_map(|command| plan.required(command, inventory))
            .map(|stream| self.lanes.lane_of(&stream))
            .map(|lane| (lane, places.head(lane).position))
            .collect();
        let reservation = match &submission.asked {
            Asked::One(request) => request.command.reservation(),
            Asked::Together(_) => None,
        };
        Unchanged {
            position,
            recorded_at: places.recorded_at(),
            correlation_id: submission.origin.correlation_id.clone(),
            reservation: reservation
                .and_then(|id| inventory.reservation(id))
                .and_then(|state| state.details.clone()),
        }
    }
}

/// Whether a command takes back more than one reversal may.
fn is_too_large(plan: &Plan, command: &Command) -> bool {
    let selected = command.reversal().and_then(|target| plan.reversals.get(target));
    matches!(selected, Some(Selected::TooMany))
}
