//! Clients that repeat a command under its key, at either instance, until they know what became of it.

use std::sync::Arc;

use inventory::{
    Command, IssueStock, MoveLine, MoveStock, ReceiveStock, RegisterItem, RegisterLocation,
    Request, StockLine,
};
use shared_events::event::Cause;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::values::{Label, LocationCode, Sku};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::writers::Writers;
use super::*;
use crate::log::submission::{
    Decision, IdempotencyKey, Origin, Outcome, Payload, RequestHash, Submission,
};
use crate::log::writer::queue::Queued;

const CLIENTS: usize = 6;

const SKUS: [&str; 4] = ["A", "B", "C", "D"];
const LOCATIONS: [&str; 2] = ["MAIN", "WEST"];

/// Steps after which a client hangs up.
const PATIENCE: u64 = 150;

pub(super) struct Clients {
    slots: Vec<Option<Asked>>,
    done: Vec<Known>,
    /// Commands to ask before all others: they make items and locations.
    beginning: Vec<Command>,
    are_stopping: bool,
    asked: u64,
    pub(super) unknown: usize,
    permits: Arc<Semaphore>,
}

/// A command that was asked and is not known yet.
struct Asked {
    key: u64,
    command: Command,
    /// When it was asked for the first time.
    since: u64,
    answer: Option<(oneshot::Receiver<Outcome>, u64)>,
}

/// A command whose outcome is known.
struct Known {
    key: u64,
    command: Command,
    since: u64,
    until: u64,
    decision: Decision,
}

impl Clients {
    pub(super) fn new() -> Self {
        let item = |sku: &str| {
            Command::RegisterItem(RegisterItem {
                sku: sku.parse().expect("a sku"),
                name: None,
                unit: None,
                scale: None,
                reorder_point: None,
                metadata: None,
                precondition: None,
            })
        };
        let location = |code: &str| {
            Command::RegisterLocation(RegisterLocation {
                code: code.parse().expect("a code"),
                name: None,
                kind: None,
                precondition: None,
            })
        };
        let beginning = SKUS.map(item).into_iter().chain(LOCATIONS.map(location)).collect();
        Self {
            slots: (0..CLIENTS).map(|_| None).collect(),
            done: Vec::new(),
            beginning,
            are_stopping: false,
            asked: 0,
            unknown: 0,
            permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    /// A client asks something new, or once more.
    pub(super) fn ask(
        &mut self,
        rng: &mut SmallRng,
        writers: &mut Writers,
        step: u64,
        faults: bool,
    ) {
        let slot = rng.random_range(0..CLIENTS);
        if self.slots[slot].is_none() && !self.are_stopping {
            let command = match self.beginning.pop() {
                Some(command) => command,
                None => random_command(rng),
            };
            self.asked += 1;
            self.slots[slot] = Some(Asked { key: self.asked, command, since: step, answer: None });
        }
        let Some(asked) = &mut self.slots[slot] else { return };
        let is_late = |since: u64| faults && step - since > PATIENCE;
        if asked.answer.as_ref().is_some_and(|(_, since)| !is_late(*since)) {
            return;
        }
        self.unknown += usize::from(asked.answer.is_some());
        let (answer, answered) = oneshot::channel();
        asked.answer = Some((answered, step));
        let permits = |count| Arc::clone(&self.permits).try_acquire_many_owned(count);
        writers.accept(
            rng.random_range(0..INSTANCES),
            Queued {
                submission: asked.submission(),
                answer,
                slot: None,
                bytes: permits(1).expect("there are many"),
                since: Instant::now(),
                wait_until: None,
            },
        );
    }

    /// Everybody looks whether there is an answer.
    pub(super) fn listen(&mut self, step: u64) {
        for slot in &mut self.slots {
            let Some(asked) = slot else { continue };
            let Some((answer, _)) = &mut asked.answer else { continue };
            match answer.try_recv() {
                Err(TryRecvError::Empty) => {}
                Ok(Outcome::Decided(decision) | Outcome::Replayed(decision)) => {
                    let Some(Asked { key, command, since, .. }) = slot.take() else { continue };
                    self.done.push(Known { key, command, since, until: step, decision });
                }
                Ok(Outcome::KeyReused) => panic!("the key {} is of another request", asked.key),
                Ok(Outcome::NotExecuted(_)) => asked.answer = None,
                Ok(_) | Err(TryRecvError::Closed) => {
                    self.unknown += 1;
                    asked.answer = None;
                }
            }
        }
    }

    /// From now on nothing new is asked.
    pub(super) fn stop(&mut self) {
        self.are_stopping = true;
        // Those whom a writer that crashed did not hear ask once more.
        for asked in self.slots.iter_mut().flatten() {
            asked.answer = None;
        }
    }

    pub(super) fn are_done(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    pub(super) fn waiting(&self) -> String {
        let asked = self.slots.iter().flatten();
        let asked: Vec<String> =
            asked.map(|one| format!("{}: {:?}", one.key, one.command)).collect();
        format!("waiting for {asked:?}")
    }

    pub(super) fn known(&self) -> usize {
        self.done.len()
    }

    pub(super) fn refused(&self) -> usize {
        let refused = |known: &&Known| matches!(known.decision, Decision::Rejected(_));
        self.done.iter().filter(refused).count()
    }

    /// What was answered is in the log, once, in an order that the clients can have seen; what was refused had to
    /// be refused at some moment of its asking.
    pub(super) fn check(&self, database: &Database) {
        let mut of_clients = 0;
        for known in &self.done {
            let correlation = label(known.key);
            let events: Vec<&Arc<RecordedEvent>> =
                database.all().filter(|event| event.correlation_id == correlation).collect();
            of_clients += events.len();
            match &known.decision {
                Decision::Accepted(answered) => {
                    let mut answered: Vec<_> = answered.iter().map(|event| event.id()).collect();
                    answered.sort_unstable();
                    let recorded: Vec<_> = events.iter().map(|event| event.id()).collect();
                    assert_eq!(answered, recorded, "the events of command {}", known.key);
                }
                _ => assert!(events.is_empty(), "command {} was not accepted", known.key),
            }
            for event in &events {
                let committed = database.committed[&(event.lane, event.position)];
                assert!(
                    (known.since..=known.until).contains(&committed),
                    "command {} was asked at {} and answered at {}, but recorded at {committed}",
                    known.key,
                    known.since,
                    known.until
                );
            }
            if let (Decision::Rejected(rejection), Command::IssueStock(issue)) =
                (&known.decision, &known.command)
            {
                let wanted = |of: &StockLine| -> i64 {
                    let same = issue
                        .lines
                        .iter()
                        .filter(|line| (&line.sku, &line.location) == (&of.sku, &of.location));
                    same.map(|line| line.quantity).sum()
                };
                assert!(
                    issue.lines.iter().any(|line| was_short(database, line, wanted(line), known)),
                    "command {} was refused with {rejection:?}, but there was enough all the time",
                    known.key
                );
            }
        }
        assert_eq!(of_clients, database.len(), "an event belongs to no command");
    }
}

/// Whether there was too little for a line, or no item or location, at a moment between question and answer.
fn was_short(database: &Database, line: &StockLine, wanted: i64, known: &Known) -> bool {
    let stream = Stream::Stock(line.sku.clone(), line.location.clone());
    let mut on_hand = 0;
    // What held before the question counts, and each change until the answer.
    let mut least = None;
    for event in database.stream(&stream) {
        let committed = database.committed[&(event.lane, event.position)];
        if committed > known.until {
            break;
        }
        if committed >= known.since {
            least = Some(least.unwrap_or(on_hand).min(on_hand));
        }
        let decoded = event.event().expect("this binary wrote it");
        on_hand = decoded.stock_change().map_or(on_hand, |change| change.after.on_hand);
    }
    let registered = |stream: Stream| {
        let first = database.stream(&stream).next();
        first.is_some_and(|event| database.committed[&(event.lane, event.position)] < known.since)
    };
    least.unwrap_or(on_hand).min(on_hand) < wanted
        || !registered(Stream::Item(line.sku.clone()))
        || !registered(Stream::Location(line.location.clone()))
}

impl Asked {
    fn submission(&self) -> Submission {
        Submission {
            payload: Payload::One(Request { command: self.command.clone(), occurred_at: None }),
            personal: Vec::new(),
            origin: Origin {
                actor: None,
                caller: None,
                correlation_id: label(self.key),
                causation_id: None,
                traceparent: None,
            },
            key: Some(IdempotencyKey {
                caller: label(0),
                key: label(self.key),
                request_hash: RequestHash::of([1; 32]),
            }),
            validate_only: false,
            deadline: Instant::now() + Duration::from_secs(60),
        }
    }
}

fn label(number: u64) -> Label {
    Label::known(&format!("n-{number}"))
}

fn random_command(rng: &mut SmallRng) -> Command {
    let sku = |rng: &mut SmallRng| -> Sku { pick(rng, &SKUS).parse().expect("a sku") };
    let location =
        |rng: &mut SmallRng| -> LocationCode { pick(rng, &LOCATIONS).parse().expect("a code") };
    let line = |rng: &mut SmallRng| StockLine {
        sku: sku(rng),
        location: location(rng),
        quantity: rng.random_range(1..9),
        expected_version: None,
    };
    let cause = Cause::default();
    let count = rng.random_range(1..4);
    match rng.random_range(0..3) {
        0 => {
            let lines = (0..count).map(|_| line(rng)).collect();
            Command::ReceiveStock(ReceiveStock { lines, cause })
        }
        1 => {
            let lines = (0..count).map(|_| line(rng)).collect();
            Command::IssueStock(IssueStock { lines, purpose: None, cause })
        }
        _ => {
            let [from, to] = if rng.random_bool(0.5) { [0, 1] } else { [1, 0] };
            let [from, to] = [from, to].map(|at| LOCATIONS[at].parse().expect("a code"));
            let (sku, quantity) = (sku(rng), rng.random_range(1..5));
            let line = MoveLine { sku, from, to, quantity, expected_version: None };
            Command::MoveStock(MoveStock { lines: vec![line], cause })
        }
    }
}

fn pick<'a>(rng: &mut SmallRng, of: &[&'a str]) -> &'a str {
    of[rng.random_range(0..of.len())]
}
