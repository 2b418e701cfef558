//! The state of a stream, now or earlier.

use std::collections::BTreeSet;

use axum::Json;
use axum::http::Uri;
use serde::Serialize;
use shared_events::event::{ItemDetails, LocationDetails};
use shared_events::lane::{PositionToken, Version};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::transfer::Transfer;
use shared_events::values::{AMOUNT_MAX, Label};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::fault;
use crate::http::AppState;
use crate::http::answer::{OrderAnswer, ReservationAnswer};
use crate::http::json::numbers::Integer;
use crate::http::json::{InQuery, object};
use crate::http::openapi::ReadProblems;
use crate::http::problem::{Code, Problem};
use crate::http::request::query;
use crate::inventory::{RedactionState, StreamState, SubjectState};
use crate::log::read::{Folded, Until};

object! {
    /// How much of a stream is folded; all of it by default.
    pub(crate) struct StateQuery {
        /// Up to and with this version. Not together with `at`.
        #[serde(default)]
        version: Option<Integer<i64, 0, AMOUNT_MAX>>,
        /// What was recorded at or before this moment, settled. Not together with `version`.
        #[serde(default)]
        at: Option<Timestamp>,
    }
}

/// A stream's state after some of its events.
#[derive(Debug, Serialize)]
pub(crate) struct StateAnswer {
    stream: Stream,
    version: Version,
    position: PositionToken,
    state: View,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum View {
    Item(Option<ItemView>),
    Location(Option<LocationDetails>),
    Stock {
        on_hand: i64,
        reserved: i64,
        allocated: i64,
        available: i64,
        incoming: i64,
        waiting: i64,
    },
    Reservation(Option<ReservationAnswer>),
    Transfer(Option<Transfer>),
    Order(Option<OrderAnswer>),
    Subject {
        forgotten: BTreeSet<Label>,
    },
    Redaction {
        events: u64,
    },
}

#[derive(Debug, Serialize)]
struct ItemView {
    #[serde(flatten)]
    details: ItemDetails,
    retired: bool,
}

impl From<StreamState> for View {
    fn from(state: StreamState) -> Self {
        match state {
            StreamState::Item(_, item) => {
                let retired = item.retired;
                Self::Item(item.details.map(|details| ItemView { details, retired }))
            }
            StreamState::Location(_, location) => Self::Location(location.details),
            StreamState::Stock(_, stock) => Self::Stock {
                on_hand: stock.figures.on_hand,
                reserved: stock.figures.reserved,
                allocated: stock.figures.allocated,
                available: stock.figures.available(),
                incoming: stock.figures.incoming,
                waiting: stock.figures.waiting,
            },
            StreamState::Reservation(_, reservation) => {
                Self::Reservation(reservation.details.map(ReservationAnswer::from))
            }
            StreamState::Transfer(_, transfer) => Self::Transfer(transfer.details),
            StreamState::Order(_, order) => {
                Self::Order(order.details.map(|order| OrderAnswer::from(*order)))
            }
            StreamState::Subject(_, SubjectState { forgotten, .. }) => Self::Subject { forgotten },
            StreamState::Redaction(_, RedactionState { events, .. }) => Self::Redaction { events },
        }
    }
}

/// A stream's state after some of its events.
#[derive(Debug, ToSchema)]
#[schema(as = StreamState)]
#[expect(dead_code, reason = "describes `StateAnswer`, whose types the contract crate serializes")]
pub(crate) struct StreamStateBody {
    #[schema(example = "stock/85123A/MAIN")]
    stream: String,
    /// The last event's version; 0 if there was none yet.
    version: i64,
    /// The last event's position; 0 in its lane if there was none yet.
    #[schema(example = "3:1042")]
    position: String,
    /// An item or a location: its details, null before it was registered. Stock: its figures. A
    /// reservation, a transfer or an order: what it is, null before it was made. A subject: which of its keys
    /// were deleted. A redaction: how many events it names.
    state: serde_json::Value,
}

/// The state of a stream: now, after a version, or as recorded by a moment.
///
/// The name may stand in the path as it is or percent-encoded.
#[utoipa::path(
    get, path = "/v1/streams/{stream}/state", tag = "log",
    params(("stream" = String, Path, example = "stock/85123A/MAIN"), InQuery::<StateQuery>),
    responses(
        (status = 200, description = "Folded from the stream's events", body = StreamStateBody),
        ReadProblems,
    ),
)]
pub(crate) async fn read_state(
    app: &AppState,
    name: &str,
    uri: &Uri,
) -> Result<Json<StateAnswer>, Problem> {
    let until = until(uri)?;
    let unknown =
        || Problem::missing(Code::UnknownStream, format!("there is no stream {name}"), name);
    let stream: Stream = name.parse().map_err(|_| unknown())?;
    let folding = timeout(app.config.answer_timeout, app.log.fold(&stream, until));
    match folding.await.map_err(|_| Problem::log_unavailable())?? {
        Folded::State { version, lane, position, state } => Ok(Json(StateAnswer {
            stream,
            version,
            position: std::iter::once((lane, position)).collect(),
            state: state.into(),
        })),
        Folded::Unknown => Err(unknown()),
        Folded::Beyond { head } => {
            Err(fault("/version", format!("is beyond the stream's last version, {head}")))
        }
        Folded::Ahead { now } => Err(fault("/at", format!("is ahead of the log's clock, {now}"))),
    }
}

fn until(uri: &Uri) -> Result<Until, Problem> {
    let StateQuery { version, at } = query::parse(uri)?;
    match (version, at) {
        (None, None) => Ok(Until::Head),
        (Some(version), None) => Ok(Until::Version(Version(version.0))),
        (None, Some(moment)) => Ok(Until::Moment(moment)),
        (Some(_), Some(_)) => Err(fault("/at", "is not taken together with version".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared_events::event::Figures;

    use super::*;
    use crate::inventory::{ItemState, StockState};

    fn shown(state: StreamState) -> Value {
        serde_json::to_value(View::from(state)).unwrap()
    }

    #[test]
    fn stock_is_shown_with_its_available_quantity() {
        let figures = Figures { on_hand: 10, reserved: 3, allocated: 2, incoming: 4, waiting: 6 };
        let key = ("A".parse().unwrap(), "MAIN".parse().unwrap());
        let state = StreamState::Stock(key, StockState { figures, ..StockState::default() });
        let expected = json!({"on_hand": 10, "reserved": 3, "allocated": 2, "available": 5, "incoming": 4, "waiting": 6});
        assert_eq!(shown(state), expected);
    }

    #[test]
    fn an_item_is_shown_with_its_details_and_as_null_before_it_is_registered() {
        let details = json!({
            "sku": "A", "name": "Jam", "scale": 0, "unit": "each", "reorder_point": 5
        });
        let item = ItemState {
            details: Some(serde_json::from_value(details.clone()).unwrap()),
            retired: true,
            ..ItemState::default()
        };
        let mut expected = details;
        expected["retired"] = json!(true);
        assert_eq!(shown(StreamState::Item("A".parse().unwrap(), item)), expected);
        let reservation = "reservation/7-019a9f3c-5a3e-7cc1-8a05-0242ac120002";
        let transfer = "transfer/7-019a9f3c-5a3e-7cc1-8a05-0242ac120002";
        for stream in ["item/A", "location/MAIN", reservation, transfer] {
            let initial = StreamState::initial(&stream.parse().unwrap());
            assert_eq!(shown(initial), Value::Null, "{stream}");
        }
    }
}
