use std::path::Path;

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
fn written(root: &Path, log: &Log, len: usize) {
    let folder = Folder::lock(root.to_owned()).expect("a folder");
    let mut at = Checkpoint::default();
    for chunk in log.events.chunks(len) {
        let path = folder.unfinished(Lane(0)).expect("a folder of the lane");
        let mut file = EventFile::create(&path, Lane(0), at).expect("a file");
        for event in chunk {
            file.push(&Fact::of(event.clone())).expect("an event fits the columns");
        }
        let description = file.finish().expect("the disk has room");
        folder.keep(&path, description).expect("the name is free");
        at = description.end();
    }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let spans = folder::spans(root, Lane(0)).expect("the folder can be read");
    spans.iter().map(|span| folder::path(root, Lane(0), span)).collect()
}

fn refused(root: &Path) -> String {
    format!("{:#}", verify::verify(root).expect_err("a difference"))
}

#[test]
fn what_was_written_is_read_back_and_its_chain_goes_through() {
    let (folder, log) = (tempfile::tempdir().expect("a folder"), log());
    for len in [1, 4, 1_000] {
        let root = folder.path().join(len.to_string());
        written(&root, &log, len);
        assert_eq!(files(&root).len(), log.events.len().div_ceil(len));
        verify::verify(&root).expect("no difference");
    }
}

#[test]
fn a_missing_a_double_and_a_foreign_file_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    written(root, &log(), 4);
    let files = files(root);
    let taken = std::fs::read(&files[1]).expect("a file");

    std::fs::remove_file(&files[1]).expect("it can be removed");
    assert!(refused(root).contains("lane 0: positions 5 to 8 are missing"), "{}", refused(root));

    let twice = root.join("lane=00/00000000000000000004-00000000000000000008.parquet");
    std::fs::write(&twice, &taken).expect("the disk has room");
    assert!(refused(root).contains("hold the same positions"), "{}", refused(root));
    std::fs::remove_file(&twice).expect("it can be removed");

    std::fs::copy(&files[0], &files[1]).expect("the disk has room");
    assert!(refused(root).contains("by its metadata it is"), "{}", refused(root));

    let other = tempfile::tempdir().expect("a folder");
    let mut forked = Log::with_lanes(1);
    forked.register_item("C", 3);
    for _ in 0..20 {
        forked.receive("C", "MAIN", 1);
    }
    written(other.path(), &forked, 4);
    std::fs::copy(&self::files(other.path())[1], &files[1]).expect("the disk has room");
    assert!(refused(root).contains("does not follow from the file before"), "{}", refused(root));

    std::fs::write(&files[1], &taken[..taken.len() / 2]).expect("the disk has room");
    assert!(refused(root).contains("00000000000000000005-"), "{}", refused(root));
    std::fs::write(&files[1], &taken).expect("the disk has room");
    verify::verify(root).expect("no difference");
}

#[test]
fn an_event_that_was_changed_in_a_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut changed = log();
    let issued = changed.events.last_mut().expect("an event");
    issued.data = serde_json::value::RawValue::from_string(issued.data.get().replace('1', "2"))
        .expect("still JSON");
    let id = issued.id();
    written(folder.path(), &changed, 100);
    assert!(refused(folder.path()).contains(&format!("the chain breaks at {id}")));
}

#[test]
fn a_folder_has_one_export_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Folder::lock(folder.path().to_owned()).expect("a folder");
    let second = Folder::lock(folder.path().to_owned()).err().expect("it is taken");
    assert!(format!("{second:#}").contains("another export writes to it"), "{second:#}");
    drop(first);
    assert!(Folder::lock(folder.path().to_owned()).is_ok());
}
