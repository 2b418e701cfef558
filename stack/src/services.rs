//! Stockbook's own services: their programs, run as processes of their own.

pub mod build;
pub mod settings;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::Url;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use crate::folder::DataFolder;
use crate::process::log::tail;
use crate::process::{Kind, Process, Spec};
use settings::Settings;

const LISTEN_MAX: Duration = Duration::from_secs(60);
const ANSWER_MAX: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long `migrate` and `create-topic` may take.
const TASK_MAX: Duration = Duration::from_secs(120);

/// A running service.
#[derive(Debug)]
pub struct Service {
    process: Process,
    address: SocketAddr,
}

impl Service {
    /// Starts `serve` of a service and waits until its socket is open.
    ///
    /// # Errors
    /// It ended or did not open its socket in time; the message ends with its log.
    pub async fn start(
        folder: &DataFolder,
        name: &str,
        program: &Path,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let spec = Spec {
            kind: Kind::Service,
            name: name.to_owned(),
            program: program.to_owned(),
            args: vec!["serve".into()],
            env: settings.environment(),
            user: None,
        };
        let mut process = Process::start(folder, spec)?;
        let address = listening(&mut process).await?;
        Ok(Self { process, address })
    }

    /// Starts it once more after it has ended, on the port it had.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.set_variable("LISTEN", self.address.to_string());
        self.process.start_again()?;
        self.address = listening(&mut self.process).await?;
        Ok(())
    }

    /// Waits until `/readyz` says that it can do its work.
    ///
    /// # Errors
    /// It ended, or was not ready in time; the message says what it answered last and ends with
    /// its log.
    pub async fn ready(&mut self, within: Duration) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.url());
        // This machine's proxy, if it has one, leads elsewhere.
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_MAX)
            .build()
            .context("an HTTP client cannot be made")?;
        let deadline = Instant::now() + within;
        loop {
            let Err(seen) = ask_ready(&client, &url).await else {
                return Ok(());
            };
            let name = self.process.name().to_owned();
            if self.process.has_ended()? {
                bail!("{name} ended while it was starting; {}", tail(self.process.log(), 20));
            }
            if Instant::now() > deadline {
                bail!("{name} is not ready ({seen:#}); {}", tail(self.process.log(), 20));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.ended().await
    }

    /// Asks it to end (SIGTERM) and waits; kills it when it takes too long.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.stop().await
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.kill().await
    }

    /// Its process: to pause and resume it, and for its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Runs a task of a service (`migrate`, `create-topic`) to its end.
///
/// # Errors
/// It failed or took too long; the message holds what it said.
pub async fn run_task(program: &Path, task: &str, settings: &Settings) -> anyhow::Result<()> {
    let name = program.file_name().unwrap_or_default().display();
    let output = Command::new(program)
        .arg(task)
        .envs(settings.environment())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(TASK_MAX, output)
        .await
        .with_context(|| format!("{name} {task} took longer than {} s", TASK_MAX.as_secs()))?
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{name} {task} failed:\n{}", String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

async fn ask_ready(client: &reqwest::Client, url: &str) -> anyhow::Result<()> {
    let answer = client.get(Url::parse(url)?).send().await?;
    let status = answer.status();
    if !status.is_success() {
        bail!("{status}: {}", answer.text().await.unwrap_or_default());
    }
    Ok(())
}

/// Waits for the line on standard output that says where the service listens.
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
        (Ok(Ok(0)), None) => bail!("{name} ended at once; {}", tail(process.log(), 20)),
        _ => bail!("{name} did not say where it listens but {line:?}; {}", tail(process.log(), 20)),
    }
}

/// Reads on, so that a service which says more finds its standard output open.
async fn drain(mut lines: BufReader<ChildStdout>) {
    // The end of it is the end of the service, which others wait for.
    let _ = tokio::io::copy_buf(&mut lines, &mut tokio::io::sink()).await;
}

/// The address in `listening on http://127.0.0.1:8080`.
fn address(line: &str) -> Option<SocketAddr> {
    line.trim().strip_prefix("listening on http://")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_a_service_prints() {
        let found = address("listening on http://127.0.0.1:8080\n").unwrap();
        assert_eq!(found.port(), 8080);
        assert_eq!(address(""), None);
        assert_eq!(address("listening on 127.0.0.1:8080"), None);
    }
}
