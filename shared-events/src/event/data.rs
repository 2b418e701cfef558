//! The content of each event type: the members of its JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lane::EventId;
use crate::reference::Reference;
use crate::values::{Code, LocationCode, ReversalId, Sku};

/// The stored figures of an item at a location, in base units; none is ever negative.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Physically there.
    pub on_hand: i64,
    /// Held until an expiry time.
    pub reserved: i64,
    /// Promised to confirmed reservations.
    pub allocated: i64,
    /// On its way here by transfers; not part of available. Absent means none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub incoming: i64,
    /// Asked for by those who wait for it; not part of available. Absent means none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub waiting: i64,
}

fn is_none(amount: &i64) -> bool {
    *amount == 0
}

impl Figures {
    /// The names of the figures, in the order of [`Self::amounts`].
    pub const NAMES: [&'static str; 5] =
        ["on_hand", "reserved", "allocated", "incoming", "waiting"];

    /// All figures.
    pub fn amounts(self) -> [i64; 5] {
        let Self { on_hand, reserved, allocated, incoming, waiting } = self;
        [on_hand, reserved, allocated, incoming, waiting]
    }

    /// The figures with these amounts.
    pub fn of_amounts([on_hand, reserved, allocated, incoming, waiting]: [i64; 5]) -> Self {
        Self { on_hand, reserved, allocated, incoming, waiting }
    }

    /// The figures less others; none if one overflows.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let mut amounts = self.amounts();
        for (amount, other) in amounts.iter_mut().zip(other.amounts()) {
            *amount = amount.checked_sub(other)?;
        }
        Some(Self::of_amounts(amounts))
    }

    /// on_hand − reserved − allocated. Negative after an accepted shortage.
    pub fn available(self) -> i64 {
        self.on_hand - self.reserved - self.allocated
    }

    /// The same for unchecked figures; none if it overflows.
    pub fn checked_available(self) -> Option<i64> {
        self.on_hand.checked_sub(self.reserved)?.checked_sub(self.allocated)
    }
}

/// The free members of a command, kept together so that encrypting them would touch one place.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// A note for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The caller's own names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// The members that say why an event was recorded.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Code>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Free members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// All details of an item after the event.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemDetails {
    pub sku: Sku,
    pub name: String,
    /// Decimal places of the base unit, 0 to 6: scale 3 and quantity 1,500 mean 1.5 units.
    pub scale: u8,
    /// What one unit is, such as `each`.
    pub unit: Code,
    /// Stock is low at or below this available quantity; 0 means never.
    pub reorder_point: i64,
    /// Free members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// All details of a location after the event.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationDetails {
    pub code: LocationCode,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Code>,
    /// Free members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// Goods came in.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReceived {
    pub sku: Sku,
    pub location: LocationCode,
    /// In base units, positive.
    pub quantity: i64,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// Goods went out.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockIssued {
    pub sku: Sku,
    pub location: LocationCode,
    /// In base units, positive.
    pub quantity: i64,
    /// The purpose, such as `sale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Code>,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// on_hand was corrected by a difference.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAdjusted {
    pub sku: Sku,
    pub location: LocationCode,
    /// The difference to on_hand in base units, not zero.
    pub delta: i64,
    /// Whether available is negative, which the caller accepted. Since version 2.
    pub shortage: bool,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// The exact opposite of an earlier event.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReversed {
    pub sku: Sku,
    pub location: LocationCode,
    /// The reversed event, which may itself be a reversal.
    pub reverses: EventId,
    pub reversal: ReversalId,
    /// The opposite of the reversed event's delta.
    pub delta: i64,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// on_hand was set to a counted quantity.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockSet {
    pub sku: Sku,
    pub location: LocationCode,
    /// The difference to on_hand in base units, not zero; `after` has the new quantity.
    pub delta: i64,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// Goods left for another location. The same command records their arrival.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovedOut {
    pub sku: Sku,
    /// The location they left.
    pub location: LocationCode,
    /// The location they went to.
    pub to: LocationCode,
    /// In base units, positive.
    pub quantity: i64,
    /// The figures after this fact.
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// Goods came from another location. The same command records their departure.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovedIn {
    pub sku: Sku,
    /// The location they went to.
    pub location: LocationCode,
    /// The location they left.
    pub from: LocationCode,
    /// In base units, positive.
    pub quantity: i64,
    /// The figures after this fact.
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// An item is no longer traded; no stock of it is left.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRetired {
    pub sku: Sku,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A retired item is traded again.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemReinstated {
    /// The item as it was when it was retired.
    pub after: ItemDetails,
    #[serde(flatten)]
    pub cause: Cause,
}
