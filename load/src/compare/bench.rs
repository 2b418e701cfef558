//! The sides, and how they take turns.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::drive::recorder::Measured;
use crate::drive::{Load, drive};
use crate::heat_up::heat_up;
use crate::keys::{Keys, Spread};
use crate::report::{Report, Round};
use crate::requests::{Orders, Requests};
use crate::world::World;
use crate::world::follower::Follower;
use crate::world::rivals::Rival;
use crate::world::stockbook::Stockbook;

/// So much of everything is there at the start that nothing runs out.
const PLENTY: i64 = 1_000_000_000;

/// How long and how often is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Rounds of each side.
    pub(super) rounds: u32,
    /// Each round.
    pub(super) duration: Duration,
    /// What Kafka is driven once before all.
    pub(super) heat_up: Duration,
    /// What each round does unmeasured first.
    pub(super) warm_up: Duration,
    /// Events that a projection catches up with.
    pub(super) catch_up: i64,
    /// Events of a long stream.
    pub(super) long_stream: usize,
}

/// Everything that is measured, running.
pub(super) struct Bench<'a> {
    pub(super) world: &'a World,
    pub(super) effort: Effort,
    pub(super) ours: Stockbook,
    pub(super) update: Rival,
    pub(super) orders: Orders,
    pub(super) report: Report,
    follower: Option<Follower>,
}

/// One side of a comparison.
pub(super) struct Side {
    /// Its name in the rounds.
    pub(super) name: &'static str,
    /// Where it is asked.
    pub(super) at: SocketAddr,
    /// What it is asked.
    pub(super) requests: Requests,
}

/// All rounds of one side.
pub(super) struct Series(Vec<Measured>);

impl Effort {
    pub(super) fn of(
        quick: bool,
        rounds: Option<u32>,
        seconds: Option<u32>,
        events: Option<u32>,
    ) -> Self {
        let (usual_rounds, usual_seconds) = if quick { (2, 2) } else { (5, 8) };
        let (catch_up, long_stream) = if quick { (100_000, 20_000) } else { (500_000, 100_000) };
        let seconds = seconds.unwrap_or(usual_seconds);
        Self {
            rounds: rounds.unwrap_or(usual_rounds),
            duration: Duration::from_secs(seconds.into()),
            heat_up: Duration::from_secs(if quick { 10 } else { 20 }),
            warm_up: Duration::from_millis((u64::from(seconds) * 200).min(1_000)),
            catch_up: events.map_or(catch_up, i64::from),
            long_stream: events.map_or(long_stream, |events| events.min(100_000) as usize),
        }
    }
}

impl<'a> Bench<'a> {
    /// Starts the writing sides with plenty of everything there.
    pub(super) async fn start(
        world: &'a World,
        effort: Effort,
        trade: &[PathBuf],
    ) -> anyhow::Result<Self> {
        let orders = Orders::read(trade)?;
        heat_up(world, effort.heat_up).await?;
        let items = world.args.items;
        let ours = Stockbook::start(world, &[]).await?;
        ours.fill(items, &orders.skus, PLENTY).await?;
        let update = Rival::update(world).await?;
        update.fill(items, &orders.skus, PLENTY).await?;
        let report = Report::default();
        Ok(Self { world, effort, ours, update, orders, report, follower: None })
    }

    /// Ends what it started.
    pub(super) async fn stop(mut self) -> anyhow::Result<Report> {
        self.unfollow().await?;
        self.update.stop().await?;
        self.ours.stop().await?;
        Ok(self.report)
    }

    /// A query-service that has caught up with ours; the same one each time.
    pub(super) async fn follower(&mut self) -> anyhow::Result<SocketAddr> {
        let recorded = self.ours.recorded().await?;
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => Follower::start(self.world, &self.ours).await?,
        };
        follower.follow(recorded).await?;
        Ok(self.follower.insert(follower).address)
    }

    /// Ends the query-service, if there is one.
    pub(super) async fn unfollow(&mut self) -> anyhow::Result<()> {
        match self.follower.take() {
            Some(follower) => follower.stop().await,
            None => Ok(()),
        }
    }

    /// All items, as often as each other.
    pub(super) fn uniform(&self) -> Keys {
        Keys::new(Spread::Uniform, self.world.args.items)
    }

    /// So many clients that send as soon as they are answered, for one round.
    pub(super) fn closed(&self, clients: usize) -> Load {
        Load::closed(clients, self.effort.warm_up, self.effort.duration)
    }

    /// Ours and the update-service, asked the same.
    pub(super) fn both(&self, requests: &Requests) -> anyhow::Result<[Side; 2]> {
        Ok([
            Side { name: "ours", at: self.ours.command()?, requests: requests.clone() },
            Side { name: "update", at: self.update.address, requests: requests.clone() },
        ])
    }

    /// Writes down a round.
    pub(super) fn note(&mut self, what: &str, side: &str, measured: &Measured) {
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
                let measured = drive(side.at, &load, side.requests.renderers()).await?;
                self.note(what, side.name, &measured);
                series[nth].0.push(measured);
            }
        }
        Ok(series)
    }
}

impl Series {
    /// The most answers of 2xx a second of any round: what disturbs a shared machine only takes.
    pub(super) fn rate(&self) -> f64 {
        self.0.iter().map(Measured::rate).fold(0.0, f64::max)
    }

    /// The least latency of any round, in milliseconds, for the same reason.
    pub(super) fn latency(&self, quantile: f64) -> f64 {
        self.0.iter().map(|round| round.latency(quantile)).fold(f64::INFINITY, f64::min)
    }

    /// Every round.
    pub(super) fn rounds(&self) -> &[Measured] {
        &self.0
    }
}
