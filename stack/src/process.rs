//! A process started here: recorded so that a later start finds it, stopped with a deadline,
//! never left behind.

pub mod record;
pub mod identity;
pub mod sweep;
pub mod log;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, ChildStdout, Command};

use crate::folder::DataFolder;
use crate::user::User;
use record::Record;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One of Stockbook's own services.
    Service,
    /// The Kafka node.
    Kafka,
    /// The Postgres server.
    Postgres,
}

impl Kind {
    /// The signal that asks it to end in order.
    ///
    /// Postgres takes SIGINT as "end the sessions and stop"; on SIGTERM it would wait for clients.
    fn polite_signal(self) -> Signal {
        match self {
            Self::Service | Self::Kafka => Signal::TERM,
            Self::Postgres => Signal::INT,
        }
    }

    /// How long it may take to end in order before it is killed.
    fn grace(self) -> Duration {
        match self {
            Self::Service => Duration::from_secs(15),
            Self::Kafka => Duration::from_secs(20),
            Self::Postgres => Duration::from_secs(30),
        }
    }
}

/// How to start a process. No `Debug`: its variables may hold passwords.
#[derive(Clone)]
pub struct Spec {
    /// What it is.
    pub kind: Kind,
    /// Its name, unique in the data folder: names its record and its log.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables set beside the inherited ones.
    pub env: Vec<(String, String)>,
    /// Another user to run it as; only root can.
    pub user: Option<User>,
}

/// A started process. Dropped, it is killed; [`Process::stop`] is the orderly end.
pub struct Process {
    spec: Spec,
    log: PathBuf,
    record: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a process, its output appended to `NAME.log` in the data folder's logs.
    ///
    /// # Errors
    /// The program cannot be run, or the data folder cannot be written.
    pub fn start(folder: &DataFolder, spec: Spec) -> anyhow::Result<Self> {
        let log = folder.logs().join(format!("{}.log", spec.name));
        log::set_aside(&log)?;
        let record = folder.records().join(format!("{}.json", spec.name));
        let child = spawn(&spec, &log, &record)?;
        Ok(Self { spec, log, record, child })
    }

    /// Starts it once more after it has ended, with the same log.
    ///
    /// # Errors
    /// It still runs, or the program cannot be run.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        if self.child.id().is_some() {
            bail!("{} still runs", self.spec.name);
        }
        self.child = spawn(&self.spec, &self.log, &self.record)?;
        Ok(())
    }

    /// Sets a variable for the next start.
    pub(crate) fn set_variable(&mut self, name: &str, value: String) {
        self.spec.env.retain(|(known, _)| known != name);
        self.spec.env.push((name.to_owned(), value));
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The file that holds what it said.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its standard output, once; only of a service is it not in the log.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Whether it has ended, without waiting.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        let status = self.child.try_wait();
        Ok(status.with_context(|| format!("cannot ask for {}", self.spec.name))?.is_some())
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let status = self
            .child
            .wait()
            .await
            .with_context(|| format!("cannot wait for {}", self.spec.name))?;
        record::remove(&self.record);
        Ok(status)
    }

    /// Ends it in order; kills it when it takes longer than its kind may.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(self.spec.kind.polite_signal())?;
        if let Ok(ended) = tokio::time::timeout(self.spec.kind.grace(), self.ended()).await {
            return ended;
        }
        tracing::warn!(
            "{} did not stop within {} s and is killed; its log: {}",
            self.spec.name,
            self.spec.kind.grace().as_secs(),
            self.log.display()
        );
        self.kill().await
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::KILL)?;
        self.ended().await
    }

    /// Stops its clock: it keeps its memory and its sockets and does nothing, as a long pause.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after a pause.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // No id: it has ended and was waited for, so the number may belong to another by now.
        let Some(pid) = self.child.id() else {
            return Ok(());
        };
        send(pid, signal).with_context(|| format!("cannot signal {}", self.spec.name))
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.spec.name, self.child.id())
    }
}

fn spawn(spec: &Spec, log: &Path, record: &Path) -> anyhow::Result<Child> {
    let output = log::open(log)?;
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(stdout_of(spec.kind, &output)?)
        .stderr(output)
        // Ctrl-C in a terminal goes to its whole group; the order of the end is ours.
        .process_group(0)
        .kill_on_drop(true);
    if let Some(user) = spec.user {
        command.uid(user.uid).gid(user.gid);
    }
    let child =
        command.spawn().with_context(|| format!("cannot start {}", spec.program.display()))?;
    if let Some(record_of) = child.id().and_then(|pid| Record::of(spec.kind, &spec.name, pid)) {
        record_of.write(record)?;
    }
    Ok(child)
}

/// A service says on standard output where it listens; all else goes to the log.
fn stdout_of(kind: Kind, log: &File) -> anyhow::Result<Stdio> {
    Ok(match kind {
        Kind::Service => Stdio::piped(),
        Kind::Kafka | Kind::Postgres => log.try_clone().context("cannot share a log")?.into(),
    })
}

/// Sends a signal; that the process is gone already is fine.
fn send(pid: u32, signal: Signal) -> rustix::io::Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    match rustix::process::kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        sent => sent,
    }
}
