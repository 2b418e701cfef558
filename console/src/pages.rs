//! A page each: what it asks the services for, and the values that its template shows.

mod at;
pub(crate) mod find;
pub(crate) mod item;
pub(crate) mod items;
pub(crate) mod lists;
pub(crate) mod live;
pub(crate) mod movements;
pub(crate) mod operations;
pub(crate) mod overview;
pub(crate) mod pipeline;
pub(crate) mod problems;
pub(crate) mod record;
pub(crate) mod sign_in;
pub(crate) mod streams;

use axum::extract::State;
use service_edge::http::Readiness;

use crate::answers::{Location, Page};
use crate::services::{Failure, Service, Services};
use crate::shown::link;

/// Locations that a list to choose from has.
const LOCATIONS: &str = "200";

/// A name as one segment of a path. What cannot be the name of anything is not found.
fn segment(name: &str) -> Result<String, Failure> {
    if name.is_empty() || name.len() > 255 || name == "." || name == ".." {
        return Err(Failure::NotFound);
    }
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    Ok(name.bytes().map(encoded).collect())
}

/// `GET /readyz`: whether both services answer.
pub(crate) async fn ready(State(services): State<Services>) -> Readiness {
    let (command, query) = (Service::Command, Service::Query);
    let missing = match tokio::try_join!(services.is_alive(command), services.is_alive(query)) {
        Ok(_) => Vec::new(),
        Err(failure) => vec![failure.to_string()],
    };
    Readiness::new(missing, Vec::new(), Vec::new())
}

async fn all_locations(services: &Services) -> Result<Vec<Location>, Failure> {
    let page: Page<Location> =
        services.get(Service::Query, "/v1/locations", &[("limit", LOCATIONS)]).await?;
    Ok(page.items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_of_a_path() {
        assert_eq!(segment("85123A").expect("a name"), "85123A");
        assert_eq!(segment("a/b?c#d %").expect("a name"), "a%2Fb%3Fc%23d%20%25");
        for none in ["", ".", ".."] {
            assert!(segment(none).is_err(), "{none}");
        }
    }
}
