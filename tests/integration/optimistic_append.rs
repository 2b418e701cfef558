//! Batches that are decided before their locks and appended by one statement.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use integration_tests::{Loss, Proxy, READY_MAX, Stockbook, World, lines_at_main};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use tokio::time::timeout;

use super::idempotency::keyed;

trials! {
    a_batch_decided_on_another_log_is_not_written,
    a_batch_whose_answer_is_lost_is_unknown_and_its_key_shows_the_outcome,
    a_repeated_key_does_not_stop_optimistic_appends,
    commands_decided_while_a_batch_is_in_flight_count_as_waiting,
    a_moment_is_settled_after_a_tenth_of_a_second,
}

const APPEND: &str = include_str!("../../command-service/queries/append.sql");

/// An append without rows, and whether its conditions hold on a log of one lane.
#[derive(Clone, Copy)]
struct Expected<'a> {
    head: &'a str,
    chain: &'a str,
    decided: &'a str,
    keys: &'a str,
    /// Whether events are appended to the lane.
    is_written: bool,
}

const AS_IT_IS: Expected<'_> = Expected {
    head: "position",
    chain: "chain",
    decided: "clock_timestamp()",
    keys: "'{}'",
    is_written: true,
};

impl Expected<'_> {
    fn statement(&self) -> String {
        let Self { head, chain, decided, keys, is_written } = self;
        let of_head =
            |value: &str| format!("(select {value} from events order by position desc limit 1)");
        let head = of_head(&format!("array[row(lane, {head}, {chain})::lane_head]"));
        let decided = of_head(decided);
        let none = "'{}'";
        let [written, read] = if *is_written { [&*head, none] } else { [none, &*head] };
        let values =
            [written, *keys, &decided, &decided, none, none, none, none, read, none, none, none];
        // From the last on: `$1` is the beginning of `$10`.
        values.iter().enumerate().rev().fold(APPEND.to_owned(), |statement, (nth, value)| {
            statement.replace(&format!("${}", nth + 1), value)
        })
    }

    /// Why nothing would be written; none if it would.
    async fn conflict(&self, database: &PgPool) -> Option<String> {
        let asked = sqlx::query_scalar(AssertSqlSafe(self.statement())).fetch_one(database).await;
        asked.unwrap_or_else(|error| panic!("{}: {error}", self.statement()))
    }

    /// On a busy machine the statement itself may be paused until its moment is too old.
    async fn is_written_by_one_of_ten(&self, database: &PgPool) -> bool {
        for _ in 0..10 {
            if self.conflict(database).await.is_none() {
                return true;
            }
        }
        false
    }
}

async fn execute(connection: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql(statement).execute(connection).await.unwrap_or_else(|error| {
        panic!("{statement}: {error}");
    });
}

/// Whatever a service expects, the database writes only events that were decided on this log.
async fn a_batch_decided_on_another_log_is_not_written(world: Arc<World>) {
    let (mut stockbook, command) = Stockbook::without_views(&world, 1).await;
    keyed(&command, "/v1/receipts", "used", &[("A", 1)]).await.expect_status(200);
    keyed(&command, "/v1/issues", "refused", &[("A", 1_000)]).await.expect_status(409);
    stockbook.commands[0].stop().await.expect("the service stops");
    let database = stockbook.write_database().await;

    assert!(AS_IT_IS.is_written_by_one_of_ten(&database).await);
    let fresh = "array[row(7, 'stockbook', 'fresh')::key_claim]";
    let fresh = Expected { keys: fresh, ..AS_IT_IS };
    assert!(fresh.is_written_by_one_of_ten(&database).await);
    let in_time = Expected { decided: "clock_timestamp() - interval '50 ms'", ..AS_IT_IS };
    assert!(in_time.is_written_by_one_of_ten(&database).await);
    let read = Expected { is_written: false, ..AS_IT_IS };
    assert!(read.is_written_by_one_of_ten(&database).await);
    let held = Expected { decided: "null::timestamptz", ..AS_IT_IS };
    assert_eq!(held.conflict(&database).await, None, "held before: no time is too early or late");
    let key = |key| {
        format!(
            "(select array_agg(row(7, caller, '{key}')::key_claim) from events where idempotency_key = 'used')"
        )
    };
    let (used, refused) = (key("used"), key("refused"));
    for (why, expected) in [
        ("head_moved", Expected { head: "position + 1", ..AS_IT_IS }),
        ("head_moved", Expected { head: "position - 1", ..AS_IT_IS }),
        ("head_moved", Expected { chain: "sha256(chain)", ..AS_IT_IS }),
        ("head_moved", Expected { head: "position - 1", is_written: false, ..AS_IT_IS }),
        ("head_moved", Expected { chain: "sha256(chain)", is_written: false, ..AS_IT_IS }),
        ("late", Expected { decided: "clock_timestamp() - interval '101 ms'", ..AS_IT_IS }),
        ("early", Expected { decided: "clock_timestamp() + interval '10 s'", ..AS_IT_IS }),
        ("key_used", Expected { keys: &used, ..AS_IT_IS }),
        ("key_used", Expected { keys: &refused, ..AS_IT_IS }),
    ] {
        assert_eq!(expected.conflict(&database).await.as_deref(), Some(why), "{}", expected.head);
    }

    // It does not wait for a lane or a key that somebody holds.
    let mut other = stockbook.superuser().await;
    execute(&mut other, "begin; select pg_advisory_xact_lock(8266, lane) from lanes").await;
    for expected in [AS_IT_IS, read] {
        assert_eq!(expected.conflict(&database).await.as_deref(), Some("lane_busy"));
    }
    execute(&mut other, "rollback; begin; select pg_advisory_xact_lock(7)").await;
    assert!(AS_IT_IS.is_written_by_one_of_ten(&database).await);
    assert_eq!(fresh.conflict(&database).await.as_deref(), Some("key_busy"));
}

/// When the connection is lost, the statement was committed or not; the key shows which.
async fn a_batch_whose_answer_is_lost_is_unknown_and_its_key_shows_the_outcome(world: Arc<World>) {
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    let postgres = stockbook.urls.write.port().expect("Postgres has a port");
    let proxy = Proxy::start(postgres, "command-service writer").await;
    stockbook.urls.write.set_port(Some(proxy.port)).expect("a URL with a host");
    stockbook.add_command_service(&[]).await;
    stockbook.register(&["A"]).await;
    let command = stockbook.command();
    let mut on_hand = 0;
    for (nth, loss) in [Loss::Answer, Loss::Statement, Loss::Answer].into_iter().enumerate() {
        // The connection was used just now, so the next batch is appended by one statement.
        for _ in 0..2 {
            stockbook.receive(&[("A", 1)]).await;
            on_hand += 1;
        }
        proxy.lose(loss);
        let key = format!("key-{nth}");
        let receive = async || keyed(&command, "/v1/receipts", &key, &[("A", 1)]).await;
        receive().await.expect_problem(503, "unavailable");
        let again = receive().await.expect_status(200);
        assert_eq!(again.is_replayed(), loss == Loss::Answer, "{loss:?}");
        on_hand += 1;
        assert_eq!(again.figures("A").on_hand, on_hand, "{loss:?}");
        assert_eq!(command.figures("A").await.on_hand, on_hand, "{loss:?}");
    }
    assert_eq!(command.metric::<u64>("stockbook_writer_unknown_commits_total").await, 3);
    stockbook.verify().await;
    super::relay::assert_topic_equals_log(&stockbook).await;
}

/// A caller that repeats its command does not mean that another instance writes the log.
async fn a_repeated_key_does_not_stop_optimistic_appends(world: Arc<World>) {
    const ROUNDS: u64 = 50;
    let (stockbook, command) = Stockbook::without_views(&world, 4).await;
    let again = async || keyed(&command, "/v1/receipts", "again", &[("A", 1)]).await;
    again().await.expect_status(200);
    let appended = async || {
        command.metric::<u64>(r#"stockbook_writer_foreseen_total{log="as_foreseen"}"#).await
    };
    let before = appended().await;
    for _ in 0..ROUNDS {
        assert!(again().await.expect_status(200).is_replayed());
        stockbook.receive(&[("A", 1)]).await;
    }
    let appended = appended().await - before;
    // On a machine that is busy with other tests a clock may be a tenth of a second late now and then.
    assert!(appended >= ROUNDS * 8 / 10, "{appended} of {ROUNDS}");
}

/// Commands are decided while the batch before theirs is in flight, and they still wait.
async fn commands_decided_while_a_batch_is_in_flight_count_as_waiting(world: Arc<World>) {
    const WAITING_MAX: usize = 8;
    const CALLERS: usize = 40;
    let mut stockbook = Stockbook::prepare(&world, 1).await;
    stockbook.add_command_service(&[("QUEUE_COMMANDS_MAX", "8")]).await;
    stockbook.register(&["A"]).await;
    stockbook.receive(&[("A", 1)]).await;
    let command = stockbook.command();

    // Appends wait until the lock on the table is released.
    let mut other = stockbook.superuser().await;
    execute(&mut other, "begin; lock table events in share row exclusive mode").await;
    let receive = async || {
        let answer = command.post("/v1/receipts", lines_at_main(&[("A", 1)])).await;
        if answer.status == 503 {
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            answer.expect_problem(503, "overloaded");
            return false;
        }
        answer.expect_status(200);
        true
    };
    let mut callers: FuturesUnordered<_> = (0..CALLERS).map(|_| receive()).collect();
    let mut refused = 0;
    // One batch at least is on its way, with one of the callers or more.
    while refused < CALLERS - 2 * WAITING_MAX {
        let accepted = timeout(READY_MAX, callers.next()).await.expect("the rest is refused");
        assert_eq!(accepted, Some(false), "nothing can be written");
        refused += 1;
    }
    execute(&mut other, "rollback").await;
    let accepted = callers.filter(|accepted| std::future::ready(*accepted)).count().await;
    assert!((1..=2 * WAITING_MAX).contains(&accepted), "{accepted}");
    assert_eq!(command.figures("A").await.on_hand, 1 + i64::try_from(accepted).unwrap());
}

/// A batch may be up to a tenth of a second older than its locks, so an answer about a moment waits
/// for that time.
async fn a_moment_is_settled_after_a_tenth_of_a_second(world: Arc<World>) {
    let (stockbook, _) = Stockbook::without_views(&world, 2).await;
    let (command, database) = (stockbook.command(), stockbook.write_database().await);
    let age = "select extract(epoch from clock_timestamp() - $1::timestamptz)::float8";
    for path in ["/v1/lanes?at=", "/v1/streams/stock/A/MAIN/state?at=", "/v1/events?limit=100"] {
        let answer = stockbook.receive(&[("A", 1)]).await.json();
        let moment = answer["recorded_at"].as_str().expect("a time");
        let path = if path.ends_with('=') { format!("{path}{moment}") } else { path.to_owned() };
        command.get(&path).await.expect_status(200);
        let age: f64 =
            sqlx::query_scalar(age).bind(moment).fetch_one(&database).await.expect("a clock");
        assert!(age >= 0.1, "{path} was answered {age} s after the moment it is about");
    }
}
