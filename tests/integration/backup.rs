//! What an operator does with a backup: the log as it was at a moment, and everything else made from it.

use std::sync::Arc;

use integration_tests::{Stockbook, World, eventually, lines_at_main, stop};
use reqwest::Url;
use sqlx::{Connection, PgConnection};
use stack::places::Places;
use stack::postgres::databases::DatabaseUrls;
use stack::postgres::member::Member;
use stack::services::run_task;
use stack::services::settings::Settings;

use crate::failover::{agree, published};
use crate::redaction::remake_topic;

trials! {
    a_log_is_restored_to_a_moment_and_topic_and_views_are_made_from_it_alone,
}

async fn connect(url: &Url) -> PgConnection {
    PgConnection::connect(url.as_str()).await.unwrap()
}

/// Waits until all that was written by now is in the archive.
async fn archived(server: &Member) {
    let mut admin = connect(server.admin_url()).await;
    let file = "select pg_walfile_name(pg_switch_wal())";
    let file: String = sqlx::query_scalar(file).fetch_one(&mut admin).await.unwrap();
    let last = async || -> String {
        let last = "select coalesce(max(last_archived_wal), '') from pg_stat_archiver";
        sqlx::query_scalar(last).fetch_one(&mut connect(server.admin_url()).await).await.unwrap()
    };
    eventually("the write-ahead log is archived", last, |last| *last >= file).await;
}

async fn a_log_is_restored_to_a_moment_and_topic_and_views_are_made_from_it_alone(
    world: Arc<World>,
) {
    let root = world.servers().folder().root().to_owned();
    let places = Places::from_environment().unwrap();
    let mut server = Member::start_archiving(&root.join("archiving"), &places).await.unwrap();
    let urls = server.databases().await.unwrap().create("shop").await.unwrap();
    let mut stockbook = Stockbook::prepare_in(&world, urls, 4, None).await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[]).await;
    stockbook.stock(&[("A", 10), ("B", 10)]).await;
    let backup = server.back_up().await.unwrap();

    // 1. The backup does not have this, the archive has; and then somebody makes a mistake.
    let sale = lines_at_main(&[("A", 3), ("B", 4)]);
    let sold = stockbook.command().keyed("/v1/issues", "sale", &sale).await.expect_status(200);
    let kept = stockbook.heads().await;
    let now = "select clock_timestamp()::text";
    let moment: String =
        sqlx::query_scalar(now).fetch_one(&mut connect(server.admin_url()).await).await.unwrap();
    let mistake = lines_at_main(&[("A", 7)]);
    stockbook.command().keyed("/v1/issues", "mistake", &mistake).await.expect_status(200);
    published(&stockbook).await;
    stockbook.read_at("/v1/stock/A/MAIN", &stockbook.heads().await).await;
    archived(&server).await;

    // 2. The server is lost, and the log restored elsewhere.
    stop(&mut stockbook.queries[0]).await;
    stop(&mut stockbook.commands[0]).await;
    server.kill().await.unwrap();
    let restored = server.restore(&root.join("restored"), &backup, &moment).await.unwrap();
    server.remove().await.unwrap();

    // 3. The topic is emptied before anybody reads it, and the views begin with nothing.
    let databases = restored.databases().await.unwrap();
    let log = databases.create("shop").await.unwrap();
    let views = databases.create("shop_again").await.unwrap();
    stockbook.urls = DatabaseUrls { write_owner: log.write_owner, write: log.write, ..views };
    let migrate = Settings::migrate(&stockbook.urls.read_owner).with("LANES", "4");
    run_task(world.query_service(), "migrate", &migrate).await.unwrap();
    remake_topic(&stockbook).await;
    stockbook.commands.clear();
    stockbook.queries.clear();
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[]).await;

    // 4. It is as if the mistake had not been made, and everything before it had.
    assert_eq!(stockbook.heads().await, kept);
    let (command, again) = (stockbook.command(), "sale");
    let again = command.keyed("/v1/issues", again, &sale).await.expect_status(200);
    assert!(again.is_replayed() && again.body == sold.body, "{again:?}");
    let stock = stockbook.read_at("/v1/stock/A/MAIN", &kept).await.json();
    assert_eq!(stock["on_hand"], 7, "{stock}");
    agree(&stockbook).await;
    let mistake = command.keyed("/v1/issues", "mistake", &mistake).await.expect_status(200);
    assert!(!mistake.is_replayed(), "{mistake:?}");
    agree(&stockbook).await;
    drop(stockbook);
    restored.remove().await.unwrap();
}
