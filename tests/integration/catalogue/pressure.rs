//! The problems of a service that waits, is full, or has lost its database.

use std::time::Duration;

use futures::future::join_all;
use integration_tests::{Answer, Api, Stockbook, eventually, lines_at_main};
use shared_events::lane::LaneMap;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Met;

/// Every lane locked, until it is dropped: no writer comes past its first step.
async fn lock_lanes(stockbook: &Stockbook) -> PgConnection {
    let mut holder = stockbook.superuser().await;
    let lock = "begin; select pg_advisory_xact_lock(8266, lane) from lanes order by lane";
    sqlx::raw_sql(lock).execute(&mut holder).await.expect("the lanes can be locked");
    holder
}

async fn unlock(mut holder: PgConnection) {
    sqlx::raw_sql("rollback").execute(&mut holder).await.expect("the lanes are let go");
}

/// Waits until a writer waits for a lock.
async fn is_waiting(stockbook: &Stockbook) {
    // Not the holder: inside a transaction everybody is seen as at its first look.
    let mut observer = stockbook.superuser().await;
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
        and application_name = 'command-service writer' and wait_event_type = 'Lock'";
    eventually(
        "a writer waits for its lanes",
        async || -> i64 {
            sqlx::query_scalar(waiting).fetch_one(&mut observer).await.expect("a count")
        },
        |seen| *seen > 0,
    )
    .await;
}

/// Receives one unit of A in a separate task.
fn receive(api: &Api, key: Option<&str>) -> JoinHandle<Answer> {
    let (api, key) = (api.clone(), key.map(str::to_owned));
    tokio::spawn(async move {
        let key = key.as_deref().map(|key| ("idempotency-key", key));
        let headers: Vec<(&str, &str)> = key.into_iter().collect();
        api.send_with("POST", "/v1/receipts", &headers, &lines_at_main(&[("A", 1)])).await
    })
}

/// Missing, reused, and in use by another instance at this moment.
pub(super) async fn of_keys(stockbook: &mut Stockbook, met: &mut Met) {
    stockbook.add_command_service(&[("REQUIRE_IDEMPOTENCY_KEY", "true")]).await;
    let [first, strict] = stockbook.instances().try_into().expect("two instances");
    met.meet(receive(&strict, None).await.unwrap(), "idempotency_key_missing");
    receive(&strict, Some("k1")).await.unwrap().expect_status(200);
    let other = lines_at_main(&[("A", 2)]);
    let other = first.keyed("/v1/receipts", "k1", &other);
    met.meet(other.await, "idempotency_key_reused");

    let holder = lock_lanes(stockbook).await;
    let deciding = receive(&first, Some("k2"));
    is_waiting(stockbook).await;
    let asked = Instant::now();
    let busy = receive(&strict, Some("k2")).await.unwrap();
    met.meet(busy, "idempotency_in_progress");
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert!(!deciding.is_finished(), "the lanes were not locked");
    unlock(holder).await;
    let decided = deciding.await.unwrap().expect_status(200);
    let again = receive(&strict, Some("k2")).await.unwrap().expect_status(200);
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &decided.body));
}

/// One request that may wait, and not for long.
pub(super) async fn of_time_and_space(stockbook: &mut Stockbook, met: &mut Met) {
    const DEADLINE_MS: u64 = 400;
    let bounds = [("QUEUE_COMMANDS_MAX", "1"), ("COMMAND_DEADLINE_MS", "400")];
    stockbook.add_command_service(&bounds).await;
    let api = stockbook.instances().remove(2);
    let before = stockbook.recorded().await;
    let holder = lock_lanes(stockbook).await;
    let deciding = receive(&api, None);
    is_waiting(stockbook).await;
    let asked = Instant::now();
    let waiting: Vec<JoinHandle<Answer>> = (0..8).map(|_| receive(&api, None)).collect();
    eventually(
        "all but one are refused, and that one's deadline passes",
        async || {
            let refused = waiting.iter().filter(|one| one.is_finished()).count();
            (refused, asked.elapsed())
        },
        |(refused, passed)| *refused >= 7 && *passed > Duration::from_millis(DEADLINE_MS + 100),
    )
    .await;
    unlock(holder).await;
    // The deadline holds to the last moment before the decision: for one that waits for lanes, too.
    met.meet(deciding.await.unwrap(), "deadline_exceeded");
    let answers: Vec<Answer> = join_all(waiting).await.into_iter().map(Result::unwrap).collect();
    let (overloaded, late): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.body.contains("overloaded"));
    assert_eq!((overloaded.len(), late.len()), (7, 1));
    for answer in overloaded {
        met.meet(answer, "overloaded");
    }
    for answer in late {
        met.meet(answer, "deadline_exceeded");
    }
    assert_eq!(stockbook.recorded().await, before, "what was refused was executed");
}

/// A database that lets nobody in, and an event that this version does not know.
pub(super) async fn of_the_database(stockbook: &mut Stockbook, met: &mut Met) {
    let api = stockbook.command();
    let mut admin = stockbook.server_superuser().await;
    let name = stockbook.urls.write.path().trim_start_matches('/').to_owned();
    let mut let_in = async |yes: bool| {
        let alter = format!("alter database {name} with allow_connections {yes}");
        sqlx::raw_sql(AssertSqlSafe(alter)).execute(&mut admin).await.expect("a superuser may");
        let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
        sqlx::query(end).bind(&name).execute(&mut admin).await.expect("a superuser may");
    };
    let_in(false).await;
    met.meet(receive(&api, Some("k3")).await.unwrap(), "unavailable");
    met.meet(api.get("/v1/lanes").await, "unavailable");
    let_in(true).await;
    let ask = async || receive(&api, Some("k3")).await.unwrap().status;
    eventually("the service has its database again", ask, |status| *status == 200).await;

    let lanes = LaneMap::even(stockbook.lanes).expect("a map");
    let lane = lanes.lane_of(&"item/A".parse().expect("a stream")).0;
    let unknown = "insert into events select lane, position + 1, 'stock/A/MAIN', version + 1000,
            'TeaMade', 1, occurred_at, recorded_at, null, correlation_id, null, '{}', data_hash, chain
        from events where lane = $1 order by position desc limit 1";
    let unknown = sqlx::query(unknown).bind(i16::try_from(lane).expect("a lane"));
    let mut superuser = stockbook.superuser().await;
    unknown.execute(&mut superuser).await.expect("a superuser may");
    let problem = met.meet(receive(&api, None).await.unwrap(), "internal");
    assert!(!problem.to_string().contains("TeaMade"), "the cause is for the log: {problem}");
}
