//! A real Kafka node, broker and controller in one, made and run here.

pub mod configuration;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::RngExt;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::cache::Programs;
use crate::folder::DataFolder;
use crate::process::log::tail;
use crate::process::{Kind, Process, Spec};
use crate::whole::{make_folder, make_whole, write_whole};
use configuration::Configuration;

/// Long, because after a hard end Kafka first looks through its log.
const START_MAX: Duration = Duration::from_secs(180);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long a broker may take to answer one question, and another's to answer at all.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const OTHERS_ANSWER_MAX: Duration = Duration::from_secs(15);

/// One small node, whose data is mostly in the page cache.
const JVM_OPTIONS: [&str; 4] = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
];

/// How far Java compiles what a node does often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compiling {
    /// Quickly: for tests and trials, a short start is worth more than the last bit of speed.
    Quickly,
    /// Fully, as for a node that runs for days: after half a minute of work it takes a third less
    /// processor time.
    Fully,
}

impl Compiling {
    fn option(self) -> &'static str {
        match self {
            Self::Quickly => "-XX:TieredStopAtLevel=1",
            Self::Fully => "-XX:+TieredCompilation",
        }
    }
}

/// The two ports of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KafkaPorts {
    /// For clients.
    pub broker: u16,
    /// For the node itself.
    pub controller: u16,
}

/// A Kafka node of our own.
#[derive(Debug)]
pub struct Kafka {
    process: Process,
    brokers: String,
}

impl Kafka {
    /// Makes the data where there is none yet, and starts the node.
    ///
    /// # Errors
    /// Java is missing or too old, or Kafka's programs fail.
    pub async fn launch(
        folder: &DataFolder,
        programs: &Programs,
        java: &Path,
        ports: KafkaPorts,
        compiling: Compiling,
    ) -> anyhow::Result<Self> {
        crate::java::check_java(java).await?;
        let site = Site {
            home: folder.kafka(),
            class_path: programs.kafka_class_path(),
            java: java.to_owned(),
            compiling,
        };
        make_folder(&site.home, 0o700)?;
        site.make_log(ports).await?;
        site.configure(&site.log(), ports)?;
        Ok(Self {
            process: Process::start(folder, site.server())?,
            brokers: format!("127.0.0.1:{}", ports.broker),
        })
    }

    /// Waits until the node answers.
    ///
    /// # Errors
    /// It ended, or did not answer in time; the message ends with its log.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            let Err(seen) = answers(&self.brokers).await else {
                return Ok(());
            };
            if self.process.has_ended()? {
                bail!("Kafka ended while it was starting; {}", tail(self.process.log(), 20));
            }
            if Instant::now() > deadline {
                bail!("Kafka does not answer ({seen:#}); {}", tail(self.process.log(), 20));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Starts it once more after it has ended, and waits until it answers.
    ///
    /// # Errors
    /// As [`Kafka::ready`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.start_again()?;
        self.ready().await
    }

    /// Waits until the node has ended.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.ended().await
    }

    /// Stops the node in order.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.stop().await
    }

    /// Its process: to kill, pause and resume it, and for its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
}

/// Waits for brokers that others run.
///
/// # Errors
/// They do not answer.
pub(crate) async fn wait_for_others(brokers: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + OTHERS_ANSWER_MAX;
    loop {
        match metadata(brokers).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("cannot reach Kafka at {brokers}"));
            }
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Asks our own node, which has one address: a closed port is seen at once, while a client library
/// would wait longer and longer between its attempts.
async fn answers(address: &str) -> anyhow::Result<()> {
    TcpStream::connect(address).await.context("the port is closed")?;
    metadata(address).await
}

async fn metadata(brokers: &str) -> anyhow::Result<()> {
    let brokers = brokers.to_owned();
    let ask = move || {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .create()
            .context("a client cannot be made")?;
        let metadata = admin.inner().fetch_metadata(None, ANSWER_MAX)?;
        if metadata.brokers().is_empty() {
            bail!("it knows no broker yet");
        }
        Ok(())
    };
    tokio::task::spawn_blocking(ask).await.context("asking Kafka was cut off")?
}

/// One node's folder: `server.properties` and `log/`.
struct Site {
    home: PathBuf,
    class_path: PathBuf,
    java: PathBuf,
    compiling: Compiling,
}

impl Site {
    fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    fn properties(&self) -> PathBuf {
        self.home.join("server.properties")
    }

    /// Formats the log, which from then on keeps the cluster's id.
    async fn make_log(&self, ports: KafkaPorts) -> anyhow::Result<()> {
        make_whole(&self.log(), 0o700, async |partial| {
            self.configure(partial, ports)?;
            let output = Command::new(&self.java)
                .args(self.java_arguments("kafka.tools.StorageTool"))
                .args(["format", "-t", &cluster_id(), "-c"])
                .arg(self.properties())
                .current_dir("/")
                .kill_on_drop(true)
                .output()
                .await
                .context("cannot run Kafka's storage tool")?;
            if !output.status.success() {
                let said = [output.stdout, output.stderr].concat();
                bail!("Kafka's log cannot be made:\n{}", String::from_utf8_lossy(&said).trim());
            }
            Ok(())
        })
        .await
    }

    fn configure(&self, log: &Path, ports: KafkaPorts) -> anyhow::Result<()> {
        let text = Configuration { log, ports }.text();
        write_whole(&self.properties(), text.as_bytes(), 0o644)
    }

    fn server(&self) -> Spec {
        let mut args = self.java_arguments("kafka.Kafka");
        args.push(self.properties().into());
        Spec {
            kind: Kind::Kafka,
            name: "kafka".to_owned(),
            program: self.java.clone(),
            args,
            env: Vec::new(),
            user: None,
        }
    }

    fn java_arguments(&self, class: &str) -> Vec<OsString> {
        let mut args: Vec<OsString> = JVM_OPTIONS.iter().map(OsString::from).collect();
        args.push(self.compiling.option().into());
        args.push("-cp".into());
        args.push(self.class_path.clone().into());
        args.push(class.into());
        args
    }
}

/// 128 random bits in URL-safe base64 without padding, as Kafka writes its ids.
fn cluster_id() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    let mut id: String =
        (0..21).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect();
    // The last of the 22 letters carries two bits only; `A` is both of them zero.
    id.push('A');
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_is_22_letters_of_which_the_last_is_padding() {
        let id = cluster_id();
        assert_eq!(id.len(), 22);
        assert!(id.ends_with('A'));
        assert_ne!(id, cluster_id());
    }
}
