//! The log as Parquet files: each event once, whenever the export is killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use integration_tests::{Stockbook, World, eventually, lines_at_main, seeded};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use rand::RngExt;
use serde_json::{Value, json};
use stack::replay::plan::Stock;
use tokio::process::{Child, Command};

use super::personal::{keeping, with_person};
use super::redaction::redact;
use super::replay::{play, trade_of};

trials! {
    an_export_that_is_killed_again_and_again_holds_each_event_once,
    a_hole_is_filled_and_another_log_is_refused,
    files_hold_personal_data_only_sealed,
    a_redaction_reaches_the_files_that_were_there_before,
}

/// Small files, so that a kill is likely to come in the middle of one.
const SMALL: [&str; 6] = [
    "--file-events=40",
    "--file-age-ms=50",
    "--heads-interval-ms=10",
    "--log-page-events=7",
    "--log-requests-max=2",
    "--follow",
];

/// How often it is killed.
const KILLS: usize = 20;

/// An empty folder.
fn folder(stockbook: &Stockbook) -> PathBuf {
    let name = format!("{}.export", stockbook.topic);
    let folder = stockbook.world.servers().folder().root().join(name);
    // A run that was killed may have left one.
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn export(stockbook: &Stockbook, to: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(stockbook.world.query_service());
    command.arg("export").arg("--to").arg(to).args(more);
    command.env("COMMAND_URL", stockbook.commands[0].url()).env("NO_COLOR", "1");
    command.kill_on_drop(true);
    command
}

/// Runs it to its end, and returns whether it succeeded and what it said.
async fn run(mut command: Command) -> (bool, String) {
    let output = command.output().await.expect("the program can be started");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn done(command: Command) -> String {
    let (is_done, said) = run(command).await;
    assert!(is_done, "{said}");
    said
}

async fn verified(stockbook: &Stockbook, of: &Path) -> (bool, String) {
    let mut command = Command::new(stockbook.world.query_service());
    command.arg("export").arg("--verify").arg(of);
    run(command).await
}

/// The complete files, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for lane in std::fs::read_dir(folder).into_iter().flatten() {
        let lane = lane.expect("a folder entry").path();
        for file in std::fs::read_dir(lane).into_iter().flatten() {
            let path = file.expect("a folder entry").path();
            if path.extension().is_some_and(|ending| ending == "parquet") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Each row as its columns by name.
fn rows(folder: &Path) -> Vec<BTreeMap<String, Field>> {
    let mut all = Vec::new();
    for path in files(folder) {
        let reader = SerializedFileReader::new(File::open(path).expect("it is there"));
        let reader = reader.expect("a file under its name is complete");
        let rows = reader.get_row_iter(None).expect("it has rows");
        all.extend(rows.map(|row: parquet::errors::Result<Row>| {
            row.expect("a row").into_columns().into_iter().collect()
        }));
    }
    all
}

fn text(row: &BTreeMap<String, Field>, column: &str) -> String {
    match &row[column] {
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => bytes.data().iter().map(|byte| format!("{byte:02x}")).collect(),
        other => other.to_string(),
    }
}

/// Fails unless the files hold what the log does, in its order.
async fn assert_is_the_log(stockbook: &Stockbook, folder: &Path) {
    let rows = rows(folder);
    let log = stockbook.log().await;
    assert_eq!(rows.len(), log.len());
    for (row, event) in rows.iter().zip(&log) {
        assert_eq!(text(row, "id"), event.id().to_string());
        assert_eq!(text(row, "chain"), event.chain.to_string(), "{}", event.id());
        assert_eq!(text(row, "data"), event.data.get(), "{}", event.id());
        assert_eq!(text(row, "type"), event.event_type, "{}", event.id());
        let data: Value = serde_json::from_str(event.data.get()).expect("data is JSON");
        if let Some(on_hand) = data["after"]["on_hand"].as_i64() {
            assert_eq!(row["on_hand"], Field::Long(on_hand), "{}", event.id());
            assert_eq!(text(row, "sku"), data["sku"], "{}", event.id());
        }
    }
}

/// Starts an export that follows, and kills it when there are some more files.
async fn killed(stockbook: &Stockbook, folder: &Path, more_files: usize) {
    let before = files(folder).len();
    let mut command = export(stockbook, folder, &SMALL);
    let mut child: Child = command.stderr(Stdio::null()).spawn().expect("it can be started");
    let count = async || files(folder).len() - before;
    eventually("files appear", count, |count| *count >= more_files).await;
    child.kill().await.expect("it can be killed");
}

async fn an_export_that_is_killed_again_and_again_holds_each_event_once(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let (folder, (seed, mut chance)) = (folder(&stockbook), seeded());
    println!("seed {seed}");
    play(&stockbook, &trade_of(Stock::Full), 8).await;
    stockbook.command().put("/v1/items/MORE", json!({})).await.expect_status(201);
    stockbook.command().put("/v1/locations/MAIN", json!({})).await;
    let kills = async {
        for _ in 0..KILLS {
            killed(&stockbook, &folder, chance.random_range(1..5)).await;
        }
    };
    let trade = async {
        loop {
            stockbook.receive(&[("MORE", 1), ("MORE", 2)]).await;
        }
    };
    tokio::select! {
        () = kills => {}
        () = trade => {}
    }
    done(export(&stockbook, &folder, &[])).await;
    assert_is_the_log(&stockbook, &folder).await;
    let (is_good, said) = verified(&stockbook, &folder).await;
    let recorded = stockbook.recorded().await;
    println!("{recorded} events in {} files after {KILLS} kills", files(&folder).len());
    assert!(is_good && said.contains(&format!("{recorded} events of 4 lanes")), "{said}");
}

async fn a_hole_is_filled_and_another_log_is_refused(world: Arc<World>) {
    let (stockbook, _) = Stockbook::without_views(&world, 1).await;
    let folder = folder(&stockbook);
    for _ in 0..10 {
        stockbook.receive(&[("A", 1)]).await;
    }
    done(export(&stockbook, &folder, &["--file-events=4"])).await;
    let all = files(&folder);
    assert_eq!(all.len(), 3, "{all:?}");

    let whole = std::fs::read(&all[1]).expect("a file");
    std::fs::remove_file(&all[1]).expect("it can be removed");
    let (is_good, said) = verified(&stockbook, &folder).await;
    assert!(!is_good && said.contains("positions 5 to 8 are missing"), "{said}");
    stockbook.receive(&[("A", 1)]).await;
    done(export(&stockbook, &folder, &["--file-events=4"])).await;
    assert_eq!(std::fs::read(&all[1]).expect("it is back"), whole, "the same file again");
    assert_is_the_log(&stockbook, &folder).await;

    let (other, _) = Stockbook::without_views(&world, 1).await;
    let (is_done, said) = run(export(&other, &folder, &[])).await;
    assert!(!is_done && said.contains("Export it to another place"), "{said}");
    for _ in 0..20 {
        other.receive(&[("A", 1)]).await;
    }
    let (is_done, said) = run(export(&other, &folder, &[])).await;
    assert!(!is_done && said.contains("does not follow from position 13"), "{said}");
    assert_is_the_log(&stockbook, &folder).await;
}

async fn files_hold_personal_data_only_sealed(world: Arc<World>) {
    let (stockbook, command) = keeping(&world, &[("A", 5)]).await;
    let folder = folder(&stockbook);
    let mut body = with_person("c-81", "Mrs Miller");
    body["note"] = json!("said in clear");
    command.done("/v1/receipts", body).await;
    command.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
    done(export(&stockbook, &folder, &[])).await;
    assert_is_the_log(&stockbook, &folder).await;
    let rows = rows(&folder);
    let shown = format!("{rows:?}");
    assert!(shown.contains("said in clear"), "nothing can be found here at all");
    assert!(!shown.contains("Miller"), "{shown}");
    let of_person = rows.iter().filter(|row| text(row, "personal_subject") == "c-81");
    let sealed: Vec<String> = of_person.map(|row| text(row, "personal_sealed")).collect();
    assert!(matches!(&*sealed, [one] if one.len() > 40), "{sealed:?}");
}

async fn a_redaction_reaches_the_files_that_were_there_before(world: Arc<World>) {
    let (stockbook, command) = Stockbook::without_views(&world, 1).await;
    let folder = folder(&stockbook);
    let small = ["--file-events=3", "--log-page-events=2"];
    let mut said_in_clear = Vec::new();
    for _ in 0..4 {
        let mut body = lines_at_main(&[("A", 1)]);
        body["note"] = json!("said in clear");
        let done = command.done("/v1/receipts", body).await.json();
        said_in_clear.push(done["events"][0]["id"].as_str().expect("an id").to_owned());
        stockbook.receive(&[("A", 1)]).await;
    }
    done(export(&stockbook, &folder, &small)).await;
    let found = |folder: &Path| format!("{:?}", rows(folder)).matches("said in clear").count();
    assert_eq!(found(&folder), said_in_clear.len(), "it can be found before");
    let before = files(&folder).len();

    redact(&command, &said_in_clear, &["note"]).await.expect_status(200);
    stockbook.receive(&[("A", 1)]).await;
    let said = done(export(&stockbook, &folder, &small)).await;
    assert!(said.contains("written again after a redaction"), "{said}");
    assert_eq!(found(&folder), 0);
    assert!(files(&folder).len() > before);
    assert_is_the_log(&stockbook, &folder).await;
    let redacted = rows(&folder).iter().filter(|row| text(row, "redacted") == "note").count();
    assert_eq!(redacted, said_in_clear.len());
    let (is_good, said) = verified(&stockbook, &folder).await;
    assert!(is_good, "{said}");
}
