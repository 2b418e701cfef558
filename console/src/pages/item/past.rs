//! The item as it was, next to what it is now, and what happened between.

use crate::answers::{Amounts, ItemStock, Level, Movement, StockDifference};
use crate::pages::at::At;
use crate::pages::streams::find_event;
use crate::pages::{link, segment};
use crate::reader;
use crate::services::{Failure, Service, Services, known, permitted};
use crate::shown::{Moment, Signed};

/// Events between then and now that the page lists.
const BETWEEN: &str = "50";

/// The item at a place in time.
#[derive(Debug)]
pub(super) struct Then {
    /// When it was.
    pub(super) moment: Option<Moment>,
    /// The positions of the log that were reached then.
    pub(super) position: String,
    pub(super) rows: Vec<Row>,
    /// What is known now about that moment, by when things happened, where it is not what was known then.
    pub(super) corrected: Vec<Row>,
    /// The newest of the events between then and now.
    pub(super) between: Vec<Movement>,
    pub(super) more_between: bool,
    /// Whether the item was there at all.
    pub(super) was_known: bool,
    /// What was asked for is neither a moment nor a position, or cannot be answered.
    pub(super) refused: Option<String>,
}

/// A location then and now.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) location: String,
    pub(super) version: i64,
    pub(super) then: Amounts,
    pub(super) now: Amounts,
}

impl Row {
    pub(super) fn on_hand(&self) -> Signed {
        Signed(self.now.on_hand.0 - self.then.on_hand.0)
    }

    pub(super) fn available(&self) -> Signed {
        Signed(self.now.available.0 - self.then.available.0)
    }
}

/// The place in time that a page is about.
#[derive(Debug)]
pub(super) enum Place {
    Now,
    Moment(Moment),
    /// A position, and when it was recorded.
    Position(String, Option<Moment>),
    /// Something else was written.
    Unclear,
}

impl Place {
    pub(super) async fn find(services: &Services, at: &str) -> Result<Self, Failure> {
        if at.trim().is_empty() {
            return Ok(Self::Now);
        }
        Ok(match At::parse(at) {
            Some(At::Moment(moment)) => Self::Moment(moment),
            Some(At::Position(token)) => {
                let moment = recorded_at(services, &token).await?;
                Self::Position(token, moment)
            }
            None => Self::Unclear,
        })
    }

    /// What keeps a list of movements to those up to here: by which time, and before which.
    pub(super) fn until(&self) -> [(&'static str, String); 2] {
        let (by, moment) = match self {
            Self::Moment(moment) => ("occurred_at", Some(moment)),
            Self::Position(_, moment) => ("recorded_at", moment.as_ref()),
            Self::Now | Self::Unclear => ("", None),
        };
        [("by", by.to_owned()), ("to", moment.map(Moment::just_after).unwrap_or_default())]
    }
}

/// `None` if the page is about now.
pub(super) async fn read(
    services: &Services,
    sku: &str,
    place: &Place,
    now: &ItemStock,
) -> Result<Option<Then>, Failure> {
    let answer = match place {
        Place::Now => return Ok(None),
        Place::Moment(moment) => at_moment(services, sku, *moment, now).await,
        Place::Position(token, moment) => at_position(services, sku, token, *moment, now).await,
        Place::Unclear => return Ok(Some(refused(reader::texts().not_a_moment.to_owned()))),
    };
    match answer {
        Err(Failure::Refused { problem, .. }) if problem.status == 422 => {
            Ok(Some(refused(problem.detail)))
        }
        answer => answer.map(Some),
    }
}

fn refused(why: String) -> Then {
    Then {
        moment: None,
        position: String::new(),
        rows: Vec::new(),
        corrected: Vec::new(),
        between: Vec::new(),
        more_between: false,
        was_known: true,
        refused: Some(why),
    }
}

async fn stock(
    services: &Services,
    sku: &str,
    parameter: (&str, &str),
) -> Result<Option<ItemStock>, Failure> {
    let path = format!("/v1/stock/{}", segment(sku)?);
    known(services.get::<ItemStock>(Service::Query, &path, &[parameter]).await)
}

async fn at_moment(
    services: &Services,
    sku: &str,
    moment: Moment,
    now: &ItemStock,
) -> Result<Then, Failure> {
    let exact = moment.exact();
    let (then, happened) = tokio::try_join!(
        stock(services, sku, ("known_at", &exact)),
        stock(services, sku, ("as_of", &exact)),
    )?;
    let Some(then) = then else {
        let corrected = happened.map(|happened| rows(&happened, now)).unwrap_or_default();
        return Ok(Then { moment: Some(moment), was_known: false, corrected, ..unknown() });
    };
    let position = then.known_position.clone().unwrap_or_else(|| then.position.clone());
    let corrected = match happened {
        Some(happened) if differ(&then, &happened) => rows(&happened, now),
        _ => Vec::new(),
    };
    let (between, more_between) = between(services, sku, &position, now).await?;
    let rows = rows(&then, now);
    Ok(Then { moment: Some(moment), position, rows, corrected, between, more_between, ..unknown() })
}

async fn at_position(
    services: &Services,
    sku: &str,
    token: &str,
    moment: Option<Moment>,
    now: &ItemStock,
) -> Result<Then, Failure> {
    let (then, between) = tokio::join!(
        stock(services, sku, ("at_position", token)),
        between(services, sku, token, now),
    );
    let Some(then) = then? else {
        return Ok(Then { moment, was_known: false, ..unknown() });
    };
    let (between, more_between) = between?;
    let rows = rows(&then, now);
    Ok(Then { moment, position: token.to_owned(), rows, between, more_between, ..unknown() })
}

fn unknown() -> Then {
    Then { refused: None, ..refused(String::new()) }
}

/// When the event at a position of one lane was recorded.
async fn recorded_at(services: &Services, token: &str) -> Result<Option<Moment>, Failure> {
    let event = permitted(find_event(services, &token.replace(':', "-")).await)?;
    Ok(event.map(|event| event.recorded_at))
}

/// The newest of the events after a position, and whether there are more.
async fn between(
    services: &Services,
    sku: &str,
    position: &str,
    now: &ItemStock,
) -> Result<(Vec<Movement>, bool), Failure> {
    let parameters = [
        ("sku", sku),
        ("from_position", position),
        ("to_position", &now.position),
        ("limit", BETWEEN),
    ];
    match services.get::<StockDifference>(Service::Query, "/v1/diff", &parameters).await {
        Ok(difference) => Ok((difference.movements, difference.next_cursor.is_some())),
        // The place is ahead of what the views had when they were asked for now.
        Err(Failure::Refused { problem, .. }) if problem.status == 422 => Ok((Vec::new(), false)),
        Err(failure) => Err(failure),
    }
}

fn differ(one: &ItemStock, other: &ItemStock) -> bool {
    let figures = |stock: &ItemStock| -> Vec<(String, Amounts)> {
        let of = |level: &Level| (level.location.clone(), level.amounts);
        stock
            .locations
            .iter()
            .map(of)
            .filter(|(_, amounts)| *amounts != Amounts::default())
            .collect()
    };
    figures(one) != figures(other)
}

/// Every location that has history now or had it then.
fn rows(then: &ItemStock, now: &ItemStock) -> Vec<Row> {
    let find = |stock: &ItemStock, location: &str| {
        stock.locations.iter().find(|level| level.location == location).cloned()
    };
    let mut codes: Vec<&str> =
        now.locations.iter().chain(&then.locations).map(|level| level.location.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let row = |code: &str| {
        let then = find(then, code);
        Row {
            location: code.to_owned(),
            version: then.as_ref().map(|level| level.version).unwrap_or_default(),
            then: then.map(|level| level.amounts).unwrap_or_default(),
            now: find(now, code).map(|level| level.amounts).unwrap_or_default(),
        }
    };
    codes.into_iter().map(row).collect()
}

/// The page of the item at a position.
pub(super) fn page_at(sku: &str, location: &str, position: &str) -> String {
    link(&format!("/items/{sku}"), &[("at", position), ("location", location)])
}
