//! A Kafka of a test's own, which it can kill without disturbing others.

use futures::future::try_join_all;
use stack::folder::DataFolder;
use stack::kafka::{Extras, cluster_id};
use stack::places::Places;
use stack::ports;
use stack::servers::{KafkaFrom, Servers, Wanted};

use crate::world::World;

/// One running node, or three. Dropping it kills them.
pub struct Node {
    servers: Vec<Servers>,
    brokers: String,
    /// How services reach it, where that is not only by its address.
    pub client_settings: Vec<(&'static str, String)>,
}

impl Node {
    /// Starts a node with nothing in it. What a killed run left under the same name is stopped first.
    pub async fn start(world: &World, name: &str) -> Self {
        Self::start_with(world, name, Extras::default()).await
    }

    /// Starts one that has something besides.
    pub async fn start_with(world: &World, name: &str, extras: Extras) -> Self {
        let [port] = ports::free().expect("ports are free");
        Self::of(vec![start(world, &format!("kafka-of-{name}"), port, extras).await])
    }

    /// Starts three nodes, each broker and controller, that keep three copies of everything and acknowledge what
    /// two of them have.
    pub async fn start_three(world: &World, name: &str) -> Self {
        let ports: [u16; 3] = ports::free().expect("ports are free");
        let cluster = cluster_id();
        let voters: Vec<String> =
            (1..).zip(ports).map(|(id, port)| format!("{id}@127.0.0.1:{}", port + 1)).collect();
        let starts = (1..).zip(ports).map(|(id, port): (usize, u16)| {
            let properties = format!(
                "\nnode.id={id}\ncontroller.quorum.voters={}\n\
                 default.replication.factor=3\nmin.insync.replicas=2\n\
                 offsets.topic.replication.factor=3\ntransaction.state.log.replication.factor=3\n\
                 transaction.state.log.min.isr=2\nshare.coordinator.state.topic.replication.factor=3\n\
                 share.coordinator.state.topic.min.isr=2\n",
                voters.join(",")
            );
            let cluster = Some(cluster.clone());
            let extras = Extras { properties, cluster, heap: Some("256m"), ..Extras::default() };
            let name = format!("kafka-{id}-of-{name}");
            async move { start(world, &name, port, extras).await }
        });
        // None answers before two of them know each other.
        let servers = futures::future::join_all(starts).await;
        let mut node = Self::of(servers);
        node.client_settings.push(("REPLICATION_FACTOR", "3".to_owned()));
        node
    }

    fn of(servers: Vec<Servers>) -> Self {
        let brokers: Vec<&str> =
            servers.iter().map(|servers| servers.brokers().expect("there is a Kafka")).collect();
        let brokers = brokers.join(",");
        Self { servers, brokers, client_settings: Vec::new() }
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Kills it and starts it again, on what it has.
    pub async fn crash(&mut self) {
        self.kill(0).await;
        self.start_again(&[0]).await;
    }

    /// Ends one of them as `kill -9` does.
    pub async fn kill(&mut self, nth: usize) {
        for node in self.servers[nth].own() {
            node.kill().await.expect("the node can be killed");
        }
    }

    /// Starts some of them again, on what they have.
    pub async fn start_again(&mut self, which: &[usize]) {
        let chosen = self.servers.iter_mut().enumerate().filter(|(nth, _)| which.contains(nth));
        let nodes = chosen.flat_map(|(_, servers)| servers.own());
        let started = try_join_all(nodes.map(|node| node.start_again())).await;
        started.expect("the nodes start again");
    }
}

async fn start(world: &World, name: &str, port: u16, kafka_extras: Extras) -> Servers {
    let folder = world.servers().folder().root().join(name);
    let folder = DataFolder::open(&folder).expect("the folder can be used");
    let wanted = Wanted::on_free_ports().expect("ports are free");
    let kafka = Some(KafkaFrom::Own(port));
    let wanted = Wanted { postgres: None, kafka, kafka_extras, ..wanted };
    let mut servers = Servers::open(folder, wanted).await.expect("leftovers can be stopped");
    servers.folder().clear().expect("the folder can be emptied");
    let places = Places::from_environment().expect("the environment names places");
    servers.start(&places).await.expect("the node starts");
    servers
}
