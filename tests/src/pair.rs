//! A Postgres that a standby follows, and the way to the one of them that takes commands.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use reqwest::Url;
use sqlx::{Connection, PgConnection};
use stack::places::Places;
use stack::postgres::databases::DatabaseUrls;
use stack::postgres::member::Member;
use tokio::time::{Instant, sleep};

use crate::eventually::{DEADLINE, LOOK_AGAIN};
use crate::link::{Link, OpenLink};

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// For the disk of the standby, too.
    AtBoth,
    /// For nobody but the primary.
    AtThePrimary,
}

/// Two servers of which one follows the other.
pub struct Pair {
    root: PathBuf,
    commits: Commits,
    primary: Member,
    /// Until it has been promoted.
    standby: Option<Member>,
    /// What is left of the primary that was killed.
    dead: Option<Member>,
    /// Servers made so far.
    made: usize,
    /// The way of everybody to the primary, as a proxy in front of both servers would be.
    pub way: Link,
    /// The way of the standby to the primary.
    pub replication: Link,
}

impl Pair {
    /// Starts both, with nothing in them.
    pub async fn start(root: &Path, commits: Commits) -> anyhow::Result<Self> {
        let primary = Member::start(&root.join("member-0"), &Places::from_environment()?).await?;
        let way = OpenLink::bind().await?.lead_to(primary.port());
        let replication = OpenLink::bind().await?.lead_to(primary.port());
        let (root, standby) = (root.to_owned(), None);
        let (made, dead) = (1, None);
        let mut pair = Self { root, commits, primary, standby, dead, made, way, replication };
        pair.rejoin().await?;
        Ok(pair)
    }

    /// Creates databases, which are reached by the way.
    pub async fn create(&self, prefix: &str) -> anyhow::Result<DatabaseUrls> {
        let databases = self.primary.databases().await?;
        let made = databases.create(prefix).await?;
        Ok(DatabaseUrls {
            write_owner: self.by_way(&made.write_owner),
            read_owner: self.by_way(&made.read_owner),
            write: self.by_way(&made.write),
            read: self.by_way(&made.read),
        })
    }

    /// The superuser of the server that takes commands.
    pub fn admin_url(&self) -> Url {
        self.by_way(self.primary.admin_url())
    }

    fn by_way(&self, url: &Url) -> Url {
        let mut url = url.clone();
        url.set_port(Some(self.way.port)).expect("a database's URL has a port");
        url
    }

    /// The primary ends as by `kill -9`; the standby takes its place.
    pub async fn fail_over(&mut self) -> anyhow::Result<()> {
        let standby = self.standby.take().context("there is no standby")?;
        self.primary.kill().await?;
        standby.promote().await?;
        self.way.move_to(standby.port());
        self.dead = Some(std::mem::replace(&mut self.primary, standby));
        Ok(())
    }

    /// Makes a standby of what is there now, in place of the server that was killed. From then on commits wait for
    /// it, if they do so.
    pub async fn rejoin(&mut self) -> anyhow::Result<()> {
        if let Some(dead) = self.dead.take() {
            dead.remove().await?;
        }
        self.replication.move_to(self.primary.port());
        let root = self.root.join(format!("member-{}", self.made % 2));
        self.made += 1;
        self.standby = Some(self.primary.follow(&root, self.replication.port).await?);
        self.followed("async").await?;
        if self.commits == Commits::AtBoth {
            let mut admin = PgConnection::connect(self.primary.admin_url().as_str()).await?;
            for statement in
                ["alter system set synchronous_standby_names = '*'", "select pg_reload_conf()"]
            {
                sqlx::raw_sql(statement).execute(&mut admin).await?;
            }
            self.followed("sync").await?;
        }
        Ok(())
    }

    /// Waits until the standby has all that the primary has written by now.
    pub async fn caught_up(&self) -> anyhow::Result<()> {
        self.until(
            "the standby has everything",
            "select coalesce(bool_or(flush_lsn >= pg_current_wal_flush_lsn()), false) \
             from pg_stat_replication",
        )
        .await
    }

    /// Waits until a standby follows in this way: `async` or `sync`.
    async fn followed(&self, how: &str) -> anyhow::Result<()> {
        let query = format!(
            "select coalesce(bool_or(state = 'streaming' and sync_state = '{how}'), false) \
             from pg_stat_replication"
        );
        self.until(&format!("a standby follows, {how}"), &query).await
    }

    /// Asks the primary until it says yes.
    async fn until(&self, what: &str, query: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut admin = PgConnection::connect(self.primary.admin_url().as_str()).await?;
        loop {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()));
            if query.fetch_one(&mut admin).await? {
                return Ok(());
            }
            if started.elapsed() > DEADLINE {
                bail!("{what}: not within {DEADLINE:?}");
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Stops both and removes what they had.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { primary, standby, dead, .. } = self;
        for member in standby.into_iter().chain([primary]).chain(dead) {
            member.remove().await?;
        }
        Ok(())
    }
}
