//! What is known of persons stands nowhere in clear, and after it is forgotten nothing opens it again.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use integration_tests::{Size, Stockbook, World, lines_at_main, read_messages};
use rdkafka::message::Headers;
use rdkafka::message::Message;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::event_of;
use crate::integrity::assert_ok;

trials! {
    marks_of_persons_are_nowhere_and_those_in_notes_everywhere,
}

const SUBJECTS: usize = 40;

/// Every row of every table of a database, as text.
async fn dump(mut database: PgConnection) -> String {
    let tables = "select format('%I.%I', schemaname, tablename) from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema')";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut database).await.unwrap();
    assert!(tables.len() >= 3, "{tables:?}");
    let mut text = String::new();
    for table in tables {
        let rows = format!("select one::text from {table} as one");
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut database).await.unwrap();
        text += &rows.join("\n");
    }
    text
}

/// Every byte of every record.
async fn topic(stockbook: &Stockbook) -> String {
    let mut text = String::new();
    for lane in 0..stockbook.lanes {
        for message in read_messages(stockbook.brokers(), &stockbook.topic, lane).await {
            text += &String::from_utf8_lossy(message.payload().unwrap_or_default());
            for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
                text += &String::from_utf8_lossy(header.value.unwrap_or_default());
            }
        }
    }
    text
}

fn logs(stockbook: &mut Stockbook) -> String {
    let services = stockbook.commands.iter_mut().chain(&mut stockbook.queries);
    services.map(|one| std::fs::read_to_string(one.process().log()).unwrap()).collect()
}

/// How many of the marks are in a text.
fn found(text: &str, kind: &str, count: usize) -> usize {
    (0..count).filter(|nth| text.contains(&format!("{kind}-{nth:05}-"))).count()
}

async fn marks_of_persons_are_nowhere_and_those_in_notes_everywhere(world: Arc<World>) {
    let count = match Size::wanted() {
        Size::Full => 1_000,
        Size::Small => 120,
    };
    let trace = [("RUST_LOG", "trace")];
    let mut stockbook = Stockbook::prepare(&world, 4).await.keeping_personal().await;
    stockbook.add_command_service(&trace).await;
    stockbook.add_query_service(&trace).await;
    stockbook.stock(&[("A", 1)]).await;
    let command = stockbook.command();
    let send = async |nth: usize| {
        let mut body = lines_at_main(&[("A", 1)]);
        body["note"] = json!(format!("note-{nth:05}-"));
        let data = json!({"name": format!("mark-{nth:05}-")});
        body["personal"] = json!({"subject": format!("c-{}", nth % SUBJECTS), "data": data});
        event_of(
            &command
                .keyed("/v1/receipts", &format!("k{nth}"), &body)
                .await
                .expect_status(200)
                .json(),
        )
    };
    let ids: Vec<String> = stream::iter(0..count).map(send).buffered(16).collect().await;
    let head = stockbook.heads().await;
    stockbook.read_at("/v1/stock/A/MAIN", &head).await;
    crate::relay::assert_topic_equals_log(&stockbook).await;

    // 1. In no place of either database, the topic and the logs is a mark; the notes are in three of them.
    let (write, read) =
        (dump(stockbook.superuser().await).await, dump(stockbook.read_superuser().await).await);
    let keys = dump(stockbook.keys_superuser().await).await;
    let (records, logged) = (topic(&stockbook).await, logs(&mut stockbook));
    assert!(logged.contains("TRACE"), "the services log everything");
    for (place, text) in [
        ("the write database", &write),
        ("the read database", &read),
        ("the database of keys", &keys),
        ("the topic", &records),
        ("the logs", &logged),
    ] {
        assert_eq!(found(text, "mark", count), 0, "a mark is in {place}");
    }
    assert_eq!((found(&write, "note", count), found(&records, "note", count)), (count, count));
    println!(
        "{count} commands: no mark in {} KiB of rows, records and logs",
        (write.len() + read.len() + keys.len() + records.len() + logged.len()) / 1024
    );

    // 2. The log of now, as a backup keeps it.
    let backup = Backup::of(&stockbook).await;
    for nth in 0..SUBJECTS.min(count) {
        let path = format!("/v1/subjects/c-{nth}");
        let forgotten = command.try_send(Method::DELETE, &path, &[], None).await.unwrap();
        forgotten.expect_status(200);
    }
    let open = async |api: &integration_tests::Api| {
        for id in &ids {
            api.get(&format!("/v1/events/{id}/personal")).await.expect_problem(410, "forgotten");
        }
    };
    open(&stockbook.command()).await;
    stockbook.crash().await;
    open(&stockbook.command()).await;
    stockbook.verify().await;
    let head = stockbook.heads().await;
    assert_ok(&stockbook.read_at("/v1/integrity", &head).await.json());

    // 3. Yesterday's log with today's keys.
    let restored = backup.restore(&world, &mut stockbook).await;
    open(&restored.command()).await;
    restored.verify().await;
}

/// The rows of a log.
struct Backup {
    events: Vec<u8>,
    log: String,
}

impl Backup {
    async fn of(stockbook: &Stockbook) -> Self {
        let owner = PgPool::connect(stockbook.urls.write_owner.as_str()).await.unwrap();
        let mut copying = owner.copy_out_raw("copy events to stdout").await.unwrap();
        let mut events = Vec::new();
        while let Some(bytes) = copying.next().await {
            events.extend_from_slice(&bytes.unwrap());
        }
        let log = sqlx::query_scalar("select id::text from log_identity").fetch_one(&owner).await;
        Self { events, log: log.unwrap() }
    }

    /// Another Stockbook on these rows, with the keys that the first has now.
    async fn restore(self, world: &Arc<World>, first: &mut Stockbook) -> Stockbook {
        let mut restored = Stockbook::prepare(world, first.lanes).await;
        let owner = PgPool::connect(restored.urls.write_owner.as_str()).await.unwrap();
        let mut copying = owner.copy_in_raw("copy events from stdin").await.unwrap();
        copying.send(self.events.as_slice()).await.unwrap();
        copying.finish().await.unwrap();
        let same = "update log_identity set id = $1::uuid";
        sqlx::query(same).bind(self.log).execute(&owner).await.unwrap();
        restored.personal = first.personal.take();
        restored.add_command_service(&[]).await;
        restored
    }
}
