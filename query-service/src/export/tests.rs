use std::path::{Path, PathBuf};

use super::*;
use crate::pipeline::fact::Fact;
use crate::sample_log::{Log, Step};

/// A log of one lane with all kinds of columns in use.
fn log() -> Log {
    let mut log = Log::with_lanes(1);
    for sku in ["A", "B"] {
        log.register_item(sku, 3);
        log.receive(sku, "MAIN", 50);
    }
    log.register_location("MAIN");
    log.adjust("A", "MAIN", -2);
    log.move_stock("A", "MAIN", "SHOP", 4);
    log.reserve(&[("A", "MAIN", 5, 5), ("B", "MAIN", 1, 1)]);
    log.step_whole(0, Step::Confirm);
    log.record_unknown("A");
    log.issue("B", "MAIN", 1);
    log
}

/// Writes files with so many events each, as an export does.
async fn written(root: &Path, log: &Log, len: usize) {
    let place = Place::lock(&root.to_string_lossy()).expect("a folder");
    let mut at = Checkpoint::default();
    for chunk in log.events.chunks(len) {
        let mut file = EventFile::begin(Lane(0), at).expect("a file");
        for event in chunk {
            file.push(&Fact::of(event.clone())).expect("an event fits the columns");
        }
        let file = file.finish().expect("the events fit a file");
        at = file.description.end();
        place.keep(file).await.expect("the name is free");
    }
}

async fn files(root: &Path) -> Vec<PathBuf> {
    let spans = opened(root).spans(Lane(0)).await.expect("the folder can be read");
    spans.iter().map(|span| root.join(name::folder(Lane(0))).join(span.to_string())).collect()
}

fn opened(root: &Path) -> Place {
    Place::open(&root.to_string_lossy()).expect("a folder")
}

async fn verify(root: &Path) -> anyhow::Result<()> {
    verify::verify(&opened(root)).await
}

async fn refused(root: &Path) -> String {
    format!("{:#}", verify(root).await.expect_err("a difference"))
}

#[tokio::test]
async fn what_was_written_is_read_back_and_its_chain_goes_through() {
    let (folder, log) = (tempfile::tempdir().expect("a folder"), log());
    for len in [1, 4, 1_000] {
        let root = folder.path().join(len.to_string());
        written(&root, &log, len).await;
        assert_eq!(files(&root).await.len(), log.events.len().div_ceil(len));
        verify(&root).await.expect("no difference");
    }
}

#[tokio::test]
async fn a_missing_a_double_and_a_foreign_file_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    written(root, &log(), 4).await;
    let files = files(root).await;
    let taken = std::fs::read(&files[1]).expect("a file");

    std::fs::remove_file(&files[1]).expect("it can be removed");
    assert!(
        refused(root).await.contains("lane 0: positions 5 to 8 are missing"),
        "{}",
        refused(root).await
    );

    let twice = root.join("lane=00/00000000000000000004-00000000000000000008.parquet");
    std::fs::write(&twice, &taken).expect("the disk has room");
    assert!(refused(root).await.contains("hold the same positions"), "{}", refused(root).await);
    std::fs::remove_file(&twice).expect("it can be removed");

    std::fs::copy(&files[0], &files[1]).expect("the disk has room");
    assert!(refused(root).await.contains("by its metadata it is"), "{}", refused(root).await);

    let other = tempfile::tempdir().expect("a folder");
    let mut forked = Log::with_lanes(1);
    forked.register_item("C", 3);
    for _ in 0..20 {
        forked.receive("C", "MAIN", 1);
    }
    written(other.path(), &forked, 4).await;
    std::fs::copy(&self::files(other.path()).await[1], &files[1]).expect("the disk has room");
    assert!(
        refused(root).await.contains("does not follow from the file before"),
        "{}",
        refused(root).await
    );

    std::fs::write(&files[1], &taken[..taken.len() / 2]).expect("the disk has room");
    assert!(refused(root).await.contains("00000000000000000005-"), "{}", refused(root).await);
    std::fs::write(&files[1], &taken).expect("the disk has room");
    verify(root).await.expect("no difference");
}

#[tokio::test]
async fn an_event_that_was_changed_in_a_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut changed = log();
    let issued = changed.events.last_mut().expect("an event");
    issued.data = serde_json::value::RawValue::from_string(issued.data.get().replace('1', "2"))
        .expect("still JSON");
    let id = issued.id();
    written(folder.path(), &changed, 100).await;
    assert!(refused(folder.path()).await.contains(&format!("the chain breaks at {id}")));
}

#[test]
fn a_folder_has_one_export_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Place::lock(&folder.path().to_string_lossy()).expect("a folder");
    let second = Place::lock(&folder.path().to_string_lossy()).err().expect("it is taken");
    assert!(format!("{second:#}").contains("another export writes to it"), "{second:#}");
    drop(first);
    assert!(Place::lock(&folder.path().to_string_lossy()).is_ok());
}
