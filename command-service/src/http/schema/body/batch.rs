//! Several commands in one request.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{
    AdjustmentBody, CancellationBody, ConfirmationBody, CountBody, ExtensionBody, FulfilmentBody,
    IssueBody, ItemBody, LocationBody, MoveBody, ReceiptBody, ReleaseBody, ReservationBody,
    RetirementBody, ReturnBody, ReversalBody,
};
use crate::http::request::Form;

/// Commands that are executed in their order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Batch)]
pub(in crate::http) struct BatchBody {
    #[schema(inline)]
    mode: Mode,
    #[schema(min_items = 1, max_items = 1_000)]
    commands: Vec<BatchCommand>,
}

/// Whether they happen all or not at all, or each for itself.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Atomic,
    Independent,
}

/// A command of a batch: the members of its own request's body, its `type`, and what a request of
/// its own has in path and headers.
#[derive(Deserialize)]
#[serde(transparent)]
pub(in crate::http) struct BatchCommand(Value);

impl ToSchema for BatchCommand {
    fn name() -> Cow<'static, str> {
        "BatchCommand".into()
    }
}

impl PartialSchema for BatchCommand {
    fn schema() -> RefOr<Schema> {
        let commands = OneOfBuilder::new();
        Form::TYPES
            .iter()
            .fold(commands, |commands, (name, form)| commands.item(command(name, *form)))
            .into()
    }
}

fn command(name: &str, form: Form) -> RefOr<Schema> {
    let (body, subject) = described(form);
    let RefOr::T(Schema::Object(mut command)) = body else {
        return body;
    };
    let mut add = |name: &str, schema: ObjectBuilder| {
        command.properties.insert(name.to_owned(), schema.build().into());
    };
    add("type", text().enum_values(Some([name])));
    add("idempotency_key", text().min_length(Some(1)).max_length(Some(255)));
    if form.is_of_one_stream() {
        add("expected_version", ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)));
    }
    for name in subject {
        add(name, text());
        command.required.push((*name).to_owned());
    }
    command.required.push("type".to_owned());
    if form == Form::Reversal {
        // A window is for a request of its own.
        let targets = "What is taken back: one of `event`, `correlation_id` and `reversal`.";
        command.description = Some(targets.to_owned());
        command.properties.remove("window");
        command.properties.remove("dry_run");
    }
    Schema::Object(command).into()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The body of a request of its own, and what its path names.
fn described(form: Form) -> (RefOr<Schema>, &'static [&'static str]) {
    match form {
        Form::Item => (ItemBody::schema(), &["sku"]),
        Form::Location => (LocationBody::schema(), &["code"]),
        Form::Retirement => (RetirementBody::schema(), &["sku"]),
        Form::Receipt => (ReceiptBody::schema(), &[]),
        Form::Issue => (IssueBody::schema(), &[]),
        Form::Adjustment => (AdjustmentBody::schema(), &[]),
        Form::Count => (CountBody::schema(), &["sku", "location"]),
        Form::Move => (MoveBody::schema(), &[]),
        Form::Reservation => (ReservationBody::schema(), &[]),
        Form::Extension => (ExtensionBody::schema(), &["id"]),
        Form::Confirmation => (ConfirmationBody::schema(), &["id"]),
        Form::Release => (ReleaseBody::schema(), &["id"]),
        Form::Cancellation => (CancellationBody::schema(), &["id"]),
        Form::Fulfilment => (FulfilmentBody::schema(), &["id"]),
        Form::Return => (ReturnBody::schema(), &["id"]),
        Form::Reversal => (ReversalBody::schema(), &[]),
    }
}
