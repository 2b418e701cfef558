//! Orders: processes over Stockbook and a payment service.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value};
use shared_events::order::{OrderLine, OrderPolicy};
use shared_events::payment::{DETAILS_BYTES_MAX, PaymentDetails};
use shared_events::slot::slot_of;
use shared_events::values::{Label, LocationCode, OrderId, Sku};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use uuid::Uuid;

use super::{Command, CommandPath, NoPath};
use crate::http::json::numbers::{Quantity, TtlSeconds, WaitSeconds};
use crate::http::json::values::{List, cause, words};
use crate::http::json::{Faults, JsonPointer, Member, Schemas, object};
use crate::http::problem::{Code, Problem};
use crate::inventory::{self, OrderChange, Precondition, Request};

object! {
    /// An order's path.
    pub(crate) struct OrderPath {
        /// As it was answered when the order was placed.
        id: OrderId,
    }
}

impl CommandPath for OrderPath {
    /// The service makes these ids, so any other is the name of an order that does not exist.
    fn unknown(names: &Value) -> Option<Problem> {
        let id = names["id"].as_str().unwrap_or("\u{fffd}");
        let detail = format!("no order {id} exists");
        Some(Problem::missing(Code::UnknownOrder, detail, id))
    }
}

words! { OrderPolicy {
    "all" => OrderPolicy::All, "partial" => OrderPolicy::Partial, "wait" => OrderPolicy::Wait,
} }

impl Member for PaymentDetails {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let refused = || {
            format!(
                "must be an object of at most {DETAILS_BYTES_MAX} bytes, without control characters"
            )
        };
        let details = Map::<String, Value>::deserialize(deserializer)
            .map_err(|_| D::Error::custom(refused()))?;
        let bytes = serde_json::to_string(&details).map_or(usize::MAX, |text| text.len());
        if bytes > DETAILS_BYTES_MAX || has_controls(&details) {
            return Err(D::Error::custom(refused()));
        }
        Ok(Self(details))
    }

    /// By name, because generators of clients name an object after each place where it stands.
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("PaymentDetails").into()
    }

    fn add_schemas(schemas: &mut Schemas) {
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        schemas.push(("PaymentDetails".to_owned(), object.into()));
    }
}

/// Whether a text in it has a control character, which not every reader of JSON takes.
fn has_controls(members: &Map<String, Value>) -> bool {
    let in_text = |text: &str| text.contains(char::is_control);
    fn in_value(value: &Value, in_text: fn(&str) -> bool) -> bool {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
            Value::String(text) => in_text(text),
            Value::Array(items) => items.iter().any(|item| in_value(item, in_text)),
            Value::Object(members) => {
                members.iter().any(|(name, value)| in_text(name) || in_value(value, in_text))
            }
        }
    }
    members.iter().any(|(name, value)| in_text(name) || in_value(value, in_text))
}

object! {
    /// A quantity of an item at a location that is ordered.
    pub(crate) struct OrderedLine as "OrderedLine" {
        sku: Sku,
        location: LocationCode,
        /// In base units.
        quantity: Quantity,
    }
}

object! {
    /// What is to be held, paid and promised.
    pub(crate) struct PlaceOrder as "OrderRequest" {
        /// Whose order it is, as an opaque id.
        owner: Label,
        lines: List<OrderedLine>,
        /// Opaque references for the payment service, at most 4 KiB. Never card data.
        payment: PaymentDetails,
        /// How long it may take until it is paid, in seconds from the recorded time on. Then the order ends,
        /// and what it did is undone.
        deadline_seconds: TtlSeconds,
        /// `all` lines or none, or of each line what is there, or that and `wait` for the rest before it is to
        /// be paid; default `all`.
        #[serde(default)]
        policy: Option<OrderPolicy>,
        /// How long it waits at most, in seconds from the recorded time on, and no longer than its deadline.
        /// Only, and always, with the policy `wait`.
        #[serde(default)]
        wait_seconds: Option<WaitSeconds>,
    }
    with cause
    check PlaceOrder::waits_by_policy
}

impl PlaceOrder {
    fn waits_by_policy(&self, at: JsonPointer<'_>, faults: &mut Faults) {
        let waits = self.policy == Some(OrderPolicy::Wait);
        let fault = match (waits, self.wait_seconds.is_some()) {
            (true, false) => "must be given with the policy wait",
            (false, true) => "must be left out, unless the policy is wait",
            (true, true) | (false, false) => return,
        };
        faults.add(at.member("wait_seconds"), fault);
    }
}

impl Command for PlaceOrder {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        // An order of one line stays in the lane of that line's item.
        let slot = self.lines.0.first().map_or(0, |line| slot_of(line.sku.as_str()));
        let line = |(number, line): (u32, OrderedLine)| OrderLine {
            line: number,
            sku: line.sku,
            location: line.location,
            requested: line.quantity.0,
            quantity: 0,
        };
        let command = inventory::PlaceOrder {
            id: OrderId::new(slot, Uuid::now_v7()),
            owner: self.owner,
            lines: (1..).zip(self.lines.0).map(line).collect(),
            payment: self.payment,
            deadline_seconds: self.deadline_seconds.0,
            policy: self.policy.unwrap_or(OrderPolicy::All),
            wait_seconds: self.wait_seconds.map(|seconds| seconds.0),
            cause: cause(self.reason, self.reference, self.note, self.metadata),
        };
        let command = inventory::Command::PlaceOrder(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

/// Implements [`Command`] for a change of an order that exists.
macro_rules! change {
    ($type:ty => $change:expr) => {
        impl Command for $type {
            type Path = OrderPath;

            fn into_request(self, path: OrderPath, precondition: Option<Precondition>) -> Request {
                let command = inventory::ChangeOrder {
                    id: path.id,
                    change: $change,
                    precondition,
                    cause: cause(self.reason, self.reference, self.note, self.metadata),
                };
                let command = inventory::Command::ChangeOrder(command);
                // It happens when it is recorded, as its effects on stock do.
                Request { command, occurred_at: None }
            }
        }
    };
}

object! {
    /// Why the order is cancelled.
    pub(crate) struct CancelOrder as "OrderCancellation" {
        /// A code of your own.
        #[serde(default)]
        reason: Option<shared_events::values::Code>,
    }
    with context
}

change! { CancelOrder => OrderChange::Cancel }

object! {
    /// Why the order goes on.
    pub(crate) struct ResumeOrder as "OrderResumption" {
        /// A code of your own.
        #[serde(default)]
        reason: Option<shared_events::values::Code>,
    }
    with context
}

change! { ResumeOrder => OrderChange::Resume }
