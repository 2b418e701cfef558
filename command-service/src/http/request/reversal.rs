//! A request to take back what was booked: at once, or a window of it one step after another.

use axum::extract::Request;

use super::command::{self, reversal};
use super::reader::{Faults, Members, Place};
use super::value::boolean;
use super::{Arrived, CommandConfig, Problem, Said};
use crate::inventory;
use crate::log::submission::{Asked, Submission};
use crate::reversals::WindowRequest;

/// What is asked.
#[derive(Debug)]
pub(in crate::http) enum Reversal {
    /// A command like any other.
    Now(Box<Submission>),
    /// A job, or only the list of what it would do.
    Window {
        /// What the job does.
        request: Box<WindowRequest>,
        /// Whether nothing is to happen.
        dry_run: bool,
    },
}

/// Reads a request for a reversal whole.
///
/// # Errors
/// The problem to answer it with. What is wrong with its values is told all at once.
pub(in crate::http) async fn read_reversal(
    request: Request,
    config: &CommandConfig,
) -> Result<Reversal, Problem> {
    let arrived = Arrived::own_key(request, false, config).await?;
    parse(&arrived)
}

/// The part without waiting.
pub(super) fn parse(arrived: &Arrived) -> Result<Reversal, Problem> {
    let value = arrived.json()?;
    let mut faults = Faults::default();
    let said = arrived.said(false, &mut faults);
    let read = Members::read(Place::Root, value, &mut faults, |body| {
        let dry_run = body.optional("dry_run", boolean).unwrap_or(false);
        reversal(body).map(|reversal| (reversal, dry_run))
    });
    let faults = faults.into_vec();
    match read {
        Some((reversal, dry_run)) if faults.is_empty() => {
            let validate_only = said.validate_only || dry_run;
            Ok(asked(arrived, reversal, Said { validate_only, ..said }))
        }
        _ => Err(Problem::validation_failed(faults)),
    }
}

fn asked(arrived: &Arrived, reversal: command::Reversal, said: Said) -> Reversal {
    match reversal {
        command::Reversal::Now(reverse) => {
            let command = inventory::Command::Reverse(reverse);
            let request = inventory::Request { command, occurred_at: None };
            Reversal::Now(Box::new(arrived.submission(Asked::One(request), said)))
        }
        command::Reversal::Window { id, window, cause } => {
            let command::Window { by, from, to, sku, location, actor } = window;
            let key = said.key.map(|key| arrived.idempotency_key(key));
            let origin = said.origin;
            let request =
                WindowRequest { id, by, from, to, sku, location, actor, cause, origin, key };
            Reversal::Window { request: Box::new(request), dry_run: said.validate_only }
        }
    }
}
