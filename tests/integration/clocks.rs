//! Clocks that are wrong, by hours, and jump: those of services, and that of the database.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use integration_tests::{
    Answer, Stockbook, Traders, World, accepted, assert_done_once, each, eventually, seeded, shim,
    stop_fsync,
};
use stack::places::Places;
use stack::postgres::member::Member;

use crate::failover::agree;

trials! {
    services_whose_clocks_are_hours_off_work_as_if_they_were_right,
    a_database_whose_clock_jumps_forward_and_back_keeps_every_moment_as_it_was,
}

const SKUS: [&str; 4] = ["A", "B", "C", "D"];

/// More than Kafka accepts in a record whose time the sender says.
const TWO_HOURS: i64 = 2 * 60 * 60;

/// A command of a service whose estimate of the database's clock is that wrong would be refused.
const SECOND: TimeDelta = TimeDelta::seconds(1);

/// The clock of one process.
struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// A clock that is right, for a process that is started with [`Self::settings`].
    fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(format!("clock-of-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let library = shim::compile("clock.c", &folder);
        let clock = Self { library, offset: folder.join("offset") };
        File::create(&clock.offset).unwrap();
        clock.set(0);
        clock
    }

    fn set(&self, seconds: i64) {
        let file = OpenOptions::new().write(true).open(&self.offset).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    fn settings(&self) -> [(&'static str, &str); 2] {
        [("LD_PRELOAD", &self.library), ("CLOCK_OFFSET_FILE", &self.offset)]
            .map(|(name, path)| (name, path.to_str().expect("a path in UTF-8")))
    }
}

async fn services_whose_clocks_are_hours_off_work_as_if_they_were_right(world: Arc<World>) {
    let (seed, _) = seeded();
    println!("seed {seed}");
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    let folder = world.servers().folder().root().join(&stockbook.topic);
    let clocks = ["one", "other", "views"].map(|name| Clock::new(&folder, name));
    let [one, other, views] = &clocks;
    let set = |offsets: [i64; 3]| {
        clocks.iter().zip(offsets).for_each(|(clock, offset)| clock.set(offset));
    };
    set([TWO_HOURS; 3]);
    let began = Utc::now();
    stockbook.add_command_service(&one.settings()).await;
    stockbook.add_command_service(&other.settings()).await;
    stockbook.add_query_service(&views.settings()).await;
    stockbook.register(&SKUS).await;
    stockbook.receive(&each(&SKUS, 100)).await;
    // Kafka takes the records of a service whose clock is ahead.
    agree(&stockbook).await;
    set([TWO_HOURS, -TWO_HOURS, TWO_HOURS]);
    let moment = moment_of(&stockbook).await;
    let known = ask_known_at(&stockbook, &moment).await;
    is_ahead(&stockbook).await;

    // Holds end by the database's clock.
    let hold = async |instance: usize, ttl_seconds| {
        let service = &stockbook.instances()[instance];
        service.reserve("buyer", ttl_seconds, &[("A", 1)]).await.reservation_id()
    };
    let (hour, second) = (hold(0, 3_600).await, hold(1, 1).await);
    let status = async |id: &str| {
        stockbook.command().state(&format!("reservation/{id}")).await["status"].clone()
    };
    eventually("the short hold expires", || status(&second), |status| status == "expired").await;

    // The clocks jump while clients trade.
    let before = stockbook.command().figures("A").await.on_hand;
    assert_eq!(before, 100);
    let traders = Traders::start(&stockbook.instances(), &SKUS, 4, seed);
    for offsets in [[-1, 1, -1], [1, 1, 1], [-1, -1, -1], [0, 1, 0], [0, 0, 0]] {
        traders.more(50).await;
        set(offsets.map(|sign| sign * TWO_HOURS));
    }
    traders.more(50).await;
    let traded = traders.stop().await;
    println!("{} of {} commands accepted", accepted(&traded), traded.len());
    assert_done_once(&stockbook, &SKUS, before, &traded).await;
    agree(&stockbook).await;

    assert_eq!(status(&hour).await, "held");
    let ended = Utc::now();
    for event in stockbook.log().await {
        let recorded: DateTime<Utc> = event.recorded_at.to_utc();
        assert!((began - SECOND..ended + SECOND).contains(&recorded), "{event:?}");
    }
    let again = ask_known_at(&stockbook, &moment).await;
    assert_eq!(again.body, known.body);
}

/// The moment of the newest event.
async fn moment_of(stockbook: &Stockbook) -> String {
    let newest = stockbook.log().await.into_iter().map(|event| event.recorded_at).max();
    newest.expect("something was recorded").to_string()
}

async fn ask_known_at(stockbook: &Stockbook, known_at: &str) -> Answer {
    let path = format!("/v1/stock/A/MAIN?known_at={known_at}");
    stockbook.query().get(&path).await.expect_status(200)
}

/// A moment that has not come yet by the database's clock is no question.
async fn is_ahead(stockbook: &Stockbook) {
    let soon = (Utc::now() + TimeDelta::minutes(1)).format("%Y-%m-%dT%H:%M:%SZ");
    let answer = stockbook.query().get(&format!("/v1/stock/A/MAIN?known_at={soon}")).await;
    answer.expect_problem(422, "invalid_parameter");
}

async fn a_database_whose_clock_jumps_forward_and_back_keeps_every_moment_as_it_was(
    world: Arc<World>,
) {
    let (seed, _) = seeded();
    println!("seed {seed}");
    let root = world.servers().folder().root().join("clock-of-postgres");
    let mut clock = None;
    let places = Places::from_environment().unwrap();
    let server = Member::start_with(&root, &places, |folder| {
        let clock = clock.insert(Clock::new(folder, "postgres"));
        Ok(clock.settings().map(|(name, value)| (name, value.to_owned())).to_vec())
    });
    let server = server.await.unwrap();
    let clock = clock.expect("the server was started");
    stop_fsync(server.admin_url()).await.unwrap();
    let urls = server.databases().await.unwrap().create("clocks").await.unwrap();
    let mut stockbook = Stockbook::prepare_in(&world, urls, 4, None).await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[]).await;
    stockbook.register(&SKUS).await;
    stockbook.receive(&each(&SKUS, 100)).await;

    let traders = Traders::start(&stockbook.instances(), &SKUS, 4, seed);
    traders.more(50).await;
    clock.set(TWO_HOURS);
    traders.more(50).await;
    // What was recorded at a moment is settled, also if the clock goes back to before it.
    let moment = moment_of(&stockbook).await;
    let known = ask_known_at(&stockbook, &moment).await;
    for offset in [0, -TWO_HOURS, 0] {
        clock.set(offset);
        traders.more(50).await;
    }
    clock.set(TWO_HOURS + 60);
    traders.more(50).await;
    let traded = traders.stop().await;
    println!("{} of {} commands accepted", accepted(&traded), traded.len());
    assert_done_once(&stockbook, &SKUS, 100, &traded).await;
    agree(&stockbook).await;
    let again = ask_known_at(&stockbook, &moment).await;
    assert_eq!(again.body, known.body);
    drop(stockbook);
    server.remove().await.unwrap();
}
