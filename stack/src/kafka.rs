//! A real Kafka node of our own, broker and controller in one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::process::Command;

use crate::cache::Programs;
use crate::folder::DataFolder;
use crate::process::{Kind, Spec, run};
use crate::server::Address;
use crate::services::Service;
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

/// `host:port` for clients of a node of our own.
pub(crate) fn brokers(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Makes the data where there is none yet, and starts a node on this port; its controller uses the
/// next one.
pub(crate) async fn launch(
    folder: &DataFolder,
    programs: &Programs,
    java: &Path,
    port: u16,
    compiling: Compiling,
) -> anyhow::Result<Service> {
    crate::java::check(java, false).await?;
    let site = Site {
        home: folder.kafka(),
        class_path: programs.kafka_class_path(),
        java: java.to_owned(),
        compiling,
    };
    make_folder(&site.home, 0o700)?;
    site.make_log(port).await?;
    site.configure(&site.log(), port)?;
    Service::server(folder, site.server(), Address::Kafka(brokers(port)))
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
    async fn make_log(&self, port: u16) -> anyhow::Result<()> {
        make_whole(&self.log(), 0o700, async |partial| {
            self.configure(partial, port)?;
            let mut tool = Command::new(&self.java);
            tool.args(self.java_arguments("kafka.tools.StorageTool"))
                .args(["format", "-t", &cluster_id(), "-c"])
                .arg(self.properties())
                .current_dir("/");
            run(&mut tool).await.context("cannot make Kafka's log")
        })
        .await
    }

    fn configure(&self, log: &Path, port: u16) -> anyhow::Result<()> {
        write_whole(&self.properties(), server_properties(log, port).as_bytes(), 0o644)
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

fn server_properties(log: &Path, port: u16) -> String {
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
        controller = port + 1,
        broker = port,
        log = escaped(log),
    )
}

/// A path as a value of a properties file, where a backslash escapes.
///
/// A comma would end the path, because `log.dirs` is a list; Kafka then reports that itself.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}

/// 16 bytes in URL-safe base64 without padding, as Kafka writes its ids; hexadecimal digits have
/// no leading `-`, and the last of the 22 letters carries two bits only, here zero.
fn cluster_id() -> String {
    hex::encode(rand::random::<[u8; 11]>())[..21].to_owned() + "A"
}
