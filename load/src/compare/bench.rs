//! The sides of a comparison, and how they take turns.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Url;

use crate::drive::pace::Pace;
use crate::drive::recorder::Measured;
use crate::drive::{Load, drive};
use crate::environment::baseline::Baseline;
use crate::environment::query_service::QueryService;
use crate::environment::stockbook::Stockbook;
use crate::environment::{Environment, ITEMS, PLENTY};
use crate::report::{Budget, Report, Round, Row};
use crate::requests::{Ask, Orders, Requests};

/// Clients of every comparison that does not vary them.
pub(super) const CLIENTS: usize = 64;

/// A run that reaches less than this part of its rate does not count.
pub(super) const RATE_REACHED: f64 = 0.95;

/// How long and how often is measured.
pub(super) struct Effort {
    /// Rounds of each side.
    pub(super) rounds: u32,
    /// The measured part of each round.
    pub(super) duration: Duration,
    /// The part of each round before that.
    warm_up: Duration,
    /// How long Kafka is driven once, before everything.
    kafka_warm_up: Duration,
    /// How long a transaction rests while one item changes.
    pub(super) snapshot: Duration,
    /// Events that the views catch up with.
    pub(super) catch_up: i64,
    /// Events of a long stream.
    pub(super) long_stream: usize,
}

impl Effort {
    pub(super) fn of(
        quick: bool,
        rounds: Option<u32>,
        seconds: Option<u32>,
        events: Option<u32>,
        snapshot: Option<u32>,
    ) -> Self {
        let (usual_rounds, usual_seconds) = if quick { (2, 2) } else { (5, 8) };
        let (catch_up, long_stream) = if quick { (100_000, 20_000) } else { (500_000, 100_000) };
        let seconds = seconds.unwrap_or(usual_seconds);
        Self {
            rounds: rounds.unwrap_or(usual_rounds),
            duration: Duration::from_secs(seconds.into()),
            warm_up: Duration::from_millis((u64::from(seconds) * 200).min(1_000)),
            kafka_warm_up: Duration::from_secs(if quick { 10 } else { 20 }),
            snapshot: Duration::from_secs(snapshot.map_or(if quick { 20 } else { 60 }, u64::from)),
            catch_up: events.map_or(catch_up, i64::from),
            long_stream: events.map_or(long_stream, |events| events.min(100_000) as usize),
        }
    }
}

/// Everything that is measured, running.
pub(super) struct Bench<'a> {
    pub(super) environment: &'a Environment,
    pub(super) effort: Effort,
    pub(super) stockbook: Stockbook,
    pub(super) update: Baseline,
    pub(super) orders: Orders,
    pub(super) report: Report,
    query_service: Option<QueryService>,
}

/// One side of a comparison.
#[derive(Clone)]
pub(super) struct Side {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) requests: Requests,
}

impl<'a> Bench<'a> {
    /// Starts the writing sides.
    pub(super) async fn start(
        environment: &'a Environment,
        effort: Effort,
        trade: &[PathBuf],
    ) -> anyhow::Result<Self> {
        let orders = Orders::read(trade)?;
        environment.warm_up(effort.kafka_warm_up).await?;
        let mut skus = environment.skus();
        skus.extend_from_slice(&orders.skus);
        let stockbook = Stockbook::start(environment, &[]).await?;
        stockbook.fill(&skus, PLENTY).await?;
        let database = environment.database("update").await?;
        let update = Baseline::start(environment, "update-service", database).await?;
        update.fill(&skus, PLENTY).await?;
        let report = Report::default();
        Ok(Self { environment, effort, stockbook, update, orders, report, query_service: None })
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<Report> {
        self.stop_query_service().await?;
        self.update.stop().await?;
        self.stockbook.stop().await?;
        Ok(self.report)
    }

    /// A query-service that has caught up with Stockbook; the same one each time.
    pub(super) async fn query_service(&mut self) -> anyhow::Result<SocketAddr> {
        let recorded = self.stockbook.recorded().await?;
        let mut service = match self.query_service.take() {
            Some(service) => service,
            None => QueryService::start(self.environment, &self.stockbook).await?,
        };
        service.catch_up(recorded).await?;
        Ok(self.query_service.insert(service).address)
    }

    /// The read database of that service.
    pub(super) fn views(&self) -> anyhow::Result<&Url> {
        Ok(&self.query_service.as_ref().context("no query-service runs")?.database)
    }

    pub(super) async fn stop_query_service(&mut self) -> anyhow::Result<()> {
        match self.query_service.take() {
            Some(service) => service.stop().await,
            None => Ok(()),
        }
    }

    /// Requests over all items alike.
    pub(super) fn requests(&self, ask: Ask) -> Requests {
        Requests::new(ask, 0..ITEMS)
    }

    /// One round of clients that send as soon as they are answered.
    pub(super) fn closed(&self, clients: usize) -> Load {
        Load::closed(clients, self.effort.warm_up, self.effort.duration)
    }

    /// One round at a fixed rate, however long answers take.
    pub(super) fn open(&self, clients: usize, rate: f64) -> Load {
        Load { pace: Pace::fixed(rate), ..self.closed(clients) }
    }

    /// Stockbook and the update-service with the same requests.
    pub(super) fn both(&self, requests: &Requests) -> [Side; 2] {
        let requests = requests.clone();
        [
            Side { name: "ours", address: self.stockbook.address, requests: requests.clone() },
            Side { name: "update", address: self.update.address, requests },
        ]
    }

    pub(super) fn record(&mut self, what: &str, side: &str, measured: &Measured) {
        self.report.rounds.push(Round::of(what, side, measured));
    }

    /// Drives the sides in turns, round after round, beginning with another one each time.
    pub(super) async fn alternate<const N: usize>(
        &mut self,
        what: &str,
        load: Load,
        sides: &[Side; N],
    ) -> anyhow::Result<[Series; N]> {
        let mut series = [const { Series(Vec::new()) }; N];
        for round in 0..self.effort.rounds as usize {
            for turn in 0..N {
                let nth = (round + turn) % N;
                let side = &sides[nth];
                let measured = self.turn(what, &load, side).await?;
                series[nth].0.push(measured);
            }
        }
        Ok(series)
    }

    /// Drives one side for one round.
    pub(super) async fn turn(
        &mut self,
        what: &str,
        load: &Load,
        side: &Side,
    ) -> anyhow::Result<Measured> {
        let measured = drive(side.address, load, side.requests.renderers()).await?;
        anyhow::ensure!(
            measured.rate() > 0.0,
            "{what}: no request to {} succeeded; {} were answered 4xx and {} 5xx",
            side.name,
            measured.count(400..500),
            measured.count(500..600),
        );
        self.record(what, side.name, &measured);
        Ok(measured)
    }

    pub(super) fn row(&mut self, name: &str, ours: f64, budget: Budget) {
        self.report.add(Row::new(name, ours, budget));
    }

    /// A row of throughput: ours, the side that it is compared with, a limit, and the budget.
    pub(super) fn rate_row(
        &mut self,
        name: &str,
        [ours, baseline]: [&Series; 2],
        limit: impl Into<Option<f64>>,
        budget: Budget,
    ) {
        self.report.add(Row::compared(name, ours.rate(), baseline.rate(), limit, budget));
    }

    /// A row of latency, which must be no worse than the other side's.
    pub(super) fn latency_row(
        &mut self,
        name: &str,
        quantile: f64,
        [ours, baseline]: [&Series; 2],
        limit: impl Into<Option<f64>>,
    ) {
        let [ours, baseline] = [ours, baseline].map(|series| series.latency(quantile));
        self.report.add(Row::compared(name, ours, baseline, limit, Budget::AtMostTimes(1.0)));
    }
}

/// All rounds of one side. The best one counts, because whatever disturbs a shared machine only
/// takes away.
#[derive(Default)]
pub(super) struct Series(pub(super) Vec<Measured>);

impl Series {
    pub(super) fn rate(&self) -> f64 {
        self.0.iter().map(Measured::rate).fold(0.0, f64::max)
    }

    /// In milliseconds.
    pub(super) fn latency(&self, quantile: f64) -> f64 {
        self.0.iter().map(|round| round.latency(quantile)).fold(f64::INFINITY, f64::min)
    }

    pub(super) fn rounds(&self) -> &[Measured] {
        &self.0
    }
}
