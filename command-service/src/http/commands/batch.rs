//! Several commands in one request.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde::de::{Deserialize as _, Deserializer};
use serde_json::{Map, Value};
use service_edge::sign_in::scope::Scope;
use shared_events::lane::Version;
use shared_events::values::Label;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{OneOfBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::reversal::Reverse;
use super::{BATCH_TYPES, Command, CommandParameters, CommandPath, refused, submit};
use crate::http::AppState;
use crate::http::answer::Executed;
use crate::http::answer::batch::{independent, together};
use crate::http::json::values::{Key, List, one_of, words};
use crate::http::json::{
    Fault, Faults, JsonPointer, Member, Object, Schemas, Strict, object, object_schema, read_tree,
};
use crate::http::openapi::CommandProblems;
use crate::http::problem::Problem;
use crate::http::request::{BATCH_BODY_BYTES_MAX, CommandKey, IncomingRequest, RequestMetadata};
use crate::inventory::{self, Precondition};
use crate::log::submission::{Payload, Submission};
use crate::personal::{Clear, PersonalData};

const COMMANDS_MAX: usize = 1_000;

/// Commands of one independent batch that may wait in the writer's queue together. Enough to fill
/// one of its transactions, and few enough to leave room for other requests.
const WAITING_MAX: usize = 256;

/// How the commands of a batch depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Atomic,
    Independent,
}

words! { Mode { "atomic" => Mode::Atomic, "independent" => Mode::Independent, } }

object! {
    /// Commands that are executed in their order.
    pub(crate) struct Batch {
        /// Whether all happen or none (`atomic`), or each for itself (`independent`).
        mode: Mode,
        commands: List<BatchCommand, COMMANDS_MAX>,
    }
    check Batch::can_happen_together
}

impl Batch {
    /// Finds what only a batch of commands that happen together refuses as a whole.
    fn can_happen_together(&self, at: JsonPointer<'_>, faults: &mut Faults) {
        if self.mode == Mode::Independent {
            return;
        }
        let commands = at.member("commands");
        for (index, BatchCommand(command)) in self.commands.0.iter().enumerate() {
            let at = commands.item(index);
            match command {
                Ok(ReadCommand { key: Some(_), .. }) => {
                    let message = "is for independent batches; an atomic one has a header";
                    faults.add(at.member("idempotency_key"), message);
                }
                Ok(ReadCommand { key: None, .. }) => {}
                // Each is found again, with its place, before this is asked of a tree.
                Err(_) => faults.add(at, "has faults"),
            }
        }
    }
}

/// A command of a batch: its `type`, the members of its body, and what a separate request has in its
/// path and headers. One with faults does not concern the others of an independent batch.
#[derive(Debug)]
pub(crate) struct BatchCommand(Result<ReadCommand, Vec<Fault>>);

#[derive(Debug)]
struct ReadCommand {
    request: inventory::Request,
    personal: Option<Clear>,
    scope: Scope,
    key: Option<CommandKey>,
}

impl ReadCommand {
    fn parse(command: Value, at: JsonPointer<'_>, faults: &mut Faults) -> Option<Self> {
        let Value::Object(mut members) = command else {
            faults.add(at, "must be an object");
            return None;
        };
        let before = faults.len();
        let key = take::<Key>(&mut members, "idempotency_key", at, faults);
        let key = key.map(|Key(key)| CommandKey::new(key, &members));
        let Some(name) = members.remove("type") else {
            faults.add(at.member("type"), Fault::MISSING);
            return None;
        };
        let Some((_, batch_type)) = BATCH_TYPES.iter().find(|(known, _)| name == *known) else {
            // Its other members depend on the type, so they are not looked at.
            let known: Vec<&str> = BATCH_TYPES.iter().map(|(name, _)| *name).collect();
            faults.add(at.member("type"), format_args!("must be one of {}", known.join(", ")));
            return None;
        };
        let (request, personal) = (batch_type.read)(members, at, faults)?;
        let scope = batch_type.scope;
        (faults.len() == before).then_some(Self { request, personal, scope, key })
    }
}

impl Member for BatchCommand {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As a tree: the fingerprint is that of the members in order of their names.
        let Strict(command) = Strict::deserialize(deserializer)?;
        let mut faults = Faults::default();
        let read = ReadCommand::parse(command, JsonPointer::Root, &mut faults);
        Ok(Self(read.ok_or_else(|| faults.into_vec())))
    }

    fn schema() -> RefOr<Schema> {
        let schemas = BATCH_TYPES.iter().map(|(name, batch_type)| (batch_type.schema)(name));
        schemas.fold(OneOfBuilder::new(), OneOfBuilder::item).into()
    }

    fn add_schemas(schemas: &mut Schemas) {
        BATCH_TYPES.iter().for_each(|(_, batch_type)| (batch_type.add_schemas)(schemas));
    }

    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        ReadCommand::parse(value.clone(), at, faults);
    }
}

impl PartialSchema for BatchCommand {
    fn schema() -> RefOr<Schema> {
        <Self as Member>::schema()
    }
}

impl ToSchema for BatchCommand {
    fn name() -> Cow<'static, str> {
        "BatchCommand".into()
    }
}

fn take<T: Member>(
    members: &mut Map<String, Value>,
    name: &str,
    at: JsonPointer<'_>,
    faults: &mut Faults,
) -> Option<T> {
    let value = members.remove(name)?;
    read_tree(&value, at.member(name), faults)
}

/// A type of command in a batch.
#[derive(Debug)]
pub(crate) struct BatchType {
    /// What the command needs of a credential, in a batch as alone.
    scope: Scope,
    read: fn(Map<String, Value>, JsonPointer<'_>, &mut Faults) -> Option<ReadBody>,
    schema: fn(&str) -> RefOr<Schema>,
    add_schemas: fn(&mut Schemas),
}

impl BatchType {
    pub(crate) const fn of<C: Command>(scope: Scope) -> Self {
        let add_schemas = <C as Member>::add_schemas;
        Self { scope, read: read::<C>, schema: schema::<C>, add_schemas }
    }
}

/// A command, and the personal data that came with it.
type ReadBody = (inventory::Request, Option<Clear>);

/// Reads the members of a path and of a body, which a batch has in one object.
fn read<C: Command>(
    mut members: Map<String, Value>,
    at: JsonPointer<'_>,
    faults: &mut Faults,
) -> Option<ReadBody> {
    let names = C::Path::MEMBERS.iter().filter_map(|member| members.remove_entry(member.name()));
    let path = Value::Object(names.collect());
    let path = read_tree::<C::Path>(&path, at, faults);
    let expected_version = if C::Path::NAMES_A_STREAM {
        take::<Version>(&mut members, "expected_version", at, faults)
    } else {
        None
    };
    let precondition = expected_version.map(Precondition::Version);
    let body = read_tree::<C>(&Value::Object(members), at, faults);
    let mut body = body?;
    let personal = body.take_personal();
    Some((body.into_request(path?, precondition), personal))
}

fn schema<C: Command>(name: &str) -> RefOr<Schema> {
    let mut command = object_schema::<C>();
    let path = object_schema::<C::Path>();
    command.properties.extend(path.properties);
    command.required.extend(path.required);
    if C::Path::NAMES_A_STREAM {
        command.properties.insert("expected_version".to_owned(), Version::schema());
    }
    command.properties.insert("idempotency_key".to_owned(), Key::schema());
    command.properties.insert("type".to_owned(), one_of(&[name]).into());
    command.required.push("type".to_owned());
    Schema::Object(command).into()
}

/// Batch: several commands, all or none (`atomic`) or each for itself (`independent`), in order.
#[utoipa::path(
    post, path = "/v1/batches", tag = "commands",
    params(CommandParameters::<Reverse>),
    request_body = Batch,
    responses(Executed, CommandProblems),
)]
pub(crate) async fn execute_batch(State(app): State<Arc<AppState>>, request: Request) -> Response {
    if let Some(problem) = app.overload() {
        return problem.into_response();
    }
    match app.read_batch(request).await {
        Ok(batch) => app.execute_batch(batch).await.unwrap_or_else(IntoResponse::into_response),
        Err(problem) => problem.into_response(),
    }
}

/// A batch for the writer.
#[derive(Debug)]
pub(super) enum BatchSubmission {
    Atomic(Box<Submission>),
    Independent { submissions: Vec<Result<Submission, Problem>>, correlation_id: Label },
}

pub(super) fn parse(
    incoming: &IncomingRequest,
    require_key: bool,
) -> Result<BatchSubmission, Problem> {
    let mut faults = Faults::default();
    let metadata = incoming.metadata(false, &mut faults);
    let batch = incoming.body::<Batch>(&mut faults)?;
    let mode = match &batch {
        Ok(batch) => Some(batch.mode),
        Err(tree) if tree["commands"].as_array().is_some_and(|list| list.len() > COMMANDS_MAX) => {
            return Err(Problem::batch_too_large(COMMANDS_MAX));
        }
        Err(tree) => Mode::read(&tree["mode"]).ok(),
    };
    if metadata.key.is_some() && mode == Some(Mode::Independent) {
        let message = "is for atomic batches; name idempotency_key in each command";
        faults.add(JsonPointer::Root.member("Idempotency-Key"), message);
    }
    match batch {
        Ok(Batch { mode, commands }) if faults.is_empty() => {
            require_scopes(incoming, &commands.0)?;
            match mode {
                Mode::Atomic => atomic(incoming, commands.0, metadata, require_key),
                Mode::Independent => independently(incoming, commands.0, metadata, require_key),
            }
        }
        _ => Err(Problem::validation_failed(faults.into_vec())),
    }
}

/// A batch needs the scope of each of its commands.
fn require_scopes(incoming: &IncomingRequest, commands: &[BatchCommand]) -> Result<(), Problem> {
    let Some(signed_in) = incoming.signed_in() else { return Ok(()) };
    for command in commands.iter().filter_map(|BatchCommand(command)| command.as_ref().ok()) {
        signed_in.require(command.scope)?;
    }
    Ok(())
}

fn atomic(
    incoming: &IncomingRequest,
    commands: Vec<BatchCommand>,
    metadata: RequestMetadata,
    require_key: bool,
) -> Result<BatchSubmission, Problem> {
    if require_key && metadata.key.is_none() {
        return Err(Problem::key_missing("the header Idempotency-Key"));
    }
    let commands = commands.into_iter().map(|BatchCommand(command)| command);
    let commands: Result<Vec<ReadCommand>, Vec<Fault>> = commands.collect();
    let commands = commands.map_err(Problem::validation_failed)?;
    let has_personal = commands.iter().any(|command| command.personal.is_some());
    let (requests, mut personal): (_, Vec<_>) = commands
        .into_iter()
        .map(|command| (command.request, command.personal.map(PersonalData::new)))
        .unzip();
    if !has_personal {
        personal.clear();
    }
    let submission = incoming.submission(Payload::Together(requests), personal, metadata);
    Ok(BatchSubmission::Atomic(Box::new(submission)))
}

fn independently(
    incoming: &IncomingRequest,
    commands: Vec<BatchCommand>,
    metadata: RequestMetadata,
    require_key: bool,
) -> Result<BatchSubmission, Problem> {
    let lacks_key = |BatchCommand(command): &BatchCommand| {
        command.as_ref().is_ok_and(|command| command.key.is_none())
    };
    if require_key && commands.iter().any(lacks_key) {
        return Err(Problem::key_missing("the `idempotency_key` of each"));
    }
    let submission = |BatchCommand(command)| {
        let command: ReadCommand = command.map_err(refused)?;
        Ok(Submission {
            payload: Payload::One(command.request),
            personal: command.personal.map(PersonalData::new).map(Some).into_iter().collect(),
            origin: metadata.origin.clone(),
            key: command.key.map(|key| incoming.key_of_command(key)),
            validate_only: metadata.validate_only,
            deadline: incoming.deadline(),
        })
    };
    let submissions = commands.into_iter().map(submission).collect();
    let correlation_id = metadata.origin.correlation_id.clone();
    Ok(BatchSubmission::Independent { submissions, correlation_id })
}

impl AppState {
    async fn read_batch(&self, request: Request) -> Result<BatchSubmission, Problem> {
        let incoming = IncomingRequest::receive(request, false, BATCH_BODY_BYTES_MAX, &self.config);
        let incoming = incoming.await?;
        let batch = parse(&incoming, self.config.require_key)?;
        let signed_in = incoming.signed_in();
        match &batch {
            BatchSubmission::Atomic(submission) => {
                self.permit(signed_in, submission.payload.requests()).await?;
            }
            BatchSubmission::Independent { submissions, .. } => {
                for submission in submissions.iter().flatten() {
                    self.permit(signed_in, submission.payload.requests()).await?;
                }
            }
        }
        Ok(batch)
    }

    async fn execute_batch(&self, batch: BatchSubmission) -> Result<Response, Problem> {
        let writer = self.writer()?;
        let until = self.answer_by();
        Ok(match batch {
            BatchSubmission::Atomic(submission) => {
                let commands = submission.payload.requests().len();
                let correlation_id = submission.origin.correlation_id.clone();
                let outcome = submit(&writer, *submission, until).await;
                together(outcome, commands, &correlation_id)
            }
            BatchSubmission::Independent { submissions, correlation_id } => {
                // `buffered` polls them in their order, so they are queued in it. If the client
                // hangs up, those that were not queued yet are dropped.
                let waits = submissions.into_iter().map(async |one| match one {
                    Ok(one) => Ok(submit(&writer, one, until).await),
                    Err(problem) => Err(problem),
                });
                let outcomes = stream::iter(waits).buffered(WAITING_MAX).collect().await;
                independent(outcomes, &correlation_id)
            }
        })
    }
}
