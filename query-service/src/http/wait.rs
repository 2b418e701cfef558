//! `min_position`: an answer that reflects at least a position, or an error that says it does not.

use std::time::Duration;

use shared_events::lane::PositionToken;
use tokio::time::Instant;

use crate::http::Service;
use crate::http::problem::Problem;
use crate::pipeline::progress::load_positions;

/// How long a caller waits who names no time.
const WAIT_DEFAULT: Duration = Duration::from_secs(2);

/// The longest wait that a caller may ask for.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// The pause before reading again a view that was behind its own checkpoint.
const REREAD_PAUSE: Duration = Duration::from_millis(5);

/// The position that an answer has to reflect, and how long the caller waits for it.
#[derive(Debug, Clone)]
pub struct MinPosition {
    token: PositionToken,
    wait: Duration,
}

impl MinPosition {
    /// Of the parameters `min_position` and `wait_ms`.
    pub fn new(
        min_position: Option<&str>,
        wait: Option<Duration>,
        service: &Service,
    ) -> Result<Self, Problem> {
        service.lane_map()?;
        let token = match min_position {
            Some(text) => parse_position(text, "min_position", service)?,
            None => PositionToken::default(),
        };
        Ok(Self { token, wait: wait.unwrap_or(WAIT_DEFAULT) })
    }

    /// The same, and at least this position too.
    pub fn and(mut self, position: &PositionToken) -> Self {
        for (lane, position) in position.iter() {
            self.token.reach(lane, position);
        }
        self
    }

    /// Whether an answer that reflects `position` is fresh enough. `position` has every lane that decided
    /// the answer; the others do not matter.
    pub fn is_met_by(&self, position: &PositionToken) -> bool {
        position
            .iter()
            .all(|(lane, position)| self.token.get(lane).is_none_or(|least| position >= least))
    }

    /// The same, but waiting no longer than until `deadline`.
    pub fn until(&self, deadline: Instant) -> Self {
        let wait = deadline.saturating_duration_since(Instant::now());
        Self { token: self.token.clone(), wait: wait.min(self.wait) }
    }

    /// When the caller stops waiting, if the waiting begins now.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.wait
    }
}

/// A value with the position it reflects, both read by one statement.
#[derive(Debug, Clone)]
pub struct AsOf<T> {
    /// The position of every lane that decided the value.
    pub position: PositionToken,
    pub value: T,
}

/// A value or a 404, each valid as of a position.
pub type Lookup<T> = AsOf<Result<T, Problem>>;

/// Parses a position; its lanes must be lanes of this log.
pub fn parse_position(text: &str, name: &str, service: &Service) -> Result<PositionToken, Problem> {
    let token: PositionToken =
        text.parse().map_err(|error| Problem::invalid_position(format!("{name} {error}")))?;
    let unknown = token.iter().find(|(lane, _)| !service.progress.has_lane(*lane));
    match unknown {
        None => Ok(token),
        Some((lane, _)) => Err(Problem::invalid_position(format!(
            "{name} names lane {lane}, which this log does not have"
        ))),
    }
}

/// Reads once the position is applied.
///
/// After a crash of the database, the service's knowledge of what is applied may be ahead of it. So the
/// value (or the 404) has to carry a position that is fresh enough; else it is read again.
pub async fn read_when_applied<T, F>(
    service: &Service,
    required: &MinPosition,
    read: impl Fn() -> F,
) -> Result<AsOf<T>, Problem>
where
    F: Future<Output = Result<AsOf<T>, Problem>>,
{
    let deadline = required.deadline();
    let timeout = service.settings.answer_timeout_ms.0;
    loop {
        let reached = service.progress.reach(&required.token);
        tokio::select! {
            biased;
            () = reached => {}
            () = tokio::time::sleep_until(deadline) => return Err(too_early(service, required)),
            () = service.stop.cancelled() => return Err(too_early(service, required)),
        }
        let answer = tokio::time::timeout(timeout, read())
            .await
            .map_err(|_| Problem::unavailable("the database is slow"))??;
        service.progress.memory().saw(&answer.position);
        if required.is_met_by(&answer.position) {
            return Ok(answer);
        }
        service.progress.forget(&answer.position);
        if Instant::now() + REREAD_PAUSE > deadline {
            return Err(too_early(service, required));
        }
        tokio::time::sleep(REREAD_PAUSE).await;
    }
}

/// Waits until the position is applied, by any instance, and returns how far every lane is applied.
pub async fn wait_until_applied(
    service: &Service,
    required: &MinPosition,
) -> Result<PositionToken, Problem> {
    let read = || async {
        let positions = load_positions(&service.pool, service.projection).await?;
        Ok(AsOf { position: positions.into_iter().collect(), value: () })
    };
    Ok(read_when_applied(service, required, read).await?.position)
}

fn too_early(service: &Service, required: &MinPosition) -> Problem {
    Problem::not_yet_applied(&service.progress.applied_of(&required.token))
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
    use crate::http::problem::Code;
    use crate::pipeline::log_client::LogClient;
    use crate::projections::stock::Stock;
    use crate::projections::view::View;
    use crate::read_model::ReadModel;

    const LONG: Duration = Duration::from_secs(30);

    fn token(text: &str) -> PositionToken {
        text.parse().expect("a valid token")
    }

    /// A service that knows 0:5 to be applied, and asks its database nothing.
    fn service() -> Service {
        let log = LogConfig {
            command_key: None,
            command_ca: None,
            command_url: vec!["http://127.0.0.1:9".parse().expect("a URL")],
            log_timeout_ms: Milliseconds(LONG),
            log_page_events: 1,
            log_requests_max: 1,
            heads_interval_ms: Milliseconds(LONG),
        };
        let parts = ReadModel {
            pool: PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new()),
            projection: Stock::PROJECTION.version(1),
            lane_map: Arc::new(OnceLock::from(LaneMap::even(1).expect("one lane is legal"))),
            progress: Arc::default(),
            assignment: Arc::default(),
            route_state: OnceLock::new(),
            log: LogClient::new(&log).expect("an HTTP client"),
            feeds: Arc::new(Semaphore::new(1)),
            settings: HttpConfig {
                requests_max: 1,
                connections_max: 1,
                answer_timeout_ms: Milliseconds(LONG),
                drain_timeout_ms: Milliseconds(LONG),
            },
            stop: CancellationToken::new(),
        };
        parts.progress.raise(token("0:5").iter());
        Arc::new(parts)
    }

    /// A value from 0:5 on, nothing before.
    fn lookup_at(position: &str) -> Lookup<()> {
        let position = token(position);
        let value = if position == token("0:5") { Ok(()) } else { Err(Problem::unknown_sku("A")) };
        AsOf { position, value }
    }

    #[test]
    fn only_the_lanes_that_decided_an_answer_have_to_be_fresh() {
        let required = MinPosition { token: token("0:5,2:7"), wait: LONG };
        assert!(required.is_met_by(&token("0:5,1:1")));
        assert!(!required.is_met_by(&token("0:5,2:6")));
    }

    #[tokio::test]
    async fn a_404_from_a_view_that_is_behind_is_read_again() {
        let service = service();
        let required = MinPosition { token: token("0:5"), wait: LONG };
        let reads = AtomicUsize::new(0);
        let read = || async {
            let is_first = reads.fetch_add(1, Ordering::Relaxed) == 0;
            Ok(lookup_at(if is_first { "0:4" } else { "0:5" }))
        };
        let apply = async {
            loop {
                service.progress.raise(token("0:5").iter());
                tokio::task::yield_now().await;
            }
        };
        let answer = tokio::select! {
            answer = read_when_applied(&service, &required, read) => answer,
            () = apply => unreachable!("it never ends"),
        };
        let answer = answer.expect("an answer in time");
        assert!(answer.value.is_ok(), "{answer:?}");
    }

    #[tokio::test]
    async fn a_404_from_a_view_that_stays_behind_becomes_not_yet_applied() {
        let service = service();
        let required = MinPosition { token: token("0:5"), wait: Duration::from_millis(20) };
        let answer =
            read_when_applied(&service, &required, || async { Ok(lookup_at("0:4")) }).await;
        let problem = answer.expect_err("a refusal");
        assert_eq!(problem.code(), Code::NotYetApplied);
        let document = serde_json::to_value(&problem).expect("a document");
        assert_eq!(document["position"], "0:4");
    }
}
