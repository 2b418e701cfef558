//! The disk of Postgres is full, for its tables or for its write-ahead log, and has space again.

use std::path::PathBuf;
use std::sync::Arc;

use integration_tests::{
    Answer, Stockbook, Traders, World, accepted, assert_done_once, each, eventually, lines_at_main,
    seeded, shim, stop_fsync,
};
use sqlx::{Connection, PgConnection};
use stack::places::Places;
use stack::postgres::member::Member;

use crate::failover::agree;

trials! {
    a_full_disk_refuses_commands_and_answers_reads_and_nothing_is_lost,
}

const SKUS: [&str; 4] = ["A", "B", "C", "D"];

/// More receipts than fit into what is left of pages that are there.
const FILLING: usize = 5_000;

/// The disk of a Postgres.
struct Disk {
    flag: PathBuf,
}

impl Disk {
    /// From now on no file grows whose path has this in it.
    fn fill(&self, part: &str) {
        // Whole, so that nobody reads an empty one.
        let next = self.flag.with_extension("next");
        std::fs::write(&next, part).unwrap();
        std::fs::rename(&next, &self.flag).unwrap();
    }

    fn free(&self) {
        std::fs::remove_file(&self.flag).unwrap();
    }
}

/// A Postgres whose disk can be full, and a Stockbook whose log and views it has.
async fn start(world: &Arc<World>) -> (Member, Disk, Stockbook) {
    let root = world.servers().folder().root().join("full-disk");
    let places = Places::from_environment().unwrap();
    let mut flag = PathBuf::new();
    let server = Member::start_with(&root, &places, |folder| {
        flag = folder.join("full");
        let library = shim::compile("full_disk.c", folder);
        let text = |path: &PathBuf| path.display().to_string();
        Ok(vec![("LD_PRELOAD", text(&library)), ("FULL_DISK_FILE", text(&flag))])
    });
    let server = server.await.unwrap();
    stop_fsync(server.admin_url()).await.unwrap();
    let urls = server.databases().await.unwrap().create("full_disk").await.unwrap();
    let mut stockbook = Stockbook::prepare_in(world, urls, 4, None).await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[]).await;
    stockbook.register(&[&SKUS[..], &["OTHER"]].concat()).await;
    stockbook.receive(&each(&SKUS, 100)).await;
    stockbook.read_at("/v1/items", &stockbook.heads().await).await;
    (server, Disk { flag }, stockbook)
}

async fn receive(stockbook: &Stockbook) -> Answer {
    stockbook.command().post("/v1/receipts", lines_at_main(&each(&SKUS, 1))).await
}

async fn a_full_disk_refuses_commands_and_answers_reads_and_nothing_is_lost(world: Arc<World>) {
    let (seed, _) = seeded();
    println!("seed {seed}");
    let (server, disk, stockbook) = start(&world).await;
    let on_hand = tables_are_full(&stockbook, &disk, seed).await;
    let server = log_is_full(&stockbook, server, &disk, on_hand, seed).await;
    drop(stockbook);
    server.remove().await.unwrap();
}

/// Returns what there is of each item at the end.
async fn tables_are_full(stockbook: &Stockbook, disk: &Disk, seed: u64) -> i64 {
    disk.fill("/base/");
    let (mut received, mut refusal) = (100, None);
    for _ in 0..FILLING {
        let answer = receive(stockbook).await;
        if answer.status != 200 {
            refusal = Some(answer);
            break;
        }
        received += 1;
    }
    let refusal = refusal.expect("the disk becomes full").expect_status(503);
    println!("{} receipts until the disk was full: {}", received - 100, refusal.body);
    assert!(refusal.header("retry-after").is_some(), "{refusal:?}");

    // What is refused is not recorded, and what is there can be read.
    let heads = stockbook.heads().await;
    for _ in 0..5 {
        receive(stockbook).await.expect_status(503);
    }
    assert_eq!(stockbook.heads().await, heads);
    assert_eq!(stockbook.command().figures("A").await.on_hand, received);
    stockbook.query().get("/v1/stock/A/MAIN").await.expect_status(200);
    for api in [stockbook.command(), stockbook.query()] {
        api.get("/livez").await.expect_status(200);
    }

    // Clients wait for space and get it.
    let traders = Traders::start(&stockbook.instances(), &SKUS, 4, seed);
    are_refused(stockbook).await;
    disk.free();
    traders.more(100).await;
    let traded = traders.stop().await;
    println!("tables: {} of {} commands accepted", accepted(&traded), traded.len());
    assert_done_once(stockbook, &SKUS, received, &traded).await;
    agree(stockbook).await;
    even_out(stockbook).await
}

/// Waits until a command is refused, of an item that nobody counts.
async fn are_refused(stockbook: &Stockbook) {
    let command = stockbook.command();
    let ask = async || command.post("/v1/receipts", lines_at_main(&[("OTHER", 1)])).await.status;
    eventually("commands are refused", ask, |status| *status == 503).await;
}

/// Lets there be as much of each item.
async fn even_out(stockbook: &Stockbook) -> i64 {
    const EACH: i64 = 1_000_000;
    let command = stockbook.command();
    for sku in SKUS {
        let more = EACH - command.figures(sku).await.on_hand;
        stockbook.receive(&[(sku, more)]).await;
    }
    EACH
}

/// Postgres cannot write its log. Once there is space and it runs, everything goes on by itself.
async fn log_is_full(
    stockbook: &Stockbook,
    mut server: Member,
    disk: &Disk,
    on_hand: i64,
    seed: u64,
) -> Member {
    let traders = Traders::start(&stockbook.instances(), &SKUS, 4, seed + 100);
    traders.more(20).await;
    disk.fill("/pg_wal/");
    // The rest of the file is skipped, so that the next one is needed.
    let mut admin = PgConnection::connect(server.admin_url().as_str()).await.unwrap();
    let ended = eventually(
        "Postgres cannot go on",
        async || sqlx::query("select pg_switch_wal()").execute(&mut admin).await.err(),
        Option::is_some,
    );
    println!("Postgres: {}", ended.await.expect("an error"));
    are_refused(stockbook).await;
    let live = stockbook.query().get("/livez").await;
    live.expect_status(200);
    disk.free();
    server.start_again().await.unwrap();
    traders.more(100).await;
    let traded = traders.stop().await;
    println!("write-ahead log: {} of {} commands accepted", accepted(&traded), traded.len());
    assert_done_once(stockbook, &SKUS, on_hand, &traded).await;
    agree(stockbook).await;
    server
}
