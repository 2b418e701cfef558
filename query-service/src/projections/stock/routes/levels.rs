//! Stock figures, now and in the past.

pub mod figures;
pub mod level;
pub mod item;
pub mod kept;
pub mod list;

use serde::Serialize;
use shared_events::lane::PositionToken;
use shared_events::values::{LocationCode, Sku};
use sqlx::FromRow;
use utoipa::ToSchema;

use self::figures::Subject;
use self::item::ItemLookup;
use self::kept::Kept;
use crate::http::answer::Figure;
use crate::http::coalesce::Coalesced;
use crate::http::rows::Text;
use crate::http::wait::Lookup;

/// Point reads of the present, which share statements.
#[derive(Debug, Default)]
pub struct Points {
    figures: Coalesced<Subject, Lookup<Figure>>,
    kept: Kept,
    items: Coalesced<Sku, ItemLookup>,
}

/// The figures of one sku at one location.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct StockLevel {
    /// The item.
    #[schema(value_type = String)]
    #[sqlx(try_from = "Text")]
    pub sku: Sku,
    /// The location.
    #[schema(value_type = String)]
    #[sqlx(try_from = "Text")]
    pub location: LocationCode,
    #[serde(flatten)]
    #[sqlx(flatten)]
    pub figure: Figure,
    /// The position that `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[sqlx(skip)]
    #[schema(value_type = Option<String>, example = "3:1042")]
    pub known_position: Option<PositionToken>,
}

/// The figures of one sku at all locations.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ItemStock {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// The item's name; if the past is asked for, its name then.
    pub name: String,
    #[serde(flatten)]
    pub totals: Figure,
    /// Every location that has a history of the item.
    pub locations: Vec<LocationStock>,
    /// The position that `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "3:1042")]
    pub known_position: Option<PositionToken>,
}

/// The figures at one location.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LocationStock {
    /// The location.
    #[schema(value_type = String)]
    pub location: LocationCode,
    #[serde(flatten)]
    pub figure: Figure,
}
