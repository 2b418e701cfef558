//! The life of a reservation.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{StockLine, bodies};

bodies! {
    /// Stock that is to be held for somebody until a moment.
    #[schema(as = ReservationRequest)]
    ReservationBody {
        /// For whom, as an opaque id.
        #[schema(min_length = 1, max_length = 255)]
        owner: String,
        #[schema(min_items = 1, max_items = 5_000)]
        lines: Vec<StockLine>,
        /// How long, in seconds from the recorded time on: at most thirty days.
        #[schema(minimum = 1, maximum = 2_592_000)]
        ttl_seconds: u32,
        /// `all` lines or none, or of each line what is there; default `all`.
        #[serde(default)]
        #[schema(inline)]
        policy: Policy,
    }

    /// For how long the reservation is held.
    #[schema(as = Extension)]
    ExtensionBody {
        /// In seconds from the recorded time on: at most thirty days.
        #[schema(minimum = 1, maximum = 2_592_000)]
        ttl_seconds: u32,
    }

    /// Why the reservation is confirmed. A reference becomes that of the reservation.
    #[schema(as = Confirmation)]
    ConfirmationBody {}

    /// What of the reservation is let go.
    #[schema(as = Release)]
    ReleaseBody {
        /// Parts of it; absent, all that is left.
        #[serde(default)]
        #[schema(min_items = 1, max_items = 5_000)]
        lines: Vec<Part>,
    }

    /// What of the promise is taken back.
    #[schema(as = Cancellation)]
    CancellationBody {
        /// Parts of it; absent, all that is not fulfilled.
        #[serde(default)]
        #[schema(min_items = 1, max_items = 5_000)]
        lines: Vec<Part>,
    }

    /// What of the promise goes out.
    #[schema(as = Fulfilment)]
    FulfilmentBody {
        /// Parts of it; absent, all that is left.
        #[serde(default)]
        #[schema(min_items = 1, max_items = 5_000)]
        lines: Vec<Part>,
    }

    /// What comes back of what went out.
    #[schema(as = Return)]
    ReturnBody {
        #[schema(min_items = 1, max_items = 5_000)]
        lines: Vec<Part>,
    }
}

/// What a reservation does where there is not enough.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Policy {
    #[default]
    All,
    Partial,
}

/// A part of a reservation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Part {
    /// The reservation's line, from 1.
    #[schema(minimum = 1)]
    line: u32,
    /// How much of it, in base units.
    #[schema(minimum = 1, maximum = 9007199254740991i64)]
    quantity: i64,
}
