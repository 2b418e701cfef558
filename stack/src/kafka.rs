//! A real Kafka node of our own, broker and controller in one.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use tokio::process::Command;

use crate::cache::Programs;
use crate::folder::DataFolder;
use crate::process::{Kind, Spec, run};
use crate::server::Address;
use crate::services::Service;
use crate::whole::{make_folder, make_whole, write_whole};

/// One small node, whose data is mostly in the page cache.
const HEAP: &str = "512m";

const JVM_OPTIONS: [&str; 3] = [
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

/// What a node has besides, such as a listener where clients sign in.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Lines of `server.properties`; they replace earlier ones of the same name. `{broker}` and `{controller}`
    /// are the node's ports.
    pub properties: String,
    /// Arguments of the tool that makes the log.
    pub format: Vec<String>,
    /// The id that the nodes of a cluster share; a new one by default.
    pub cluster: Option<String>,
    /// The most memory for objects, as Java writes it; enough for one node by default.
    pub heap: Option<&'static str>,
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
    extras: &Extras,
) -> anyhow::Result<Service> {
    crate::java::check(java, false).await?;
    let home = folder.kafka();
    make_folder(&home, 0o700)?;
    let (log, properties) = (home.join("log"), home.join("server.properties"));
    let configure = |log: &Path| {
        let more = extras.properties.replace("{broker}", &port.to_string());
        let more = more.replace("{controller}", &(port + 1).to_string());
        let text = server_properties(log, port) + &more;
        write_whole(&properties, text.as_bytes(), 0o600)
    };
    let arguments = |class: &str| -> Vec<OsString> {
        let mut arguments: Vec<OsString> = JVM_OPTIONS.iter().map(OsString::from).collect();
        let heap = extras.heap.unwrap_or(HEAP);
        arguments.extend([format!("-Xmx{heap}").into(), compiling.option().into(), "-cp".into()]);
        arguments.extend([programs.kafka_class_path().into(), class.into()]);
        arguments
    };
    // A formatted log keeps the cluster id from then on.
    make_whole(&log, 0o700, async |partial| {
        configure(partial)?;
        let cluster = extras.cluster.clone().unwrap_or_else(cluster_id);
        let mut tool = Command::new(java);
        tool.args(arguments("kafka.tools.StorageTool"))
            .args(["format", "-t", &cluster, "-c"])
            .arg(&properties)
            .args(&extras.format)
            .current_dir("/");
        run(&mut tool).await.context("cannot make Kafka's log")
    })
    .await?;
    configure(&log)?;
    let mut args = arguments("kafka.Kafka");
    args.push(properties.clone().into());
    let spec = Spec {
        kind: Kind::Kafka,
        name: "kafka".to_owned(),
        program: java.to_owned(),
        args,
        env: Vec::new(),
        user: None,
    };
    Service::server(folder, spec, Address::Kafka(brokers(port)))
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
        // A backslash escapes. A comma would end the path, because `log.dirs` is a list; Kafka then
        // reports that itself.
        log = log.display().to_string().replace('\\', "\\\\"),
    )
}

/// An id of a new cluster: 16 bytes in URL-safe base64 without padding, as Kafka writes its ids; hexadecimal
/// digits have no leading `-`, and the last of the 22 letters carries two bits only, here zero.
#[must_use]
pub fn cluster_id() -> String {
    hex::encode(rand::random::<[u8; 11]>())[..21].to_owned() + "A"
}
