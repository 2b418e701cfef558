//! The log by logical replication: another Postgres has every event once, and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use integration_tests::{Stockbook, World, eventually, lines_at_main};
use reqwest::Url;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use stack::folder::DataFolder;
use stack::places::Places;
use stack::postgres::databases::DatabaseUrls;
use stack::servers::{Servers, Wanted};
use stack::services::settings::Settings;
use stack::services::{run_task, task_output};

use crate::personal::event_of;

trials! {
    a_subscriber_has_every_event_once_however_often_it_is_killed,
}

const READER: &str = "shop_copy";

/// What is published of an event, in order.
const EVENTS: &str = "select lane, position, stream, version, type, schema_version, occurred_at, recorded_at, actor, \
    correlation_id, causation_id, data::text, data_hash, chain, traceparent, credential, subject, sealed, redacted, \
    personal_hash from events order by lane, position";

/// How often the subscriber is killed.
const KILLS: usize = 2;

/// How many receipts are timed.
const TIMED: usize = 40;

/// A Postgres server of the test's own.
async fn server(world: &World, name: &str) -> Servers {
    let folder = DataFolder::open(&world.servers().folder().root().join(name)).unwrap();
    let wanted = Wanted { kafka: None, ..Wanted::on_free_ports().unwrap() };
    let mut servers = Servers::open(folder, wanted).await.unwrap();
    servers.folder().clear().unwrap();
    servers.start(&Places::from_environment().unwrap()).await.unwrap();
    servers
}

/// The URL of the superuser at another database.
fn admin_at(servers: &Servers, of: &Url) -> Url {
    let mut url = servers.databases().unwrap().admin_url().clone();
    url.set_path(of.path());
    url
}

async fn connect(url: &Url) -> PgConnection {
    PgConnection::connect(url.as_str()).await.unwrap()
}

async fn execute(url: &Url, statement: &str) -> Result<(), String> {
    let mut connection = connect(url).await;
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
    done.map(drop).map_err(|error| error.to_string())
}

/// The digest of all that is published, and how many events that are. Nothing while the server is away.
async fn digest(url: &Url) -> Option<(i64, String)> {
    let mut connection = PgConnection::connect(url.as_str()).await.ok()?;
    let digest = format!(
        "select count(*), coalesce(md5(string_agg(e::text, '|')), '') from ({EVENTS}) as e"
    );
    sqlx::query_as(AssertSqlSafe(digest)).fetch_one(&mut connection).await.ok()
}

async fn publication(world: &World, admin: &Url, arguments: &[&str]) -> Result<String, String> {
    let settings = Settings::default().with("ADMIN_DATABASE_URL", admin.as_str());
    let arguments = [&["publication"], arguments].concat();
    let output = task_output(world.command_service(), &arguments, &settings).await;
    output.map(|said| said.trim().to_owned()).map_err(|error| format!("{error:#}"))
}

/// The role can read what is published and change nothing.
async fn assert_reads_only(reader: &Url) {
    execute(reader, "select lane, position, data, chain from events").await.unwrap();
    for forbidden in [
        "select idempotency_key from events",
        "select * from api_keys",
        "insert into events (lane) values (0)",
        "update events set data = data",
        "create table mine (id int)",
        "select pg_read_file('postgresql.auto.conf')",
    ] {
        let refused = execute(reader, forbidden).await.expect_err(forbidden);
        assert!(refused.contains("permission denied"), "{forbidden}: {refused}");
    }
}

/// From the answer to a receipt until the copy has its event: the middle of many.
async fn delay(stockbook: &Stockbook, copy: &Url) -> Duration {
    let mut copy = connect(copy).await;
    let mut delays = Vec::new();
    for _ in 0..TIMED {
        let received = stockbook.receive(&[("A", 1)]).await.json();
        let answered = Instant::now();
        let id = event_of(&received);
        let is_there = "select exists (select from events where lane || '-' || position = $1)";
        while !sqlx::query_scalar::<_, bool>(is_there).bind(&id).fetch_one(&mut copy).await.unwrap()
        {
            assert!(answered.elapsed() < Duration::from_secs(30), "{id} is not in the copy");
        }
        delays.push(answered.elapsed());
    }
    delays.sort();
    delays[TIMED / 2]
}

/// A log on a server that can publish it.
async fn published(world: &Arc<World>) -> (Servers, Stockbook, Url) {
    let mut servers = server(world, "publisher").await;
    let urls = servers.databases().unwrap().create("published").await.unwrap();
    let admin = admin_at(&servers, &urls.write);
    let refused = publication(world, &admin, &["create", "--role", READER]).await;
    assert!(refused.as_ref().is_err_and(|why| why.contains("wal_level=replica")), "{refused:?}");
    execute(&admin, "alter system set wal_level = logical").await.unwrap();
    servers.stop().await.unwrap();
    servers.start(&Places::from_environment().unwrap()).await.unwrap();
    let mut stockbook = Stockbook::prepare_in(world, urls, 4, None).await;
    stockbook.add_command_service(&[]).await;
    (servers, stockbook, admin)
}

/// A migrated database without events, which will have those of the other.
async fn copy(world: &World, servers: &Servers) -> (DatabaseUrls, Url) {
    let urls = servers.databases().unwrap().create("copy").await.unwrap();
    let settings = Settings::migrate(&urls.write_owner).with("LANES", "4");
    run_task(world.command_service(), "migrate", &settings).await.unwrap();
    let admin = admin_at(servers, &urls.write);
    // A worker that lost its connection tries again at once, not after five seconds.
    execute(&admin, "alter system set wal_retrieve_retry_interval = '100ms'").await.unwrap();
    execute(&admin, "select pg_reload_conf()").await.unwrap();
    (urls, admin)
}

async fn a_subscriber_has_every_event_once_however_often_it_is_killed(world: Arc<World>) {
    let (mut source, stockbook, admin) = published(&world).await;
    stockbook.stock(&[("A", 500), ("B", 0)]).await;
    let mut noted = lines_at_main(&[("B", 1)]);
    noted["note"] = json!("the blue coat of Mrs Miller");
    let noted = event_of(&stockbook.command().done("/v1/receipts", noted).await.json());
    let password = publication(&world, &admin, &["create", "--role", READER]).await.unwrap();
    let again = publication(&world, &admin, &["create", "--role", READER]).await;
    assert!(again.as_ref().is_err_and(|why| why.contains("already exists")), "{again:?}");
    let mut reader = admin.clone();
    reader.set_username(READER).unwrap();
    reader.set_password(Some(&password)).unwrap();
    assert_reads_only(&reader).await;

    // 1. What is there is copied, what comes follows.
    let mut target = server(&world, "subscriber").await;
    let (urls, copy) = copy(&world, &target).await;
    let connection = format!(
        "host={} port={} dbname={} user={READER} password={password}",
        admin.host_str().unwrap(),
        admin.port().unwrap(),
        admin.path().trim_start_matches('/'),
    );
    let subscribe =
        format!("create subscription copy connection '{connection}' publication stockbook_log");
    execute(&copy, &subscribe).await.unwrap();
    for round in 0..KILLS {
        for quantity in 1..=10 {
            stockbook.receive(&[("A", quantity), ("B", 1)]).await;
            if quantity == 5 + round as i64 {
                target.own().next().unwrap().kill().await.unwrap();
            }
        }
        target.own().next().unwrap().start_again().await.unwrap();
    }
    // 2. What is redacted is redacted there.
    let body = json!({"events": [noted], "members": ["note"], "reason": "request"});
    stockbook.command().post("/v1/redactions", body).await.expect_status(200);
    let log = digest(&admin).await.unwrap();
    let seen = async || digest(&copy).await;
    eventually("the copy is the log", seen, |seen| seen.as_ref() == Some(&log)).await;
    assert_eq!(log.0, stockbook.recorded().await, "each event is there once");
    let find = "select count(*) from events where data::text like '%blue coat%'";
    let left: i64 = sqlx::query_scalar(find).fetch_one(&mut connect(&copy).await).await.unwrap();
    assert_eq!(left, 0, "the note is gone");
    // 3. The chain, versions and figures are proved over there.
    let settings = Settings::default().with("WRITE_DATABASE_URL", urls.write.as_str());
    let verified = task_output(world.command_service(), &["verify"], &settings).await.unwrap();
    let sum = format!("{} events in 4 lanes, 1 redacted, no difference", log.0);
    assert!(verified.contains(&sum), "{verified}");
    let delay = delay(&stockbook, &copy).await;
    println!(
        "an event is in the copy {delay:.1?} after the answer (middle of {TIMED}, programs not optimised)"
    );

    // 4. The publication does not end under who follows it.
    let refused = publication(&world, &admin, &["drop"]).await;
    assert!(refused.as_ref().is_err_and(|why| why.contains("slot copy")), "{refused:?}");
    execute(&copy, "drop subscription copy").await.unwrap();
    publication(&world, &admin, &["drop"]).await.unwrap();
    publication(&world, &admin, &["drop", "--role", READER]).await.unwrap();
    let other = publication(&world, &admin, &["drop", "--role", "stockbook_owner"]).await;
    assert!(other.is_err_and(|why| why.contains("is not a role that")), "an owner is not dropped");
    drop(stockbook);
    source.stop().await.unwrap();
    target.stop().await.unwrap();
}
