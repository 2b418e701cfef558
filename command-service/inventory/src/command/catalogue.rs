//! What items and locations are.

use std::collections::BTreeMap;

use shared_events::event::Cause;
use shared_events::lane::Version;
use shared_events::values::{Code, LocationCode, Sku};

/// Members that are absent keep their value, or get their default on a new item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterItem {
    /// The item.
    pub sku: Sku,
    /// For people; default: the sku.
    pub name: Option<String>,
    /// Decimal places of the base unit, 0 to 6; default 0.
    pub scale: Option<u8>,
    /// What one unit is; default `each`.
    pub unit: Option<Code>,
    /// Low stock begins at this available quantity; default 0, never.
    pub reorder_point: Option<i64>,
    /// The caller's own names and values; default none.
    pub metadata: Option<BTreeMap<String, String>>,
    /// Refuse unless the item's stream is at this version.
    pub expected_version: Option<Version>,
}

/// Members that are absent keep their value, or get their default on a new location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterLocation {
    /// The location.
    pub code: LocationCode,
    /// For people; default: the code.
    pub name: Option<String>,
    /// What sort of place it is; default none.
    pub kind: Option<Code>,
    /// Refuse unless the location's stream is at this version.
    pub expected_version: Option<Version>,
}

/// Trade an item no more; possible when nothing of it is left anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetireItem {
    /// The item.
    pub sku: Sku,
    /// Refuse unless the item's stream is at this version.
    pub expected_version: Option<Version>,
    /// Why.
    pub cause: Cause,
}
