//! Stockbook's services and their servers, each run as a process.

pub mod build;
pub mod settings;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use crate::access::Access;
use crate::folder::DataFolder;
use crate::process::{Kind, Process, Spec, output};
use crate::server::{Address, LOOK_AGAIN};
use settings::Settings;

const LISTEN_MAX: Duration = Duration::from_secs(60);

/// Long, because after a hard end the servers first recover their data.
pub(crate) const START_MAX: Duration = Duration::from_secs(180);

/// The limit for `migrate` and `create-topic`.
const TASK_MAX: Duration = Duration::from_secs(120);

/// Logged by Postgres when it was killed and its last sessions have not ended yet.
const STILL_IN_USE: &str = "is still in use";

/// A service, or a server of our own.
pub struct Service {
    process: Process,
    address: Address,
}

impl Service {
    /// Starts a service and waits until its socket is open.
    pub async fn start(
        folder: &DataFolder,
        name: &str,
        program: &Path,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let mut process = Process::start(folder, spec(name, program, &["serve"], settings))?;
        let access = Access { ca: settings.ca.clone(), ..Access::default() };
        let address = Address::Service(listening(&mut process).await?, access);
        Ok(Self { process, address })
    }

    /// Starts a service that speaks over Kafka only, without waiting for it.
    pub fn participant(
        folder: &DataFolder,
        name: &str,
        program: &Path,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        Self::server(folder, spec(name, program, &[], settings), Address::Participant)
    }

    /// Starts a server, without waiting for it.
    pub(crate) fn server(
        folder: &DataFolder,
        spec: Spec,
        address: Address,
    ) -> anyhow::Result<Self> {
        Ok(Self { process: Process::start(folder, spec)?, address })
    }

    /// Starts it again after it has ended, where it was, and waits until a service has opened its
    /// socket and a server answers.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let Address::Service(address, _) = self.address else {
            self.process.start_again()?;
            return self.ready(START_MAX).await;
        };
        self.process.set_variable("LISTEN", address.to_string());
        self.process.start_again()?;
        // The same one, if LISTEN holds.
        listening(&mut self.process).await?;
        Ok(())
    }

    /// Waits until it can work.
    pub async fn ready(&mut self, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        let address = &self.address;
        loop {
            let ready = self.process.wait_until(within, async || address.ask().await).await;
            // Sessions that end write so much that the end of the log does not have it any more.
            let again = ready.is_err() && self.process.has_logged(STILL_IN_USE);
            if !again || self.process.pid().is_some() || Instant::now() > deadline {
                return ready;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            self.process.start_again()?;
        }
    }

    /// The base URL of a service, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.address.to_string()
    }

    /// How it is asked.
    #[must_use]
    pub fn access(&self) -> Access {
        match &self.address {
            Address::Service(_, access) => access.clone(),
            Address::Participant | Address::Postgres(_) | Address::Kafka(_) => Access::default(),
        }
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.ended().await
    }

    /// Stops it in an orderly way; kills it when that takes too long.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.stop().await
    }

    /// Ends it at once, as `kill -9` does.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.kill().await
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn spec(name: &str, program: &Path, args: &[&str], settings: &Settings) -> Spec {
    Spec {
        kind: Kind::Service,
        name: name.to_owned(),
        program: program.to_owned(),
        args: args.iter().map(Into::into).collect(),
        env: settings.environment(),
        user: None,
    }
}

/// Runs a task of a service (`migrate`, `create-topic`) to its end.
pub async fn run_task(program: &Path, task: &str, settings: &Settings) -> anyhow::Result<()> {
    task_output(program, &[task], settings).await.map(drop)
}

/// The same with arguments, and with what the task writes to standard output.
pub async fn task_output(
    program: &Path,
    task: &[&str],
    settings: &Settings,
) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(task).envs(settings.environment()).stdin(Stdio::null());
    let ran = tokio::time::timeout(TASK_MAX, output(&mut command)).await;
    ran.with_context(|| format!("it took longer than {} s", TASK_MAX.as_secs()))
        .flatten()
        .with_context(|| format!("the task {} of {}", task.join(" "), program.display()))
}

/// Waits for the line on standard output with the address that the service listens on.
async fn listening(process: &mut Process) -> anyhow::Result<SocketAddr> {
    let name = process.name().to_owned();
    let stdout = process.take_stdout().with_context(|| format!("{name} has no standard output"))?;
    let mut lines = BufReader::new(stdout);
    let mut line = String::new();
    let read = tokio::time::timeout(LISTEN_MAX, lines.read_line(&mut line)).await;
    match (read, address(&line)) {
        (Ok(Ok(_)), Some(address)) => {
            tokio::spawn(drain(lines));
            Ok(address)
        }
        (Ok(Ok(0)), None) => bail!("{name} ended at once; {}", process.tail()),
        _ => bail!("{name} printed {line:?} instead of its address; {}", process.tail()),
    }
}

/// Keeps reading, so that the service can always write to its standard output.
async fn drain(mut lines: BufReader<ChildStdout>) {
    // It ends when the service ends, and the process reports that.
    let _ = tokio::io::copy_buf(&mut lines, &mut tokio::io::sink()).await;
}

/// The address in `listening on http://127.0.0.1:8080`.
fn address(line: &str) -> Option<SocketAddr> {
    let (scheme, address) = line.trim().strip_prefix("listening on ")?.split_once("://")?;
    ["http", "https"].contains(&scheme).then(|| address.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_a_service_prints() {
        let found = address("listening on http://127.0.0.1:8080\n").unwrap();
        assert_eq!(found.port(), 8080);
        assert!(address("listening on https://127.0.0.1:8080\n").is_some());
        assert_eq!(address(""), None);
        assert_eq!(address("listening on 127.0.0.1:8080"), None);
    }
}
