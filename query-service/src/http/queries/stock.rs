//! How much there is, and was.

pub mod figures;
pub mod level;
pub mod item;
pub mod list;
mod list_then;

use serde::Serialize;
use shared_events::lane::PositionToken;
use shared_events::values::{LocationCode, Sku};
use utoipa::ToSchema;

use self::figures::Subject;
use self::item::FoundItem;
use crate::http::answer::Figure;
use crate::http::coalesce::Coalesced;
use crate::http::wait::Found;

/// Point reads of the present, which share statements.
#[derive(Debug, Default)]
pub struct Points {
    figures: Coalesced<Subject, Found<Figure>>,
    items: Coalesced<Sku, FoundItem>,
}

/// The figures of one sku at one location.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockLevel {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    #[serde(flatten)]
    pub figure: Figure,
    /// What `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "3:1042")]
    pub known_position: Option<PositionToken>,
}

/// The figures of one sku everywhere.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ItemStock {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Its name; of then, if the past is asked for.
    pub name: String,
    #[serde(flatten)]
    pub totals: Figure,
    /// Every location that has a history of it.
    pub locations: Vec<LocationStock>,
    /// What `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "3:1042")]
    pub known_position: Option<PositionToken>,
}

/// The figures at one location.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LocationStock {
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    #[serde(flatten)]
    pub figure: Figure,
}
