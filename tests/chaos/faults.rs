//! Making things go wrong, and seeing them work again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use integration_tests::link::NetworkFault;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use reqwest::Method;
use serde_json::Value;
use shared_events::lane::PositionToken;
use sqlx::AssertSqlSafe;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::clients::Clients;
use crate::history::Kind;
use crate::schedule::{Cycle, End, Fault, Part, TRACKS};
use crate::system::{Instance, RECOVERY_MAX, TOPIC};

/// Faults at the same time; with more there is no time in between in which anything works.
const AT_ONCE: usize = 5;

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long one question of this program may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What was injected.
#[derive(Default)]
pub(crate) struct Tally {
    /// By kind: how often, and how long it took at most until all worked again.
    pub(crate) kinds: BTreeMap<String, (usize, Duration)>,
    pub(crate) kills: usize,
    /// Faults that touched nothing.
    pub(crate) without_effect: Vec<String>,
}

/// Injects a schedule.
pub(crate) struct Injector<'a> {
    pub(crate) clients: &'a Clients<'a>,
    pub(crate) tally: Mutex<Tally>,
    at_once: Semaphore,
    started: Instant,
}

impl<'a> Injector<'a> {
    pub(crate) fn new(clients: &'a Clients<'a>) -> Self {
        let (tally, at_once) = (Mutex::default(), Semaphore::new(AT_ONCE));
        Self { clients, tally, at_once, started: Instant::now() }
    }

    /// All cycles: those of a track one after another, the tracks at the same time.
    pub(crate) async fn run(&self, schedule: &[Cycle]) {
        let track = |track| async move {
            for cycle in schedule.iter().filter(|cycle| cycle.fault.track() == track) {
                let ran = self.cycle(cycle).await;
                if let Err(error) = ran {
                    let what = format!("{cycle}: {error:#}");
                    self.clients.history.violate(Kind::Broken, what);
                    return;
                }
            }
        };
        futures::future::join_all((0..TRACKS).map(track)).await;
    }

    async fn cycle(&self, cycle: &Cycle) -> anyhow::Result<()> {
        self.acknowledged(cycle.after).await?;
        let one = self.at_once.acquire().await.context("faults go on")?;
        let began = self.started.elapsed();
        let lifted = self.inject(cycle).await?;
        self.recovered(cycle.fault).await?;
        let took = lifted.elapsed();
        if cycle.fault == Fault::FailOver {
            self.clients.system.postgres.rejoin().await?;
        }
        drop(one);
        let whole = self.started.elapsed() - began;
        println!("{began:7.1?} for {whole:.1?}, of which {took:.1?} to recover: {cycle}");
        self.acknowledged(1).await?;
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.kills += usize::from(cycle.fault.is_kill());
        let (count, worst) = tally.kinds.entry(cycle.fault.kind()).or_default();
        *count += 1;
        *worst = (*worst).max(took);
        Ok(())
    }

    /// Waits until so many more commands are acknowledged.
    async fn acknowledged(&self, more: usize) -> anyhow::Result<()> {
        let history = self.clients.history;
        let wanted = history.acknowledged() + more;
        let waited = Instant::now();
        while history.acknowledged() < wanted {
            if waited.elapsed() > RECOVERY_MAX {
                bail!("no {more} commands were acknowledged within {RECOVERY_MAX:?}");
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Makes it go wrong and right again; returns when it was lifted.
    async fn inject(&self, cycle: &Cycle) -> anyhow::Result<Instant> {
        let system = self.clients.system;
        match cycle.fault {
            Fault::Kill(Part::Kafka) => return system.kafka.crash().await,
            Fault::Kill(Part::Postgres) => return system.postgres.crash().await,
            Fault::Kill(part) => {
                let mut service = instance(self, part)?.service.lock().await;
                service.kill().await?;
                let lifted = Instant::now();
                service.start_again().await?;
                return Ok(lifted);
            }
            Fault::Pause(part, time) => {
                let mut service = instance(self, part)?.service.lock().await;
                service.process().pause()?;
                sleep(time).await;
                service.process().resume()?;
            }
            Fault::Way(part, end, network_fault, time) => {
                self.network_fault(cycle, part, end, network_fault, time).await?;
            }
            Fault::FailOver => return system.postgres.fail_over().await,
            Fault::ReadOnly(time) => self.read_only(time).await?,
            Fault::NoSessions(time) => self.no_sessions(time).await?,
            Fault::TopicAgain => self.topic_again().await?,
            Fault::Rebuild(view) => self.rebuild(view).await?,
            Fault::Race => self.clients.race(cycle.number).await,
        }
        Ok(Instant::now())
    }

    async fn network_fault(
        &self,
        cycle: &Cycle,
        part: Part,
        end: End,
        network_fault: NetworkFault,
        time: Duration,
    ) -> anyhow::Result<()> {
        let link = instance(self, part)?.link(end);
        let before = link.hurt();
        link.inject(network_fault);
        sleep(time).await;
        link.inject(NetworkFault::None);
        // A silent way is felt by what is sent on it, which may be seen only when it ends.
        sleep(LOOK_AGAIN).await;
        if link.hurt() == before {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.without_effect.push(cycle.to_string());
        }
        Ok(())
    }

    /// Executes statements one by one, again while the server is away.
    async fn execute(&self, statements: &[String]) -> anyhow::Result<()> {
        let waited = Instant::now();
        loop {
            let done = async {
                let mut superuser = self.clients.system.superuser("").await?;
                for statement in statements {
                    sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut superuser).await?;
                }
                anyhow::Ok(())
            };
            match done.await {
                Ok(()) => return Ok(()),
                Err(error) if waited.elapsed() > RECOVERY_MAX => return Err(error),
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }

    async fn read_only(&self, time: Duration) -> anyhow::Result<()> {
        let set = |to: &str| {
            let set = format!("alter system set default_transaction_read_only = {to}");
            [set, "select pg_reload_conf()".to_owned()]
        };
        self.execute(&set("on")).await?;
        sleep(time).await;
        // This session would be read-only, too, but that is no obstacle for settings of the server.
        self.execute(&set("off")).await
    }

    async fn no_sessions(&self, time: Duration) -> anyhow::Result<()> {
        let roles = ["stockbook_command", "stockbook_query"];
        let limit = |to: i32| roles.map(|role| format!("alter role {role} connection limit {to}"));
        let end = "select pg_terminate_backend(pid) from pg_stat_activity where usename like 'stockbook%'";
        self.execute(&[&limit(0)[..], &[end.to_owned()]].concat()).await?;
        sleep(time).await;
        self.execute(&limit(-1)).await
    }

    async fn topic_again(&self) -> anyhow::Result<()> {
        let system = self.clients.system;
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &system.brokers).create()?;
        let deleted = admin.delete_topics(&[TOPIC], &AdminOptions::new()).await?;
        if let Some(Err((topic, code))) = deleted.into_iter().next() {
            bail!("{topic} cannot be deleted: {code}");
        }
        let waited = Instant::now();
        // Kafka takes a moment until the name is free.
        while let Err(error) = system.create_topic().await {
            if waited.elapsed() > RECOVERY_MAX {
                return Err(error);
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Again if something else goes wrong meanwhile: a rebuild that was ended continues.
    async fn rebuild(&self, view: &str) -> anyhow::Result<()> {
        let waited = Instant::now();
        for arguments in [&["rebuild", view][..], &["rebuild", view, "--drop"]] {
            while let Err(said) = self.clients.system.query_task(arguments).await {
                if waited.elapsed() > RECOVERY_MAX {
                    bail!("{arguments:?}: {said}");
                }
                sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }

    /// Waits until what was hurt works again.
    async fn recovered(&self, fault: Fault) -> anyhow::Result<()> {
        let hurt = match fault {
            Fault::Kill(part) | Fault::Pause(part, _) | Fault::Way(part, ..) => part,
            Fault::ReadOnly(_) | Fault::NoSessions(_) | Fault::FailOver => Part::Postgres,
            Fault::TopicAgain => Part::Kafka,
            // The rebuild itself is the proof, and so is the race.
            Fault::Rebuild(_) | Fault::Race => return Ok(()),
        };
        let system = self.clients.system;
        match hurt {
            Part::Command(nth) => {
                let last = self.accepts(nth).await?;
                match fault {
                    Fault::Way(_, End::Kafka, ..) => self.published(&last).await,
                    _ => Ok(()),
                }
            }
            Part::Query(nth) => {
                let last = self.clients.canary(0, false).await.context("no command is accepted")?;
                self.knows(&system.queries[nth], &last).await
            }
            Part::Postgres => {
                self.accepts(0).await?;
                let last = self.accepts(1).await?;
                self.views_know(&last).await
            }
            Part::Kafka => {
                let last = self.clients.canary(0, false).await.context("no command is accepted")?;
                self.published(&last).await?;
                self.views_know(&last).await
            }
        }
    }

    /// Waits until a command-service is ready and accepts a command.
    async fn accepts(&self, nth: usize) -> anyhow::Result<PositionToken> {
        self.ready(&self.clients.system.commands[nth]).await?;
        self.clients.canary(nth, true).await.context("the command is not accepted")
    }

    async fn views_know(&self, position: &PositionToken) -> anyhow::Result<()> {
        for instance in &self.clients.system.queries {
            self.knows(instance, position).await?;
        }
        Ok(())
    }

    async fn ready(&self, instance: &Instance) -> anyhow::Result<()> {
        until("not ready", async || {
            let asked = instance.direct.try_send(Method::GET, "/readyz", &[], None);
            match timeout(ANSWER_MAX, asked).await {
                Ok(Ok(answer)) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Waits until a query-service answers with what was just recorded.
    async fn knows(&self, instance: &Instance, position: &PositionToken) -> anyhow::Result<()> {
        self.ready(instance).await?;
        let path = format!("/v1/stock/CANARY/MAIN?min_position={position}&wait_ms=1000");
        until("the view does not follow", async || {
            let asked = instance.direct.try_send(Method::GET, &path, &[], None);
            match timeout(ANSWER_MAX, asked).await {
                Ok(Ok(answer)) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Waits until the relay knows that Kafka has this.
    async fn published(&self, position: &PositionToken) -> anyhow::Result<()> {
        until("the relay does not publish", async || {
            let api = &self.clients.system.commands[0].direct;
            let asked = api.try_send(Method::GET, "/v1/relay", &[], None);
            let Ok(Ok(answer)) = timeout(ANSWER_MAX, asked).await else {
                return Err("no answer".to_owned());
            };
            let lanes = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
            let mark = |lane: i64| {
                let mut lanes = lanes["items"].as_array().into_iter().flatten();
                lanes.find(|one| one["lane"] == lane).and_then(|one| one["mark"].as_i64())
            };
            let behind = position.iter().any(|(lane, position)| {
                mark(i64::from(lane.0)).is_none_or(|mark| mark < position.0)
            });
            if behind { Err(answer.body) } else { Ok(()) }
        })
        .await
    }
}

fn instance<'a>(injector: &'a Injector<'_>, part: Part) -> anyhow::Result<&'a Instance> {
    injector.clients.system.instance(part).context("only a service has instances")
}

async fn until(what: &str, mut ask: impl AsyncFnMut() -> Result<(), String>) -> anyhow::Result<()> {
    let waited = Instant::now();
    loop {
        let Err(seen) = ask().await else { return Ok(()) };
        if waited.elapsed() > RECOVERY_MAX {
            bail!("{what} within {RECOVERY_MAX:?}: {seen}");
        }
        sleep(LOOK_AGAIN).await;
    }
}
