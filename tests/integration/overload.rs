//! Twenty times more clients than there are places: each is served or refused clearly, and nothing is lost.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use integration_tests::{Answer, Api, Size, Stockbook, World, lines_at_main};
use stack::services::Service;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::failover::agree;

trials! {
    an_overload_is_refused_clearly_and_leaves_nothing_behind,
}

const SKUS: [&str; 4] = ["A", "B", "C", "D"];

/// Places for commands that wait, and for reads in progress.
const PLACES: usize = 16;

/// Clients for each place, of each kind.
const TIMES: usize = 20;

/// How long a client waits after a refusal, which is much shorter than it is asked to.
const PATIENCE: Duration = Duration::from_millis(20);

/// An answer later than this would keep a client waiting that could go elsewhere. It includes the time that this
/// busy machine needs for the clients themselves.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How much more memory a service may have during the overload.
const MORE_MEMORY_MAX: u64 = 192 << 20;

/// A command and its outcome.
struct Done {
    key: String,
    sku: &'static str,
    answer: Answer,
}

/// What clients of one kind saw.
#[derive(Default)]
struct Seen {
    served: usize,
    refused: usize,
    slowest: Duration,
    done: Vec<Done>,
}

impl Seen {
    fn of(clients: Vec<Self>) -> Self {
        let mut all = Self::default();
        for one in clients {
            all.served += one.served;
            all.refused += one.refused;
            all.slowest = all.slowest.max(one.slowest);
            all.done.extend(one.done);
        }
        all
    }

    /// Counts an answer, which is either the wanted one or a clear refusal.
    fn count(&mut self, answer: &Answer, asked: Instant) -> bool {
        self.slowest = self.slowest.max(asked.elapsed());
        if answer.status == 200 {
            self.served += 1;
            return true;
        }
        self.refused += 1;
        let problem = answer.clone().expect_status(503).json();
        let code = problem["type"].as_str().unwrap_or_default();
        assert!(
            ["/problems/overloaded", "/problems/deadline_exceeded"].contains(&code),
            "{answer:?}"
        );
        let later: u64 = answer.header("retry-after").expect("it says when").parse().unwrap();
        assert!((1..=60).contains(&later), "{answer:?}");
        false
    }
}

/// Receives again and again under keys, each until it is done, even if that is after the overload.
async fn receive(command: Api, number: usize, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("client-{number}-{}", seen.done.len());
        let sku = SKUS[number % SKUS.len()];
        let answer = loop {
            let asked = Instant::now();
            let answer = command.keyed("/v1/receipts", &key, &lines_at_main(&[(sku, 1)])).await;
            if seen.count(&answer, asked) {
                break answer;
            }
            sleep(PATIENCE).await;
        };
        seen.done.push(Done { key, sku, answer });
    }
    seen
}

/// Reads again and again.
async fn read(query: Api, number: usize, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let path = format!("/v1/stock/{}", SKUS[number % SKUS.len()]);
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answer = query.get(&path).await;
        if !seen.count(&answer, asked) {
            sleep(PATIENCE).await;
        }
    }
    seen
}

/// Asks whether the service works, until it is stopped; returns how often and the longest wait.
async fn ask_health(service: Api, stop: Arc<AtomicBool>) -> (usize, Duration) {
    let (mut asked, mut slowest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        for path in ["/livez", "/readyz"] {
            let began = Instant::now();
            timeout(ANSWER_MAX, service.get(path)).await.expect("in time").expect_status(200);
            slowest = slowest.max(began.elapsed());
            asked += 1;
        }
        sleep(PATIENCE * 5).await;
    }
    (asked, slowest)
}

/// The memory that a process has now, or had at most.
fn memory(service: &Service, which: &str) -> u64 {
    let pid = service.pid().expect("it runs");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("a line");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes << 10
}

/// How long commands take one after the other, in the middle.
async fn usual(stockbook: &Stockbook) -> Duration {
    let mut times = Vec::new();
    for _ in 0..21 {
        let asked = Instant::now();
        stockbook.receive(&[("A", 1)]).await;
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

fn clients<F: Future<Output = Seen> + Send + 'static>(
    client: impl Fn(usize) -> F,
) -> Vec<JoinHandle<Seen>> {
    (0..PLACES * TIMES).map(|number| tokio::spawn(client(number))).collect()
}

async fn joined(clients: Vec<JoinHandle<Seen>>) -> Seen {
    let ended = join_all(clients).await;
    Seen::of(ended.into_iter().map(|client| client.expect("a client ends well")).collect())
}

async fn an_overload_is_refused_clearly_and_leaves_nothing_behind(world: Arc<World>) {
    let commands = Size::wanted().scaled(1_000, 100);
    let places = PLACES.to_string();
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    // One command at a time is slower than these clients on any machine.
    let few = [("QUEUE_COMMANDS_MAX", &*places), ("BATCH_COMMANDS_MAX", "1")];
    stockbook.add_command_service(&few).await;
    stockbook.add_query_service(&[("REQUESTS_MAX", &places)]).await;
    stockbook.register(&SKUS).await;
    let before = usual(&stockbook).await;
    stockbook.read_at("/v1/items", &stockbook.heads().await).await;
    let services = [&stockbook.commands[0], &stockbook.queries[0]];
    let had = services.map(|service| memory(service, "VmRSS:"));
    let recorded = stockbook.recorded().await;

    let stop = Arc::<AtomicBool>::default();
    let (command, query) = (stockbook.command(), stockbook.query());
    let writers = clients(|number| receive(command.clone(), number, Arc::clone(&stop)));
    let readers = clients(|number| read(query.clone(), number, Arc::clone(&stop)));
    let health = [command.clone(), query.clone()]
        .map(|service| tokio::spawn(ask_health(service, Arc::clone(&stop))));
    stockbook.grown_to(recorded + commands as i64).await;
    stop.store(true, Ordering::Relaxed);
    let (written, read) = tokio::join!(joined(writers), joined(readers));
    for (kind, seen) in [("commands", &written), ("reads", &read)] {
        let Seen { served, refused, slowest, .. } = seen;
        println!("{kind}: {served} served, {refused} refused, the slowest answer {slowest:?}");
        assert!(*refused > PLACES * TIMES / 4, "{kind}: this was no overload");
        assert!(*slowest < ANSWER_MAX, "{kind}: {slowest:?}");
    }
    for one in join_all(health).await {
        let (asked, slowest) = one.expect("health is asked");
        println!("{asked} answers about health, the slowest {slowest:?}");
        assert!(asked > 2, "{asked}");
    }
    for (service, had) in services.iter().zip(had) {
        let more = memory(service, "VmHWM:").saturating_sub(had);
        println!("{} MiB more memory", more >> 20);
        assert!(more < MORE_MEMORY_MAX, "{more} bytes more");
    }

    let after = usual(&stockbook).await;
    println!("a command takes {before:?} before and {after:?} at once after it");
    assert!(after < before * 5 + Duration::from_millis(50), "{before:?}, {after:?}");
    all_once(&stockbook, &written.done, recorded).await;
    agree(&stockbook).await;
}

/// Each command that was served is recorded once, and nothing else is.
async fn all_once(stockbook: &Stockbook, done: &[Done], recorded: i64) {
    let usual = 21;
    assert_eq!(stockbook.recorded().await, recorded + done.len() as i64 + usual);
    let command = stockbook.command();
    for some in done.chunks(16) {
        join_all(some.iter().map(async |one| {
            let body = lines_at_main(&[(one.sku, 1)]);
            let again = command.keyed("/v1/receipts", &one.key, &body).await;
            assert!(again.is_replayed() && again.body == one.answer.body, "{again:?}");
        }))
        .await;
    }
}
