//! The one rule of what makes an item's reorder point, for lists, alerts and the integrity check. PURE.

use shared_events::event::About;
use shared_events::values::Sku;

/// The item and the reorder point that it has from this event on; at 0 it is never low. Nobody reorders a
/// retired item.
pub fn reorder_point<'a>(about: &About<'a>) -> Option<(&'a Sku, i64)> {
    match about {
        About::Item(item) => Some((&item.sku, item.reorder_point)),
        About::RetiredItem(item) => Some((&item.sku, 0)),
        About::Location(_)
        | About::Stock(_)
        | About::Reservation(_)
        | About::Transfer(_)
        | About::Order(_)
        | About::Subject(_)
        | About::Redaction(_) => None,
    }
}
