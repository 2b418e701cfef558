//! The compose project, with separate ports and volumes.

use std::path::Path;
use std::process::Stdio;

use integration_tests::{Answer, Api, eventually, read_partition};
use reqwest::Method;
use serde_json::Value;
use shared_events::record::{Record, TOPIC};
use shared_events::recorded::RecordedEvent;
use stack::ports;
use tokio::process::Command;

/// What a run that was killed left behind has this name, too, and is removed by the next.
const NAME: &str = "stockbook-test";

/// Fewer than usual: each is read whole, several times.
pub(crate) const LANES: u16 = 4;

/// The running project.
pub(crate) struct Project {
    settings: Vec<(&'static str, String)>,
    pub(crate) command_url: String,
    pub(crate) query_url: String,
    brokers: String,
}

impl Project {
    /// Builds the image where it is not built yet, and starts everything, new and empty.
    pub(crate) async fn up() -> Self {
        let [command, query, console, kafka, postgres] =
            ports::free().expect("there are free ports");
        let project = Self {
            settings: vec![
                ("LANES", LANES.to_string()),
                ("COMMAND_PORT", command.to_string()),
                ("QUERY_PORT", query.to_string()),
                ("CONSOLE_PORT", console.to_string()),
                ("KAFKA_PORT", kafka.to_string()),
                ("POSTGRES_PORT", postgres.to_string()),
            ],
            command_url: format!("http://127.0.0.1:{command}"),
            query_url: format!("http://127.0.0.1:{query}"),
            brokers: format!("127.0.0.1:{kafka}"),
        };
        project.remove().await;
        eprintln!("building the image, which takes minutes the first time");
        project.compose(&["build"]).await;
        project.compose(&["up", "--detach", "--wait", "--no-build"]).await;
        project
    }

    /// Takes everything down. What the containers said is shown when something failed.
    pub(crate) async fn down(&self, failed: bool) {
        if failed {
            eprintln!("{}", self.compose(&["ps", "--all"]).await);
            eprintln!("{}", self.compose(&["logs", "--no-color", "--tail=100"]).await);
        }
        self.remove().await;
        for kind in ["container", "network", "volume"] {
            let label = format!("label=com.docker.compose.project={NAME}");
            let mut list = vec![kind, "ls", "--quiet", "--filter", &label];
            if kind == "container" {
                list.push("--all");
            }
            let left = self.docker(&list).await;
            assert_eq!(left, "", "a {kind} is left");
        }
    }

    async fn remove(&self) {
        self.compose(&["down", "--volumes", "--remove-orphans", "--timeout=60"]).await;
    }

    /// Calls `docker compose`, for this project. Answers what it wrote to stdout.
    pub(crate) async fn compose(&self, arguments: &[&str]) -> String {
        let mut all = vec!["compose", "--ansi=never", "--progress=plain", "--project-name", NAME];
        all.extend(arguments);
        self.docker(&all).await
    }

    /// Calls `docker`. Answers what it wrote to stdout.
    pub(crate) async fn docker(&self, arguments: &[&str]) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let output = Command::new("docker")
            .args(arguments)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(root)
            .stdin(Stdio::null())
            .output()
            .await
            .expect("docker can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {}: {said}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The command-service, where its port is published.
    pub(crate) fn command(&self) -> Api {
        Api::new(&self.command_url)
    }

    /// The query-services, where their common port is published.
    pub(crate) fn query(&self) -> Api {
        Api::new(&self.query_url)
    }

    /// Kills a service's container.
    pub(crate) async fn kill(&self, service: &str) {
        self.compose(&["kill", service]).await;
    }

    /// Starts a killed service's container.
    pub(crate) async fn start(&self, service: &str) {
        self.compose(&["start", service]).await;
    }

    /// Waits until both services say that they can do their work.
    pub(crate) async fn ready(&self) {
        for api in [self.command(), self.query()] {
            let ask = async || api.try_send(Method::GET, "/readyz", &[], None).await;
            let is_ready =
                |answer: &reqwest::Result<Answer>| answer.as_ref().is_ok_and(|it| it.status == 200);
            eventually("a service is ready", ask, is_ready).await.expect("an answer");
        }
    }

    /// What the query-service says once it has applied all that is recorded now.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let lanes = self.command().json("/v1/lanes").await;
        let heads = lanes["items"].as_array().expect("a list of lanes").iter();
        let heads: Vec<String> =
            heads.map(|head| format!("{}:{}", head["lane"], head["position"])).collect();
        let path = format!("{path}?min_position={}&wait_ms=30000", heads.join(","));
        self.query().json(&path).await
    }

    /// Compares every record on Kafka with the event of the log that it stands for.
    pub(crate) async fn assert_topic_equals_log(&self) {
        for lane in 0..LANES {
            let log = self.command().lane(lane).await;
            let expected: Vec<Record> = log.iter().map(Record::of).collect();
            let read = async || self.partition(lane).await;
            let is_there = |records: &Vec<Record>| records.len() >= expected.len();
            let records = eventually("a partition has its lane's events", read, is_there).await;
            assert_eq!(records, expected, "lane {lane}");
        }
    }

    /// The records of a partition as a reader takes them: what it has already is dropped.
    async fn partition(&self, lane: u16) -> Vec<Record> {
        let all = read_partition(&self.brokers, TOPIC, lane).await;
        let mut last = 0;
        let mut is_new = |event: &RecordedEvent| {
            let next = event.position.0 == last + 1;
            last += i64::from(next);
            next
        };
        all.into_iter().filter(|(event, _)| is_new(event)).map(|(_, record)| record).collect()
    }
}
