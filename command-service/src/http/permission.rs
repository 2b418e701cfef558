//! Whether a credential that is limited to some locations may send a command or read a stream.
//!
//! What a command names is looked at as it is. Of an existing reservation, transfer or order the log says
//! where its lines are, which its first event fixed; of a reversal, where its targets are.

use inventory::{Command, Request};
use service_edge::sign_in::SignedIn;
use shared_events::stream::Stream;
use shared_events::values::LocationCode;

use super::AppState;
use super::problem::Problem;
use crate::log::read::Places;

impl AppState {
    /// Refuses a payload of which a part concerns a location that is not the caller's.
    pub(super) async fn permit(
        &self,
        signed_in: Option<&SignedIn>,
        requests: &[Request],
    ) -> Result<(), Problem> {
        let Some(limited) = signed_in.filter(|one| one.credential().locations().are_limited())
        else {
            return Ok(());
        };
        for request in requests {
            self.permit_command(limited, &request.command).await?;
        }
        Ok(())
    }

    async fn permit_command(&self, limited: &SignedIn, command: &Command) -> Result<(), Problem> {
        if command.item_everywhere().is_some() {
            limited.require_all_locations()?;
        }
        for stream in command.streams() {
            // A stream that the command begins has no history yet.
            if command.new_stream().as_ref() != Some(&stream) {
                self.permit_stream(limited, &stream).await?;
            }
        }
        if let Some(target) = command.reversal() {
            match self.log.places_of_target(target).await? {
                Places::These(locations) => require(limited, &locations)?,
                Places::TooMany => limited.require_all_locations()?,
            }
        }
        Ok(())
    }

    /// Refuses a stream that concerns a location which is not the caller's.
    pub(super) async fn permit_stream(
        &self,
        signed_in: &SignedIn,
        stream: &Stream,
    ) -> Result<(), Problem> {
        if !signed_in.credential().locations().are_limited() {
            return Ok(());
        }
        match stream {
            Stream::Item(_) => Ok(()),
            Stream::Location(code) | Stream::Stock(_, code) => {
                Ok(signed_in.require_location(code.as_str())?)
            }
            // Nobody's location: only who may see all of them.
            Stream::Subject(_) | Stream::Redaction(_) => Ok(signed_in.require_all_locations()?),
            Stream::Reservation(_) | Stream::Transfer(_) | Stream::Order(_) => {
                require(signed_in, &self.log.places_of_stream(stream).await?)
            }
        }
    }
}

fn require(signed_in: &SignedIn, locations: &[LocationCode]) -> Result<(), Problem> {
    for location in locations {
        signed_in.require_location(location.as_str())?;
    }
    Ok(())
}
