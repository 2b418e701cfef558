//! `min_position`: an answer that reflects at least a position, or an error that says it does not.

use std::time::Duration;

use shared_events::lane::PositionToken;
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::http::Service;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::pipeline::progress::load_positions;

/// How long a caller who does not say waits.
const DEFAULT: Duration = Duration::from_secs(2);

/// How long a caller may wait.
pub const LONGEST: Duration = Duration::from_secs(30);

/// The pause before a view that was behind its own checkpoint's news is read again.
const REREAD_PAUSE: Duration = Duration::from_millis(5);

/// How to ask for a fresh answer, for people.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters, which are taken one by one")]
pub struct FreshnessParameters {
    /// wait until this position is applied
    min_position: Option<String>,
    /// for at most so long, 2,000 by default
    wait_ms: Option<i64>,
}

/// How fresh an answer has to be.
#[derive(Debug, Clone)]
pub struct Freshness {
    at_least: PositionToken,
    wait: Duration,
}

impl Freshness {
    /// Takes `min_position` and `wait_ms`.
    ///
    /// # Errors
    /// A value does not fit, or names a lane that this log does not have; or the lanes are not known
    /// yet.
    pub fn take(parameters: &mut Parameters, service: &Service) -> Result<Self, Problem> {
        service.lane_map()?;
        let at_least = take_position(parameters, "min_position", service)?.unwrap_or_default();
        let longest = i64::try_from(LONGEST.as_millis()).expect("half a minute is a small number");
        let wait = match parameters.take_integer("wait_ms", 0..=longest)? {
            Some(milliseconds) => Duration::from_millis(milliseconds.unsigned_abs()),
            None => DEFAULT,
        };
        Ok(Self { at_least, wait })
    }

    /// The same, and at least this position too.
    pub fn and(mut self, position: &PositionToken) -> Self {
        for (lane, position) in position.iter() {
            self.at_least.reach(lane, position);
        }
        self
    }

    /// Whether an answer is fresh enough that reflects this position, which names every lane that
    /// decided it; how far others are does not matter to it.
    pub fn is_met_by(&self, position: &PositionToken) -> bool {
        position.iter().all(|(lane, position)| {
            self.at_least.get(lane).is_none_or(|at_least| position >= at_least)
        })
    }

    /// The same, as far as the time until then allows.
    pub fn until(&self, deadline: Instant) -> Self {
        let wait = deadline.saturating_duration_since(Instant::now());
        Self { at_least: self.at_least.clone(), wait: wait.min(self.wait) }
    }

    /// When the caller stops waiting, if the waiting begins now.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.wait
    }
}

/// What was read, with the position it reflects: both from one statement.
#[derive(Debug, Clone)]
pub struct Reflecting<T> {
    /// The position of every lane that decided the answer.
    pub position: PositionToken,
    /// What was found.
    pub found: T,
}

/// A thing, or why there is none: not to be there is true as of a position too.
pub type Found<T> = Reflecting<Result<T, Problem>>;

/// Takes a position by its name.
///
/// # Errors
/// It is none, or names a lane that this log does not have; or the lanes are not known yet.
pub fn take_position(
    parameters: &mut Parameters,
    name: &'static str,
    service: &Service,
) -> Result<Option<PositionToken>, Problem> {
    parameters.take_text(name).map(|text| position(&text, name, service)).transpose()
}

/// Reads a position.
///
/// # Errors
/// It is none, or names a lane that this log does not have; or the lanes are not known yet.
pub fn position(text: &str, name: &str, service: &Service) -> Result<PositionToken, Problem> {
    service.lane_map()?;
    let token: PositionToken =
        text.parse().map_err(|error| Problem::InvalidPosition(format!("{name} {error}")))?;
    let stranger = token.iter().find(|(lane, _)| !service.progress.has_lane(*lane));
    if let Some((lane, _)) = stranger {
        let detail = format!("{name} names lane {lane}, which this log does not have");
        return Err(Problem::InvalidPosition(detail));
    }
    Ok(token)
}

/// Reads once the position is applied.
///
/// What is known to be applied may be ahead of the database after a crash of it, so what was read, or
/// found missing, has to say itself that it is fresh enough; else it is read again.
///
/// # Errors
/// The time is up, or the reading failed.
pub async fn fresh<T, F>(
    service: &Service,
    wanted: &Freshness,
    read: impl Fn() -> F,
) -> Result<Reflecting<T>, Problem>
where
    F: Future<Output = Result<Reflecting<T>, Problem>>,
{
    let deadline = Instant::now() + wanted.wait;
    let work = service.settings.answer_timeout_ms.0;
    loop {
        let reached = service.progress.reach(&wanted.at_least);
        tokio::select! {
            biased;
            () = reached => {}
            () = tokio::time::sleep_until(deadline) => return Err(too_early(service, wanted)),
            () = service.stop.cancelled() => return Err(too_early(service, wanted)),
        }
        let answer = tokio::time::timeout(work, read())
            .await
            .map_err(|_| Problem::ProjectionUnavailable("the database is slow".to_owned()))??;
        if wanted.is_met_by(&answer.position) {
            return Ok(answer);
        }
        service.progress.forget(&answer.position);
        if Instant::now() + REREAD_PAUSE > deadline {
            return Err(too_early(service, wanted));
        }
        tokio::time::sleep(REREAD_PAUSE).await;
    }
}

/// How far every lane is applied, by whichever instance, once that is as far as it has to be.
///
/// # Errors
/// The time is up, or the database is away.
pub async fn applied(service: &Service, wanted: &Freshness) -> Result<PositionToken, Problem> {
    let read = || async {
        let positions = load_positions(&service.pool, service.projection).await?;
        Ok(Reflecting { position: positions.into_iter().collect(), found: () })
    };
    Ok(fresh(service, wanted, read).await?.position)
}

fn too_early(service: &Service, wanted: &Freshness) -> Problem {
    Problem::NotYetApplied(service.progress.applied_of(&wanted.at_least))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, OnceLock};

    use shared_events::lane::LaneMap;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    use tokio::sync::Semaphore;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::config::{HttpConfig, LogConfig, Milliseconds};
    use crate::pipeline::log_client::LogClient;
    use crate::projections::stock::Stock;
    use crate::projections::view::View;
    use crate::read_model::ReadModel;

    fn token(text: &str) -> PositionToken {
        text.parse().expect("a valid token")
    }

    /// A service that knows 0:5 to be applied, and asks its database nothing.
    fn service() -> Service {
        let log = LogConfig {
            command_url: vec!["http://127.0.0.1:9".parse().expect("a URL")],
            log_timeout_ms: Milliseconds(LONGEST),
            log_page_events: 1,
            log_requests_max: 1,
            heads_interval_ms: Milliseconds(LONGEST),
        };
        let parts = ReadModel {
            pool: PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new()),
            projection: Stock::PROJECTION.version(1),
            lane_map: Arc::new(OnceLock::from(LaneMap::even(1).expect("one lane is legal"))),
            progress: Arc::default(),
            route_state: OnceLock::new(),
            log: LogClient::new(&log).expect("an HTTP client"),
            feeds: Arc::new(Semaphore::new(1)),
            settings: HttpConfig {
                requests_max: 1,
                connections_max: 1,
                answer_timeout_ms: Milliseconds(LONGEST),
                drain_timeout_ms: Milliseconds(LONGEST),
            },
            stop: CancellationToken::new(),
        };
        parts.progress.raise(token("0:5").iter());
        Arc::new(parts)
    }

    /// What is found at a position: something from 0:5 on, nothing before.
    fn found_at(position: &str) -> Found<()> {
        let position = token(position);
        let found = if position == token("0:5") { Ok(()) } else { Err(Problem::NotFound) };
        Reflecting { position, found }
    }

    #[test]
    fn only_lanes_that_decided_an_answer_have_to_be_far_enough() {
        let wanted = Freshness { at_least: token("0:5,2:7"), wait: LONGEST };
        assert!(wanted.is_met_by(&token("0:5,1:1")));
        assert!(!wanted.is_met_by(&token("0:5,2:6")));
    }

    #[tokio::test]
    async fn what_is_missing_in_a_view_that_is_behind_is_looked_for_again() {
        let service = service();
        let wanted = Freshness { at_least: token("0:5"), wait: LONGEST };
        let reads = AtomicUsize::new(0);
        let read = || async {
            let is_first = reads.fetch_add(1, Ordering::Relaxed) == 0;
            Ok(found_at(if is_first { "0:4" } else { "0:5" }))
        };
        let apply = async {
            loop {
                service.progress.raise(token("0:5").iter());
                tokio::task::yield_now().await;
            }
        };
        let answer = tokio::select! {
            answer = fresh(&service, &wanted, read) => answer,
            () = apply => unreachable!("it goes on for ever"),
        };
        let answer = answer.expect("an answer in time");
        assert!(answer.found.is_ok(), "{answer:?}");
    }

    #[tokio::test]
    async fn what_is_missing_in_a_view_that_stays_behind_is_not_yet_applied() {
        let service = service();
        let wanted = Freshness { at_least: token("0:5"), wait: Duration::from_millis(20) };
        let answer = fresh(&service, &wanted, || async { Ok(found_at("0:4")) }).await;
        match answer {
            Err(Problem::NotYetApplied(position)) => assert_eq!(position, token("0:4")),
            other => panic!("another answer: {other:?}"),
        }
    }
}
