//! The dry run of a reversal of a window.

use shared_events::lane::EventId;
use sqlx::postgres::PgPool;

use super::jobs::{Progress, REFUSALS_MAX, Refusal, Status, is_retryable};
use super::window::{Step, Window, fitting};
use super::{WindowError, WindowRequest};
use crate::inventory::{Rejection, Reverse, Target};
use crate::log::read::ReadError;
use crate::log::reversal::dry_run::DryRun;

/// Events that are loaded together, unless one step has more.
const EVENTS_TOGETHER: usize = 2_000;

/// Decides the steps of a window in memory, in the same passes as a job.
pub(crate) async fn run(
    pool: &PgPool,
    request: &WindowRequest,
    window: Window,
) -> Result<Progress, WindowError> {
    let id = request.reversal_id();
    let mut progress = window.progress(id.clone(), Status::Done, true);
    let reverse = |step: &Step| Reverse {
        id: id.clone(),
        target: Target::Events(step.events.clone()),
        accept_shortage: request.accept_shortage,
        cause: request.cause.clone(),
    };
    let mut dry_run = DryRun::new(window.now);
    let mut refused: Vec<(usize, Rejection)> = Vec::new();
    // 1. The first pass decides each step.
    let mut connection = pool.acquire().await?;
    let mut nth = 0;
    for steps in chunks(&window.steps) {
        let events: Vec<EventId> = steps.iter().flat_map(|step| &step.events).copied().collect();
        dry_run.load(&mut connection, &events).await.map_err(ReadError::from)?;
        for step in steps {
            if let Err(rejection) = dry_run.reverse(reverse(step)) {
                refused.push((nth, rejection));
            }
            nth += 1;
        }
    }
    drop(connection);
    // 2. Further passes decide the refused ones again, as long as a pass makes progress.
    loop {
        let before = refused.len();
        refused = std::mem::take(&mut refused)
            .into_iter()
            .filter_map(|(nth, rejection)| {
                if !is_retryable(&rejection) {
                    return Some((nth, rejection));
                }
                Some((nth, dry_run.reverse(reverse(&window.steps[nth])).err()?))
            })
            .collect();
        if refused.len() == before {
            break;
        }
        // A large window takes a while, and other tasks want to run.
        tokio::task::yield_now().await;
    }
    progress.refused = refused.len() as u64;
    progress.reversed = progress.correlations - progress.refused;
    let refusals = refused.into_iter().take(REFUSALS_MAX).map(|(nth, rejection)| Refusal {
        correlation_id: window.steps[nth].correlation_id.clone(),
        rejection,
    });
    progress.refusals = refusals.collect();
    Ok(progress)
}

/// The steps in chunks of about as many events as are loaded together.
fn chunks(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    let mut rest = steps;
    std::iter::from_fn(move || {
        let len = fitting(rest.iter().map(|step| step.events.len()), EVENTS_TOGETHER);
        let (chunk, others) = rest.split_at(len);
        rest = others;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use shared_events::lane::{Lane, Position};

    use super::*;

    #[test]
    fn steps_are_loaded_in_chunks_without_gaps() {
        let step = |events: usize| Step {
            correlation_id: "c".parse().unwrap(),
            events: vec![EventId(Lane(0), Position(1)); events],
        };
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            let steps: Vec<Step> = sizes.iter().map(|size| step(*size)).collect();
            chunks(&steps).map(<[Step]>::len).collect()
        };
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[1_000, 1_000, 1]), [2, 1]);
        assert_eq!(lengths(&[5_000, 1, 5_000]), [1, 1, 1]);
        assert_eq!(lengths(&[1; 3_000]), [2_000, 1_000]);
    }
}
