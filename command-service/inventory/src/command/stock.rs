//! What comes in, goes out, moves and is put right.

use shared_events::event::Cause;
use shared_events::lane::Version;
use shared_events::values::{Code, LocationCode, Sku};

/// An amount of an item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLine {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// In base units, positive.
    pub quantity: i64,
    /// Refuse unless the stock's stream is at this version before the command.
    pub expected_version: Option<Version>,
}

/// Take goods in; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveStock {
    /// What comes in.
    pub lines: Vec<StockLine>,
    /// Why.
    pub cause: Cause,
}

/// Let goods go, only from what is available; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueStock {
    /// What goes out.
    pub lines: Vec<StockLine>,
    /// What for.
    pub purpose: Option<Code>,
    /// Why.
    pub cause: Cause,
}

/// A difference for an item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustLine {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// The difference to on_hand in base units, not zero.
    pub delta: i64,
    /// Refuse unless on_hand is this before the command.
    pub expected_quantity: Option<i64>,
    /// Refuse unless the stock's stream is at this version before the command.
    pub expected_version: Option<Version>,
}

/// Put the count on the books right; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustStock {
    /// The differences.
    pub lines: Vec<AdjustLine>,
    /// Whether less may be left than was promised, showing available negative.
    pub accept_shortage: bool,
    /// Why.
    pub cause: Cause,
}

/// Set on_hand of an item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetStock {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// What on_hand becomes, in base units, not negative.
    pub quantity: i64,
    /// Refuse unless on_hand is this.
    pub expected_quantity: Option<i64>,
    /// Refuse unless the stock's stream is at this version.
    pub expected_version: Option<Version>,
    /// Whether less may be left than was promised, showing available negative.
    pub accept_shortage: bool,
    /// Why.
    pub cause: Cause,
}

/// An amount of an item on its way from one location to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveLine {
    /// The item.
    pub sku: Sku,
    /// Where it leaves.
    pub from: LocationCode,
    /// Where it arrives; another location than `from`.
    pub to: LocationCode,
    /// In base units, positive.
    pub quantity: i64,
    /// Refuse unless the stream of the stock that it leaves is at this version before the command.
    pub expected_version: Option<Version>,
}

/// Take goods from one location to another, only from what is available; all lines or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveStock {
    /// What moves.
    pub lines: Vec<MoveLine>,
    /// Why.
    pub cause: Cause,
}
