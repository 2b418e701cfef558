//! A Kafka node of a test's own, which it can kill without disturbing others.

use stack::folder::DataFolder;
use stack::kafka::Extras;
use stack::places::Places;
use stack::servers::{Servers, Wanted};

use crate::world::World;

/// A running node. Dropping it kills it.
pub struct Node {
    servers: Servers,
    /// How services reach it, where that is not only by its address.
    pub client_settings: Vec<(&'static str, String)>,
}

impl Node {
    /// Starts a node with nothing in it. What a killed run left under the same name is stopped first.
    pub async fn start(world: &World, name: &str) -> Self {
        Self::start_with(world, name, Extras::default()).await
    }

    /// Starts one that has something besides.
    pub async fn start_with(world: &World, name: &str, kafka_extras: Extras) -> Self {
        let folder = world.servers().folder().root().join(format!("kafka-of-{name}"));
        let folder = DataFolder::open(&folder).expect("the folder can be used");
        let wanted = Wanted::on_free_ports().expect("ports are free");
        let wanted = Wanted { postgres: None, kafka_extras, ..wanted };
        let mut servers = Servers::open(folder, wanted).await.expect("leftovers can be stopped");
        servers.folder().clear().expect("the folder can be emptied");
        let places = Places::from_environment().expect("the environment names places");
        servers.start(&places).await.expect("the node starts");
        Self { servers, client_settings: Vec::new() }
    }

    pub(crate) fn brokers(&self) -> &str {
        self.servers.brokers().expect("there is a Kafka")
    }

    /// Kills it and starts it again, on what it has.
    pub async fn crash(&mut self) {
        for node in self.servers.own() {
            node.kill().await.expect("the node can be killed");
            node.start_again().await.expect("the node starts again");
        }
    }
}
