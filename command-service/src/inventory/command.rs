//! What can be asked. Every value was checked on the way in; whether it is possible is decided later.

use std::collections::BTreeMap;

use shared_events::event::Cause;
use shared_events::lane::Version;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Code, LocationCode, Sku};

/// A command with what holds for every kind of command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// When it happened, as the caller says; absent means when it is recorded.
    pub occurred_at: Option<Timestamp>,
}

/// Everything that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make an item known, or describe a known one anew.
    RegisterItem(RegisterItem),
    /// Make a location known, or describe a known one anew.
    RegisterLocation(RegisterLocation),
    /// Take goods in.
    ReceiveStock(ReceiveStock),
    /// Let goods go, from what is available.
    IssueStock(IssueStock),
    /// Put the count on the books right by a difference.
    AdjustStock(AdjustStock),
    /// Set the count on the books to what was found.
    SetStock(SetStock),
    /// Take goods from one location to another, at once.
    MoveStock(MoveStock),
    /// Trade an item no more.
    RetireItem(RetireItem),
}

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

impl Command {
    /// The streams whose exact state decides the command, which it may add to; the same one may
    /// come twice.
    pub fn streams(&self) -> Vec<Stream> {
        match self {
            Self::RegisterItem(RegisterItem { sku, .. })
            | Self::RetireItem(RetireItem { sku, .. }) => vec![Stream::Item(sku.clone())],
            Self::RegisterLocation(location) => vec![Stream::Location(location.code.clone())],
            Self::ReceiveStock(_)
            | Self::IssueStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_) => {
                let streams = |(sku, location): (&Sku, &LocationCode)| {
                    [Stream::Item(sku.clone()), Stream::Stock(sku.clone(), location.clone())]
                };
                self.places().into_iter().flat_map(streams).collect()
            }
        }
    }

    /// The locations that must exist. What is known of one is advisory and read without its lock,
    /// so that one warehouse is not one lock.
    pub fn locations(&self) -> Vec<LocationCode> {
        self.places().into_iter().map(|(_, location)| location.clone()).collect()
    }

    /// The item whose stock decides the command wherever it is.
    pub fn item_everywhere(&self) -> Option<&Sku> {
        match self {
            Self::RetireItem(command) => Some(&command.sku),
            Self::RegisterItem(_)
            | Self::RegisterLocation(_)
            | Self::ReceiveStock(_)
            | Self::IssueStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_) => None,
        }
    }

    /// Why it is asked, where a command may say so; each of its events repeats it.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::RegisterItem(_) | Self::RegisterLocation(_) => None,
            Self::ReceiveStock(ReceiveStock { cause, .. })
            | Self::IssueStock(IssueStock { cause, .. })
            | Self::AdjustStock(AdjustStock { cause, .. })
            | Self::SetStock(SetStock { cause, .. })
            | Self::MoveStock(MoveStock { cause, .. })
            | Self::RetireItem(RetireItem { cause, .. }) => Some(cause),
        }
    }

    /// Every item and location whose stock the command names, in the order of its lines.
    pub fn places(&self) -> Vec<(&Sku, &LocationCode)> {
        match self {
            Self::RegisterItem(_) | Self::RegisterLocation(_) | Self::RetireItem(_) => Vec::new(),
            Self::ReceiveStock(ReceiveStock { lines, .. })
            | Self::IssueStock(IssueStock { lines, .. }) => {
                lines.iter().map(|line| (&line.sku, &line.location)).collect()
            }
            Self::AdjustStock(AdjustStock { lines, .. }) => {
                lines.iter().map(|line| (&line.sku, &line.location)).collect()
            }
            Self::SetStock(SetStock { sku, location, .. }) => vec![(sku, location)],
            Self::MoveStock(MoveStock { lines, .. }) => lines
                .iter()
                .flat_map(|line| [(&line.sku, &line.from), (&line.sku, &line.to)])
                .collect(),
        }
    }
}
