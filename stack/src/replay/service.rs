//! Talking to services that may be away for a while: the same request again until it is decided.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Url};

use crate::replay::answer::{Answer, Outcome, Problem};
use crate::replay::command::Command;
use crate::replay::progress::Progress;

/// How long a request is repeated before we give up.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long one attempt may take: longer than a query may wait for its position.
const ATTEMPT_MAX: Duration = Duration::from_secs(60);

/// The pause after the first attempt; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// One service, at one address or several.
#[derive(Debug)]
pub(super) struct Service {
    http: reqwest::Client,
    bases: Vec<String>,
}

/// An answer that decides.
pub(super) struct Reply {
    /// HTTP's word.
    pub(super) status: u16,
    headers: HeaderMap,
    /// All of the body.
    pub(super) body: Vec<u8>,
}

impl Service {
    /// The service at these addresses.
    pub(super) fn at<'a>(urls: impl IntoIterator<Item = &'a Url>) -> anyhow::Result<Self> {
        let base = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let bases: Vec<String> = urls.into_iter().map(base).collect();
        anyhow::ensure!(!bases.is_empty(), "no address of the service is given");
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(ATTEMPT_MAX)
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, bases })
    }

    /// Sends a command until it is decided. `turn` says at which address to begin; attempts go
    /// round all of them, always with the same key.
    pub(super) async fn send(
        &self,
        turn: usize,
        command: &Command,
        progress: &Progress,
    ) -> anyhow::Result<Answer> {
        let request = command.request();
        let body = request.body.to_string();
        let build = |base: &str| {
            self.http
                .request(request.method.clone(), format!("{base}{}", request.path))
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", &command.key)
                .header("Correlation-Id", &command.correlation_id)
                .header("Actor", "replay")
                .body(body.clone())
        };
        let reply = self.exchange(turn, build, progress).await?;
        let outcome = Outcome::read(reply.status, &reply.body)
            .with_context(|| format!("the answer to {} is not of the API's form", command.key))?;
        Ok(Answer { replayed: reply.is_replayed(), outcome })
    }

    /// Reads a path until there is an answer.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        progress: &Progress,
    ) -> anyhow::Result<Reply> {
        let build = |base: &str| self.http.get(format!("{base}{path}")).query(query);
        self.exchange(0, build, progress).await
    }

    async fn exchange(
        &self,
        turn: usize,
        build: impl Fn(&str) -> RequestBuilder,
        progress: &Progress,
    ) -> anyhow::Result<Reply> {
        let started = Instant::now();
        let mut pause = PAUSE_MIN;
        let mut attempt = turn;
        loop {
            let base = &self.bases[attempt % self.bases.len()];
            let (why, asked) = match once(build(base)).await {
                Ok(reply) => match reply.undecided() {
                    None => return Ok(reply),
                    Some(problem) => (format!("{base}: {problem}"), reply.retry_after()),
                },
                Err(error) => {
                    let error = anyhow::Error::from(error.without_url());
                    (format!("{base}: {error:#}"), None)
                }
            };
            if started.elapsed() > PATIENCE {
                bail!(
                    "no answer for {} s, last: {why}; nothing is lost: once `cargo stack up` runs, the same \
                     command goes on where this one stopped",
                    PATIENCE.as_secs()
                );
            }
            progress.waiting(&why);
            let jittered = pause.mul_f64(rand::random_range(0.5..1.0));
            tokio::time::sleep(asked.map_or(jittered, |asked| asked.max(jittered))).await;
            pause = PAUSE_MAX.min(pause * 2);
            attempt += 1;
        }
    }
}

async fn once(request: RequestBuilder) -> reqwest::Result<Reply> {
    let mut response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let body = response.bytes().await?.to_vec();
    Ok(Reply { status, headers, body })
}

impl Reply {
    /// The problem, where the request should be sent again.
    fn undecided(&self) -> Option<Problem> {
        let problem = (self.status >= 400).then(|| Problem::read(self.status, &self.body));
        problem.filter(Problem::is_undecided)
    }

    fn is_replayed(&self) -> bool {
        let header = self.headers.get("Idempotency-Replayed");
        header.is_some_and(|value| value == "true")
    }

    /// How long the service asks us to wait; what is longer than our longest pause is cut.
    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds).min(PAUSE_MAX))
    }
}
