//! Decides the requests of a batch one after another, each on the state after the one before it.

use std::sync::Arc;

use inventory::{Command, Inventory, Request, decide};
use shared_events::event::Event;
use shared_events::lane::{LaneMap, PositionToken};
use shared_events::recorded::RecordedEvent;
use tokio::time::Instant;

use super::plan::Plan;
use super::sequencer::Sequencer;
use crate::log::append::{Append, NewEvent, NewReversal};
use crate::log::idempotency::{self, KnownOutcomes, StoredOutcome};
use crate::log::reversal::{REVERSED_EVENTS_MAX, Selection};
use crate::log::submission::{
    Decision, NotExecuted, Outcome, Payload, Submission, Unchanged, Verdict,
};
use crate::personal::PersonalData;

/// Decides the requests of one batch.
#[derive(Debug)]
pub(crate) struct Decider {
    lanes: Arc<LaneMap>,
    known: KnownOutcomes,
    decided: Decided,
}

/// The state and the rows of a batch after the requests decided so far.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) inventory: Inventory,
    pub(crate) sequencer: Sequencer,
    pub(crate) events: Vec<Arc<RecordedEvent>>,
    pub(crate) append: Append,
}

impl Decider {
    pub(crate) fn new(
        lanes: Arc<LaneMap>,
        known: KnownOutcomes,
        inventory: Inventory,
        sequencer: Sequencer,
    ) -> Self {
        let decided =
            Decided { inventory, sequencer, events: Vec::new(), append: Append::default() };
        Self { lanes, known, decided }
    }

    pub(crate) fn decided(&mut self) -> &mut Decided {
        &mut self.decided
    }

    pub(crate) fn finish(self) -> Decided {
        self.decided
    }

    /// The outcome that is stored under the request's key, if it was read or decided in this batch. It is
    /// replayed even if the deadline has passed.
    pub(crate) fn stored(&self, submission: &Submission) -> Option<Outcome> {
        submission.stored_key().and_then(|key| self.known.of(key))
    }

    pub(crate) fn decide(&mut self, plan: &Plan, submission: &Submission) -> Outcome {
        if submission.deadline <= Instant::now() {
            return Outcome::NotExecuted(NotExecuted::DeadlinePassed);
        }
        if submission.commands().any(|command| is_too_large(plan, command)) {
            let limit = REVERSED_EVENTS_MAX;
            return Outcome::NotExecuted(NotExecuted::TooManyEvents { limit });
        }
        match &submission.payload {
            Payload::One(request) => self.decide_one(plan, submission, request),
            Payload::Together(requests) => self.decide_together(plan, submission, requests),
        }
    }

    fn decide_one(&mut self, plan: &Plan, submission: &Submission, request: &Request) -> Outcome {
        let decided =
            decide(&self.decided.inventory, request, self.decided.sequencer.recorded_at());
        let decision = match decided {
            Err(rejection) => Decision::Rejected(rejection),
            Ok(events) if submission.validate_only => return Outcome::Valid(events),
            Ok(events) if events.is_empty() => {
                Decision::Unchanged(self.unchanged(plan, submission))
            }
            Ok(events) => {
                let events = self.record(submission, 0, &events);
                let rows = NewEvent::of_command(&events, None, submission.key.as_ref());
                self.decided.append.events.extend(rows);
                Decision::Accepted(events)
            }
        };
        self.store(submission, decision)
    }

    /// Decides all commands on a scratch copy, each after the one before it, and records their events
    /// only if none is rejected.
    fn decide_together(
        &mut self,
        plan: &Plan,
        submission: &Submission,
        requests: &[Request],
    ) -> Outcome {
        let mut scratch = self.scratch(plan, submission);
        let mut verdicts = Vec::with_capacity(requests.len());
        for request in requests {
            let decided = decide(&scratch, request, self.decided.sequencer.recorded_at());
            verdicts.push(match decided {
                Ok(events) => {
                    for event in &events {
                        let now = self.decided.sequencer.recorded_at();
                        scratch.evolve(event, request.time_of(event, now));
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
                for (nth, made) in made.into_iter().enumerate() {
                    events.extend(self.record(submission, nth, made));
                }
                let rows = NewEvent::of_command(&events, Some(&sizes), submission.key.as_ref());
                self.decided.append.events.extend(rows);
                Decision::AcceptedTogether { events, sizes }
            }
        };
        self.store(submission, decision)
    }

    /// A copy of the states that the commands need.
    fn scratch(&self, plan: &Plan, submission: &Submission) -> Inventory {
        let known = &self.decided.inventory;
        let mut scratch = Inventory::default();
        for command in submission.commands() {
            let streams = plan.scratch_streams(command, known);
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

    /// Stores the decision under the request's key, if this kind of decision is stored.
    fn store(&mut self, submission: &Submission, decision: Decision) -> Outcome {
        if let Some(key) = submission.stored_key()
            && idempotency::is_stored(&decision)
        {
            let recorded_at = self.decided.sequencer.recorded_at();
            self.decided.append.outcomes.extend(StoredOutcome::of(key, &decision, recorded_at));
            self.known.remember(key, decision.clone());
        }
        Outcome::Decided(decision)
    }

    /// Folds the events of a submission's nth command, which is accepted, and gives them their positions.
    fn record(
        &mut self,
        submission: &Submission,
        nth: usize,
        events: &[Event],
    ) -> Vec<Arc<RecordedEvent>> {
        let Decided { inventory, sequencer, append, .. } = &mut self.decided;
        let request = &submission.payload.requests()[nth];
        let personal = submission.personal_of(nth);
        append.subject_keys.extend(personal.and_then(PersonalData::key).cloned());
        let personal = personal.and_then(PersonalData::sealed);
        let mut recorded = Vec::with_capacity(events.len());
        for event in events {
            let occurred_at = request.time_of(event, sequencer.recorded_at());
            let version = inventory.evolve(event, occurred_at);
            let lane = self.lanes.lane_of(&event.stream());
            let new =
                sequencer.record(lane, event, version, occurred_at, &submission.origin, personal);
            if let Event::StockReversed(reversed) = event {
                inventory.mark_reversed(reversed.reverses, new.id());
            }
            append.reversals.extend(NewReversal::of(event, new.id()));
            append.deadlines.add(event);
            recorded.push(Arc::new(new));
        }
        self.decided.events.extend(recorded.iter().cloned());
        recorded
    }

    fn unchanged(&self, plan: &Plan, submission: &Submission) -> Unchanged {
        let Decided { inventory, sequencer, .. } = &self.decided;
        let position: PositionToken = submission
            .commands()
            .flat_map(|command| plan.required(command, inventory))
            .map(|stream| self.lanes.lane_of(&stream))
            .map(|lane| (lane, sequencer.position(lane)))
            .collect();
        let reservation = match &submission.payload {
            Payload::One(request) => request.command.reservation(),
            Payload::Together(_) => None,
        };
        Unchanged {
            position,
            recorded_at: sequencer.recorded_at(),
            correlation_id: submission.origin.correlation_id.clone(),
            reservation: reservation
                .and_then(|id| inventory.reservation(id))
                .and_then(|state| state.details.clone()),
        }
    }
}

/// Whether a command would reverse more events than one reversal may.
fn is_too_large(plan: &Plan, command: &Command) -> bool {
    let selection = command.reversal().and_then(|target| plan.selections.get(target));
    matches!(selection, Some(Selection::TooMany))
}
