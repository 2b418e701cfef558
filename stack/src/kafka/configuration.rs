//! What Kafka is told: one node, quick to come back, that keeps what it was given.

use std::path::Path;

use super::KafkaPorts;

/// The settings that differ from node to node.
pub(super) struct Configuration<'a> {
    /// The folder of the topics.
    pub(super) log: &'a Path,
    /// Where it listens.
    pub(super) ports: KafkaPorts,
}

impl Configuration<'_> {
    /// The text of `server.properties`.
    pub(super) fn text(&self) -> String {
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

# After a hard end the node is let in again when its old session has ended: 1 s, not 9 s.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200

# There is one node to keep a copy, and few groups.
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

# A topic is made by who knows its partitions, and nothing is thrown away by age.
auto.create.topics.enable=false
log.retention.ms=-1

# A developer's machine.
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
",
            controller = self.ports.controller,
            broker = self.ports.broker,
            log = escaped(self.log),
        )
    }
}

/// A path as a value of a properties file, where a backslash escapes.
///
/// A comma would end the path (`log.dirs` is a list), which Kafka then says itself.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_listens_on_this_machine_only_and_makes_no_topic_by_itself() {
        let text = Configuration {
            log: Path::new("/home/ann/kafka/log"),
            ports: KafkaPorts { broker: 19092, controller: 19093 },
        }
        .text();
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
