//! `cargo stack up` and `reset` with the real program, Postgres and Kafka.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use stack::access::Access;
use stack::ports;
use stack::process::record::Record;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Long enough for the first start, which fetches the servers.
const READY_MAX: Duration = Duration::from_secs(300);
const END_MAX: Duration = Duration::from_secs(60);

/// One data folder with its ports.
struct Place {
    data: PathBuf,
    /// The value of `--only`; Kafka takes seconds, so only some tests have it.
    only: &'static str,
    postgres_port: String,
    kafka_port: String,
}

impl Place {
    /// An empty one of this name.
    async fn empty(name: &str, only: &'static str) -> Self {
        let [postgres, kafka] = ports::free().expect("there are free ports");
        let place = Self {
            data: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
            only,
            postgres_port: postgres.to_string(),
            kafka_port: kafka.to_string(),
        };
        place.reset().await;
        place
    }

    async fn reset(&self) {
        let reset = self.run(&["reset"]).await;
        assert!(reset.status.success(), "{}", words(&reset));
    }

    fn command(&self, task: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stack"));
        command
            .args(task)
            .arg("--data")
            .arg(&self.data)
            .env_remove("DATABASE_URL")
            .env_remove("KAFKA_BROKERS")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, task: &[&str]) -> Output {
        let output = tokio::time::timeout(END_MAX, self.command(task).output()).await;
        output.expect("it ends in time").expect("the program runs")
    }

    fn up_task(&self) -> Vec<&str> {
        let only = ["up", "--only", self.only];
        let ports = ["--postgres-port", &self.postgres_port, "--kafka-port", &self.kafka_port];
        [&only[..], &ports].concat()
    }

    async fn up(&self) -> Up {
        self.up_with(&[]).await
    }

    async fn up_with(&self, flags: &[&str]) -> Up {
        let words = self.data.with_extension("stderr");
        let mut child = self
            .command(&[&self.up_task(), flags].concat())
            .stdout(Stdio::piped())
            .stderr(File::create(&words).expect("the folder of the tests can be written"))
            .spawn()
            .expect("the program runs");
        let stdout = child.stdout.take().expect("it is piped");
        let mut stdout = BufReader::new(stdout).lines();
        let ready = tokio::time::timeout(READY_MAX, ready_line(&mut stdout)).await;
        let Ok(Some(ready)) = ready else {
            let words = std::fs::read_to_string(words);
            panic!("it is not ready ({ready:?}) and printed {words:?}");
        };
        Up { child, ready, _stdout: stdout }
    }

    /// The processes that run.
    fn records(&self) -> Vec<Record> {
        let entries = std::fs::read_dir(self.data.join("processes")).expect("a stack was up");
        entries
            .filter_map(|entry| Record::of_running(&entry.expect("it can be listed").path()))
            .collect()
    }
}

async fn ready_line(stdout: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    loop {
        let line = stdout.next_line().await.expect("it says text")?;
        if line.starts_with("ready") {
            return Some(line);
        }
    }
}

/// A stack that is up.
struct Up {
    child: Child,
    ready: String,
    /// Kept open, because a stack that cannot write would stop.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Up {
    /// A member of the ready line.
    fn member(&self, name: &str) -> &str {
        let start = format!("{name}=");
        let member = self.ready.split(' ').find_map(|member| member.strip_prefix(&start));
        member.unwrap_or_else(|| panic!("no {name} in {}", self.ready))
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    async fn end(mut self, signal: Signal) -> ExitStatus {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id fits"), signal).expect("it can be signalled");
        let ended = tokio::time::timeout(END_MAX, self.child.wait()).await;
        ended.expect("it ends in time").expect("its status can be asked for")
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn on_a_signal_it_stops_everything_and_exits_with_0() {
    let place = Place::empty("stop", "postgres,kafka").await;
    let up = place.up().await;
    assert_eq!(up.member("kafka"), format!("127.0.0.1:{}", place.kafka_port));
    let started = place.records();
    assert_eq!(started.len(), 2, "{started:?}");
    assert_eq!(up.end(Signal::TERM).await.code(), Some(0));
    assert_eq!(place.records(), []);
    place.reset().await;
}

/// What a curl of the line would do: the answer's status.
async fn asked(place: &Place, url: &str, with_key: bool) -> Result<u16, String> {
    let folder = place.data.join("secure");
    let key_file = with_key.then(|| folder.join("admin-key"));
    let access = Access { ca: Some(folder.join("ca.pem")), key_file };
    let client = access.client().and_then(|client| Ok(client.build()?)).expect("a client");
    let answer = client.get(url).send().await.map_err(|error| format!("{error:?}"))?;
    Ok(answer.status().as_u16())
}

#[tokio::test]
async fn a_secure_stack_answers_who_trusts_its_authority_and_has_its_key() {
    let place = Place::empty("secure", "postgres,kafka,command,query").await;
    let [command_port, query_port] = ports::free().unwrap().map(|port: u16| port.to_string());
    let flags = ["--secure", "--command-port", &command_port, "--query-port", &query_port];
    let mut keys = Vec::new();
    for _ in 0..2 {
        let up = place.up_with(&flags).await;
        for (service, path) in [("command", "/v1/lanes"), ("query", "/v1/stock")] {
            let url = format!("{}{path}", up.member(service));
            assert!(url.starts_with("https://"), "{url}");
            let until = Instant::now() + END_MAX;
            // query-service learns of the key within a second.
            while asked(&place, &url, true).await != Ok(200) {
                assert!(Instant::now() < until, "{url}: {:?}", asked(&place, &url, true).await);
            }
            assert_eq!(asked(&place, &url, false).await, Ok(401));
            let plain = url.replace("https://", "http://");
            assert_eq!(asked(&place, &plain, true).await, Ok(400));
        }
        keys.push(std::fs::read(place.data.join("secure/admin-key")).unwrap());
        assert_eq!(up.end(Signal::TERM).await.code(), Some(0));
    }
    assert!(keys[0] == keys[1], "the key is kept");
    place.reset().await;
    assert!(!place.data.join("secure").exists());
}

#[tokio::test]
async fn after_a_kill_it_starts_on_the_same_ports_with_its_data() {
    let place = Place::empty("kill", "postgres,kafka").await;
    let up = place.up().await;
    let passwords_before = std::fs::read(place.data.join("credentials.json")).unwrap();
    let left = place.records();
    up.end(Signal::KILL).await;
    assert_eq!(place.records().len(), 2, "the servers outlive it: {left:?}");

    let up = place.up().await;
    let now = place.records();
    assert!(left.iter().all(|old| !now.contains(old)), "the old servers are gone: {left:?}");
    let passwords_now = std::fs::read(place.data.join("credentials.json")).unwrap();
    assert!(passwords_now == passwords_before, "the passwords are kept");
    assert_eq!(up.end(Signal::INT).await.code(), Some(0));
    place.reset().await;
}

#[tokio::test]
async fn a_second_up_or_a_reset_does_not_harm_a_running_stack() {
    let place = Place::empty("second", "postgres").await;
    let up = place.up().await;
    let me = format!("process {}", up.pid());
    for task in [place.up_task(), vec!["reset"]] {
        let second = place.run(&task).await;
        assert_eq!(second.status.code(), Some(1));
        assert!(words(&second).contains(&me), "{}", words(&second));
    }
    let elsewhere = Place {
        data: place.data.with_extension("elsewhere"),
        only: place.only,
        postgres_port: place.postgres_port.clone(),
        kafka_port: place.kafka_port.clone(),
    };
    let third = elsewhere.run(&elsewhere.up_task()).await;
    assert_eq!(third.status.code(), Some(1));
    let taken = format!("port {} for Postgres is taken", place.postgres_port);
    assert!(words(&third).contains(&taken), "{}", words(&third));

    assert_eq!(place.records().len(), 1);
    assert_eq!(up.end(Signal::TERM).await.code(), Some(0));
    place.reset().await;
}

#[tokio::test]
async fn each_role_reaches_its_own_database_and_no_other() {
    let place = Place::empty("roles", "postgres").await;
    let up = place.up().await;
    let (write, read) = up.member("postgres").split_once(',').unwrap();
    let passwords = std::fs::read(place.data.join("credentials.json")).unwrap();
    let passwords: Value = serde_json::from_slice(&passwords).unwrap();
    let sides = [(write, "command", "stockbook_read"), (read, "query", "stockbook_write")];
    for (url, service, other) in sides {
        let password = passwords[service].as_str().unwrap();
        assert!(!up.ready.contains(password), "the line has no password");
        let url = url.replace('@', &format!(":{password}@"));
        let mut own = PgConnection::connect(&url).await.unwrap();
        let made = sqlx::query("create table mine ()").execute(&mut own).await;
        assert!(made.is_err(), "a service makes no tables");
        let (server, _) = url.rsplit_once('/').unwrap();
        let reached = PgConnection::connect(&format!("{server}/{other}")).await;
        assert!(reached.is_err(), "{url} reaches {other}");
    }
    assert_eq!(up.end(Signal::TERM).await.code(), Some(0));
    place.reset().await;
}

#[tokio::test]
async fn reset_removes_all_data() {
    let place = Place::empty("reset", "postgres").await;
    let up = place.up().await;
    let credentials = place.data.join("credentials.json");
    assert!(credentials.exists());
    assert_eq!(up.end(Signal::TERM).await.code(), Some(0));
    place.reset().await;
    for left in [credentials, place.data.join("postgres")] {
        assert!(!left.exists(), "{}", left.display());
    }
    assert!(place.records().is_empty());
}
