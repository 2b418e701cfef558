//! A real Kafka node of our own, broker and controller in one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::RngExt;
use tokio::process::Command;

use crate::cache::Programs;
use crate::folder::DataFolder;
use crate::process::{Kind, Process, Spec};
use crate::server::{Address, Server};
use crate::whole::{make_folder, make_whole, write_whole};

/// One small node, whose data is mostly in the page cache.
const JVM_OPTIONS: [&str; 4] = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
];

/// How far Java compiles the code that runs often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compiling {
    /// A short start is worth more in tests and trials than the last bit of speed.
    Quickly,
    /// For a node that runs for days: after half a minute it needs a third less processor time.
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

impl KafkaPorts {
    /// `host:port` for clients.
    pub(crate) fn brokers(self) -> String {
        format!("127.0.0.1:{}", self.broker)
    }
}

/// Makes the data where there is none yet, and starts a node.
pub(crate) async fn launch(
    folder: &DataFolder,
    programs: &Programs,
    java: &Path,
    ports: KafkaPorts,
    compiling: Compiling,
) -> anyhow::Result<Server> {
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
    let process = Process::start(folder, site.server())?;
    Ok(Server::new(process, Address::Kafka(ports.brokers())))
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

    /// Formats the log, which keeps the cluster id from then on.
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
                .context("cannot run the storage tool of Kafka")?;
            if !output.status.success() {
                let output = [output.stdout, output.stderr].concat();
                bail!("cannot make Kafka's log:\n{}", String::from_utf8_lossy(&output).trim());
            }
            Ok(())
        })
        .await
    }

    fn configure(&self, log: &Path, ports: KafkaPorts) -> anyhow::Result<()> {
        write_whole(&self.properties(), server_properties(log, ports).as_bytes(), 0o644)
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

fn server_properties(log: &Path, ports: KafkaPorts) -> String {
    format!(
        "\
# One node that is broker and controller.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log}

# After a hard end the node may register again when its old session has expired: 1 s, not 9 s.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200

# One node for one copy, and few groups.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4

# A consumer's first assignment does not wait for others to join.
group.initial.rebalance.delay.ms=0

# The services create their topics, and no event expires.
auto.create.topics.enable=false
log.retention.ms=-1

# The size of a developer's machine.
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
",
        controller = ports.controller,
        broker = ports.broker,
        log = escaped(log),
    )
}

/// A path as a value of a properties file, where a backslash escapes.
///
/// A comma would end the path, because `log.dirs` is a list; Kafka then reports that itself.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
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

    #[test]
    fn the_node_listens_on_this_machine_only_and_creates_no_topic_by_itself() {
        let ports = KafkaPorts { broker: 19092, controller: 19093 };
        let text = server_properties(Path::new("/home/ann/kafka/log"), ports);
        for line in [
            "listeners=PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093",
            "advertised.listeners=PLAINTEXT://127.0.0.1:19092",
            "controller.quorum.voters=1@127.0.0.1:19093",
            "log.dirs=/home/ann/kafka/log",
            "auto.create.topics.enable=false",
            "broker.session.timeout.ms=1000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
