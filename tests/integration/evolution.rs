//! What earlier versions wrote stays readable: logs kept as fixtures, each as it was written.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use integration_tests::stockbook::Stockbook;
use integration_tests::world::World;
use sqlx::PgPool;
use sqlx::postgres::PgPoolCopyExt;
use stack::replay::plan::{Plan, Stock};
use stack::replay::replay;
use stack::replay::source::Source;

/// Copies a table of a fixture into the write database.
async fn copy(owner: &PgPool, fixture: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
    let file = std::fs::File::open(path.join(format!("{table}.csv.gz"))).expect("the fixture");
    let mut csv = Vec::new();
    GzDecoder::new(file).read_to_end(&mut csv).expect("the fixture unpacks");
    let statement = format!("copy {table} from stdin (format csv, header)");
    let mut copying = owner.copy_in_raw(&statement).await.expect("the table takes rows");
    copying.send(csv).await.expect("the rows are sent");
    copying.finish().await.expect("the rows fit");
}

/// The log of a scarce replay of the sample, from before counts and moves. Sending the same trade
/// again finds every command decided, refusals too, and every figure as it was.
pub(crate) async fn a_log_of_november_2026_is_folded_projected_and_answered_from(
    world: Arc<World>,
) {
    let mut stockbook = Stockbook::prepare(&world, 16).await;
    let owner = PgPool::connect(stockbook.urls.write_owner.as_str()).await.unwrap();
    copy(&owner, "log-2026-11", "events").await;
    copy(&owner, "log-2026-11", "commands").await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service().await;
    let written = stockbook.recorded().await;
    assert_eq!(written, 2_468, "the fixture has another length");

    let sample = Source::sample().expect("the sample is shipped");
    let plan = Plan::new(Stock::Scarce, &[sample]).expect("the sample can be read");
    let report = replay(&plan, &super::replay::options(&stockbook, 8)).await;
    let report = report.expect("the replay comes through");
    assert!(report.is_good(), "{report}");
    assert_eq!(stockbook.recorded().await, written, "something was decided anew: {report}");
    super::relay::assert_topic_equals_log(&stockbook).await;

    stockbook.receive(&[("85123A", 5)]).await;
    assert_eq!(stockbook.recorded().await, written + 1);
    stockbook.verify().await;
}
