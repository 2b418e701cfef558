//! A request for several commands, each as it would be read alone.

use axum::extract::Request;
use shared_events::values::Label;

use super::address::Address;
use super::command::Form;
use super::reader::{Faults, Members, Place};
use super::value::{key, word};
use super::{Arrived, CommandConfig, Problem, Said, body, fingerprint, idempotency_key};
use crate::inventory;
use crate::log::submission::{Asked, Submission};

/// Commands that one batch may have.
const COMMANDS_MAX: usize = 1_000;

const MODES: [(&str, Mode); 2] = [("atomic", Mode::Atomic), ("independent", Mode::Independent)];

/// What the commands of a batch have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Atomic,
    Independent,
}

/// What is asked.
#[derive(Debug)]
pub(in crate::http) enum Batch {
    /// All of it or nothing.
    Atomic(Box<Submission>),
    /// Each for itself.
    Independent {
        /// In this order.
        submissions: Vec<Submission>,
        /// What all of them belong to.
        correlation_id: Label,
    },
}

/// Reads a batch whole.
///
/// # Errors
/// The problem to answer it with. What is wrong with the values of all commands is told at once.
pub(in crate::http) async fn read_batch(
    request: Request,
    config: &CommandConfig,
) -> Result<Batch, Problem> {
    let arrived = Arrived::within(request, false, body::BATCH_BYTES_MAX, config).await?;
    parse(&arrived, config.require_key)
}

/// The part without waiting.
pub(super) fn parse(arrived: &Arrived, require_key: bool) -> Result<Batch, Problem> {
    let value = arrived.json()?;
    if value["commands"].as_array().is_some_and(|commands| commands.len() > COMMANDS_MAX) {
        return Err(Problem::batch_too_large(COMMANDS_MAX));
    }
    let mut faults = Faults::default();
    let said = arrived.said(false, &mut faults);
    let mut mode = None;
    let batch = Members::read(Place::Root, value, &mut faults, |batch| {
        mode = batch.required("mode", word(&MODES));
        let commands = batch.list("commands", COMMANDS_MAX, |command| entry(mode, command));
        Some((mode?, commands?))
    });
    if said.key.is_some() && mode == Some(Mode::Independent) {
        let header = Place::Member(&Place::Root, "Idempotency-Key");
        faults.note(header, "is for atomic batches; name idempotency_key in each command");
    }
    let faults = faults.into_vec();
    match batch {
        Some((mode, commands)) if faults.is_empty() => match mode {
            Mode::Atomic => atomic(arrived, commands, said, require_key),
            Mode::Independent => independent(arrived, commands, said, require_key),
        },
        _ => Err(Problem::validation_failed(faults)),
    }
}

/// A command of a batch.
#[derive(Debug)]
struct Entry {
    request: inventory::Request,
    /// The command's own key, with the hash of what it may be repeated with.
    key: Option<(Label, [u8; 32])>,
}

fn entry(mode: Option<Mode>, command: &mut Members<'_>) -> Option<Entry> {
    let key = own_key(mode, command);
    let Some(form) = command.required("type", word(&Form::TYPES)) else {
        // Which other members it should have follows from its type.
        command.pass_over_rest();
        return None;
    };
    let request = form.read(Address::Batch, command)?;
    Some(Entry { request, key })
}

fn own_key(mode: Option<Mode>, command: &mut Members<'_>) -> Option<(Label, [u8; 32])> {
    const NAME: &str = "idempotency_key";
    if mode == Some(Mode::Atomic) && command.has(NAME) {
        command.note(NAME, "is for independent batches; an atomic one has a header");
    }
    let key = command.optional(NAME, key)?;
    Some((key, fingerprint::of_command(command.left())))
}

fn atomic(
    arrived: &Arrived,
    commands: Vec<Entry>,
    said: Said,
    require_key: bool,
) -> Result<Batch, Problem> {
    if require_key && said.key.is_none() {
        return Err(Problem::key_missing("the header Idempotency-Key"));
    }
    let requests = commands.into_iter().map(|command| command.request).collect();
    Ok(Batch::Atomic(Box::new(arrived.submission(Asked::Together(requests), said))))
}

fn independent(
    arrived: &Arrived,
    commands: Vec<Entry>,
    said: Said,
    require_key: bool,
) -> Result<Batch, Problem> {
    if require_key && commands.iter().any(|command| command.key.is_none()) {
        return Err(Problem::key_missing("the `idempotency_key` of each"));
    }
    let submission = |command: Entry| Submission {
        asked: Asked::One(command.request),
        origin: said.origin.clone(),
        key: command.key.map(|(key, hash)| idempotency_key(key, hash)),
        validate_only: said.validate_only,
        deadline: arrived.deadline,
    };
    let submissions = commands.into_iter().map(submission).collect();
    Ok(Batch::Independent { submissions, correlation_id: said.origin.correlation_id })
}
