//! What each kind of event carries: the members of its JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lane::EventId;
use crate::values::{Code, Label, LocationCode, ReversalId, Sku};

/// The three kept figures of an item at a location, in base units; none is ever negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Physically there.
    pub on_hand: i64,
    /// Held for somebody until the hold ends.
    pub reserved: i64,
    /// Firmly promised.
    pub allocated: i64,
}

impl Figures {
    /// What may still be sold: on_hand − reserved − allocated. Negative after an accepted shortage.
    pub fn available(self) -> i64 {
        self.on_hand - self.reserved - self.allocated
    }

    /// The same of figures that nothing has checked; none where it leaves the range of 64 bits.
    pub fn checked_available(self) -> Option<i64> {
        self.on_hand.checked_sub(self.reserved)?.checked_sub(self.allocated)
    }
}

/// The outside document behind a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The kind of document, such as `invoice`.
    #[serde(rename = "type")]
    pub kind: Label,
    /// The document's own id.
    pub id: Label,
    /// A line of that document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Label>,
}

/// The free members of a command, kept together so that sealing them touches one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The caller's own names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Why a fact was recorded: the members every stock command may carry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// A code for the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Code>,
    /// The outside document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Free members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// What an item is, whole, after the fact that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemDetails {
    /// The item's key.
    pub sku: Sku,
    /// For people.
    pub name: String,
    /// Decimal places of the base unit, 0 to 6: scale 3 and quantity 1,500 mean 1.5 units.
    pub scale: u8,
    /// What one unit is, such as `each`.
    pub unit: Code,
    /// Low stock begins at this available quantity; 0 means never.
    pub reorder_point: i64,
    /// Free members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// What a location is, whole, after the fact that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationDetails {
    /// The location's key.
    pub code: LocationCode,
    /// For people.
    pub name: String,
    /// What sort of place it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Code>,
    /// Free members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// Goods came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReceived {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// How much came in, in base units, positive.
    pub quantity: i64,
    /// The figures after this fact.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Goods went out for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockIssued {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// How much went out, in base units, positive.
    pub quantity: i64,
    /// What for, such as `sale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Code>,
    /// The figures after this fact.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// The count on the books was put right by a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAdjusted {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// The difference to on_hand in base units, not zero.
    pub delta: i64,
    /// Whether less is left than was promised, which the caller accepted. Since version 2.
    pub shortage: bool,
    /// The figures after this fact.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// What was booked before is taken back: the exact opposite of an earlier fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReversed {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// The fact that is taken back; it may itself have taken back another.
    pub reverses: EventId,
    /// What belongs to one reversal.
    pub reversal: ReversalId,
    /// The difference to on_hand in base units, not zero: the opposite of that fact's.
    pub delta: i64,
    /// The figures after this fact.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// The count on the books was set to what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockSet {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// The difference to on_hand in base units, not zero; what it was set to is in `after`.
    pub delta: i64,
    /// The figures after this fact.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Goods left for another location, where the same command took them in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovedOut {
    /// The item.
    pub sku: Sku,
    /// Where from.
    pub location: LocationCode,
    /// Where to.
    pub to: LocationCode,
    /// How much left, in base units, positive.
    pub quantity: i64,
    /// The figures after this fact, where from.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Goods came from another location, where the same command took them out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovedIn {
    /// The item.
    pub sku: Sku,
    /// Where to.
    pub location: LocationCode,
    /// Where from.
    pub from: LocationCode,
    /// How much came, in base units, positive.
    pub quantity: i64,
    /// The figures after this fact, where to.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// An item is not traded any more; nothing of it is left anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRetired {
    /// The item.
    pub sku: Sku,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}
