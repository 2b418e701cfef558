//! A started process. It is recorded, so that a later start finds it, and stopped within a time limit.

pub mod record;

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, ChildStdout, Command};

use crate::folder::DataFolder;
use crate::user::User;
use crate::whole::ignore_missing;
use record::Record;

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The part of a log that an error message quotes.
const TAIL_BYTES: u64 = 16 * 1024;
const TAIL_LINES: usize = 20;

/// The part of a log that is searched.
const LOOKED_AT_MAX: u64 = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Service,
    Kafka,
    Postgres,
}

impl Kind {
    /// Postgres ends its sessions and stops on SIGINT; on SIGTERM it would wait for its clients.
    fn stop_signal(self) -> Signal {
        match self {
            Self::Service | Self::Kafka => Signal::TERM,
            Self::Postgres => Signal::INT,
        }
    }

    /// The time to stop in before the process is killed.
    fn stop_max(self) -> Duration {
        match self {
            Self::Service => Duration::from_secs(15),
            Self::Kafka => Duration::from_secs(20),
            Self::Postgres => Duration::from_secs(30),
        }
    }
}

/// How to start a process. No `Debug`: the variables may hold passwords.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    /// Unique in the data folder: the name of the record and of the log.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Variables in addition to the inherited ones.
    pub(crate) env: Vec<(String, String)>,
    /// Another user to run it as; only root can.
    pub(crate) user: Option<User>,
}

/// A started process. Dropping it kills it; [`Process::stop`] is the orderly way.
pub struct Process {
    spec: Spec,
    log: PathBuf,
    /// Where the log of this start begins.
    log_from: u64,
    record: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a process that writes to `NAME.log`. The log of the run before becomes `NAME.log.old`.
    pub(crate) fn start(folder: &DataFolder, spec: Spec) -> anyhow::Result<Self> {
        let log = folder.logs().join(format!("{}.log", spec.name));
        ignore_missing(std::fs::rename(&log, log.with_extension("log.old")))
            .with_context(|| format!("cannot rename {}", log.display()))?;
        let record = folder.records().join(format!("{}.json", spec.name));
        let child = spawn(&spec, &log, &record)?;
        Ok(Self { spec, log, log_from: 0, record, child })
    }

    /// Starts it again after it has ended, with the same log.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        if self.child.id().is_some() {
            bail!("{} still runs", self.spec.name);
        }
        self.log_from = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        self.child = spawn(&self.spec, &self.log, &self.record)?;
        Ok(())
    }

    /// Whether its log has this text since the last start. Another process may have written there, too, such as
    /// children of the one before.
    pub(crate) fn has_logged(&self, text: &str) -> bool {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut log = File::open(&self.log)?;
            log.seek(SeekFrom::Start(self.log_from))?;
            let mut bytes = Vec::new();
            log.take(LOOKED_AT_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
    }

    /// Sets a variable for the next start.
    pub(crate) fn set_variable(&mut self, name: &str, value: String) {
        self.spec.env.retain(|(known, _)| known != name);
        self.spec.env.push((name.to_owned(), value));
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of the log, for an error message.
    pub(crate) fn tail(&self) -> String {
        let lines = match read_end(&self.log) {
            Ok(text) => last_lines(&text, TAIL_LINES),
            Err(error) => format!("  (cannot be read: {error})"),
        };
        format!("the end of {}:\n{lines}", self.log.display())
    }

    /// The standard output of a service, once; that of the servers is in the log.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Repeats a check until it succeeds.
    pub(crate) async fn wait_until(
        &mut self,
        within: Duration,
        check: impl AsyncFn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let Err(seen) = check().await else {
                return Ok(());
            };
            if self.has_ended()? {
                bail!("{} ended while it was starting; {}", self.spec.name, self.tail());
            }
            if Instant::now() > deadline {
                bail!("{} is not ready ({seen:#}); {}", self.spec.name, self.tail());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether it has ended, without waiting.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        let status = self.child.try_wait();
        Ok(status.with_context(|| format!("cannot look at {}", self.spec.name))?.is_some())
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let status = self.child.wait().await;
        let status = status.with_context(|| format!("cannot wait for {}", self.spec.name))?;
        record::remove(&self.record);
        Ok(status)
    }

    /// Stops it in an orderly way; kills it when that takes too long.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(self.spec.kind.stop_signal())?;
        let stop_max = self.spec.kind.stop_max();
        if let Ok(ended) = tokio::time::timeout(stop_max, self.ended()).await {
            return ended;
        }
        tracing::warn!(
            "{} did not stop within {} s and is killed; its log: {}",
            self.spec.name,
            stop_max.as_secs(),
            self.log.display()
        );
        self.kill().await
    }

    /// Ends it at once, as `kill -9` does.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::KILL)?;
        self.ended().await
    }

    /// Stops its clock: it keeps its memory and its sockets, and does nothing.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // Without an id it has ended, and another process may have the number by now.
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
    let output = OpenOptions::new().create(true).append(true).open(log);
    let output = output.with_context(|| format!("cannot write {}", log.display()))?;
    let stdout = match spec.kind {
        // It prints the address that it listens on.
        Kind::Service => Stdio::piped(),
        Kind::Kafka | Kind::Postgres => output.try_clone().context("cannot share a log")?.into(),
    };
    let record = Record::create(record)?;
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(record.try_clone().context("cannot share a record")?)
        .stdout(stdout)
        .stderr(output)
        // Ctrl-C in a terminal goes to the whole process group, and we stop processes in order.
        .process_group(0)
        .kill_on_drop(true);
    if let Some(user) = spec.user {
        command.uid(user.uid).gid(user.gid);
    }
    let started = command.spawn();
    let child = started.with_context(|| format!("cannot start {}", spec.program.display()))?;
    if let Some(pid) = child.id() {
        Record { kind: spec.kind, name: spec.name.clone(), pid }.write(&record)?;
    }
    Ok(child)
}

/// Runs a program to its end; an error quotes its output.
pub(crate) async fn run(command: &mut Command) -> anyhow::Result<()> {
    output(command).await.map(drop)
}

/// The same, with what it wrote to standard output.
pub(crate) async fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.as_std().get_program().display().to_string();
    let output = command.kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let output = [output.stdout, output.stderr].concat();
        bail!("{program} failed:\n{}", String::from_utf8_lossy(&output).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} did not write text"))
}

/// Sends a signal, unless the process has ended already.
fn send(pid: u32, signal: Signal) -> rustix::io::Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    match rustix::process::kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        sent => sent,
    }
}

fn read_end(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    let shown = &lines[lines.len().saturating_sub(count)..];
    if shown.is_empty() { "  (empty)".to_owned() } else { shown.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_process_said_is_found_however_much_was_logged_after_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).unwrap();
        let say = |text: &str| Spec {
            kind: Kind::Postgres,
            name: "sh".to_owned(),
            program: "sh".into(),
            args: vec!["-c".into(), format!("echo {text}; seq 1000").into()],
            env: Vec::new(),
            user: None,
        };
        let mut process = Process::start(&folder, say("it is still in use")).unwrap();
        process.ended().await.unwrap();
        assert!(process.has_logged("is still in use") && !process.tail().contains("in use"));
        process.spec = say("ready");
        process.start_again().unwrap();
        process.ended().await.unwrap();
        assert!(process.has_logged("ready") && !process.has_logged("is still in use"));
    }

    #[test]
    fn an_error_message_quotes_the_end_of_a_log() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "  b\n  c");
        assert_eq!(last_lines("", 2), "  (empty)");
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("kafka.log");
        std::fs::write(&log, format!("{}\nlast\n", "x".repeat(100_000))).unwrap();
        let end = read_end(&log).unwrap();
        assert!(end.len() as u64 <= TAIL_BYTES && end.ends_with("\nlast\n"));
    }
}
