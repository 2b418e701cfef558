//! Lists of what waits, travels and happens: `/waitlist`, `/transfers`, `/orders`, `/reservations`, `/alerts`,
//! and one of each.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{link, segment};
use crate::answers::{Alert, Order, Page, Reservation, Transfer, WaitingLine};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Service, Services};
use crate::texts::Texts;

const ROWS: &str = "50";

/// What a list is narrowed to. Each list uses some of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    sku: String,
    location: String,
    owner: String,
    status: String,
    state: String,
    overdue: String,
    from: String,
    to: String,
    reference: String,
    cursor: String,
}

/// A page of a list, with the links to the first and the next.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
    pub(super) position: String,
}

pub(super) async fn list<T: DeserializeOwned>(
    services: &Services,
    path: &str,
    filters: &[(&str, &str)],
    cursor: &str,
) -> Result<Listed<T>, Failure> {
    let parameters = [filters, &[("cursor", cursor), ("limit", ROWS)]].concat();
    let page: Page<T> = services.get(Service::Query, &format!("/v1{path}"), &parameters).await?;
    let page_after = |cursor: &str| link(path, &[filters, &[("cursor", cursor)]].concat());
    Ok(Listed {
        first: (!cursor.is_empty()).then(|| page_after("")),
        next: page.next_cursor.map(|cursor| page_after(&cursor)),
        items: page.items,
        position: page.position,
    })
}

/// Declares the page of a list.
macro_rules! list_page {
    ($page:ident $show:ident $section:ident $row:ty, $path:literal $template:literal, [$($filter:ident),*]) => {
        #[derive(Template)]
        #[template(path = $template)]
        struct $page {
            t: &'static Texts,
            frame: Frame,
            asked: Asked,
            list: Listed<$row>,
        }

        pub(crate) async fn $show(
            services: Services,
            Query(asked): Query<Asked>,
        ) -> Result<Response, Failure> {
            let filters = [$((stringify!($filter), asked.$filter.as_str())),*];
            let list = list::<$row>(&services, $path, &filters, &asked.cursor).await?;
            let frame = Frame::live(Section::$section, &list.position);
            frame::page(&$page { t: reader::texts(), frame, asked, list })
        }
    };
}

list_page!(WaitlistPage waitlist Waitlist WaitingLine, "/waitlist" "waitlist.html", [sku, location, owner]);
list_page!(TransfersPage transfers Transfers Transfer, "/transfers" "transfers.html", [status, from, to, overdue, reference]);
list_page!(OrdersPage orders Orders Order, "/orders" "orders.html", [owner, status]);
list_page!(ReservationsPage reservations Orders Reservation, "/reservations" "reservations.html", [owner, status, reference]);
list_page!(AlertsPage alerts Alerts Alert, "/alerts" "alerts.html", [sku, state]);

/// Declares the page of one thing.
macro_rules! one_page {
    ($page:ident $show:ident $section:ident $thing:ty, $path:literal $template:literal) => {
        #[derive(Template)]
        #[template(path = $template)]
        struct $page {
            t: &'static Texts,
            frame: Frame,
            it: $thing,
        }

        pub(crate) async fn $show(
            services: Services,
            Path(id): Path<String>,
        ) -> Result<Response, Failure> {
            let path = format!(concat!("/v1", $path, "/{}"), segment(&id)?);
            let it: $thing = services.get(Service::Query, &path, &[]).await?;
            let heads: Page<serde::de::IgnoredAny> =
                services.get(Service::Query, "/v1/locations", &[("limit", "1")]).await?;
            let frame = Frame::live(Section::$section, &heads.position).about(&id);
            frame::page(&$page { t: reader::texts(), frame, it })
        }
    };
}

one_page!(TransferPage transfer Transfers Transfer, "/transfers" "transfer.html");
one_page!(OrderPage order Orders Order, "/orders" "order.html");
one_page!(ReservationPage reservation Orders Reservation, "/reservations" "reservation.html");
