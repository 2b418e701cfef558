//! What a command costs in statements: no clock and no busy machine changes that.

use std::collections::BTreeMap;
use std::sync::Arc;

use integration_tests::{Stockbook, World, lines_at_main};
use serde_json::json;

trials! {
    a_batch_on_a_known_log_is_one_statement,
}

/// Commands sent one after another, so that each is its own batch.
const COMMANDS: i64 = 300;

/// What is called this often was called for the batches; the relay and the sweeper, which look by
/// the clock, call theirs seldom.
const FOR_EACH: i64 = COMMANDS * 9 / 10;

/// How often each statement was called by command-services on a database.
const CALLS: &str = "select query, sum(calls)::bigint from pg_stat_statements \
                     where dbid = (select oid from pg_database where datname = $1) \
                         and userid = 'stockbook_command'::regrole \
                     group by query";

#[derive(Debug, Clone, Copy)]
enum Kind {
    Receipt,
    KeyedReceipt,
    Reservation,
}

impl Kind {
    async fn send(self, stockbook: &Stockbook, nth: i64) {
        let command = stockbook.command();
        let lines = lines_at_main(&[("A", 1)]);
        match self {
            Self::Receipt => command.send("POST", "/v1/receipts", &lines).await.expect_status(200),
            Self::KeyedReceipt => {
                let key = format!("operations-{nth}");
                let headers = [("idempotency-key", key.as_str())];
                command.send_with("POST", "/v1/receipts", &headers, &lines).await.expect_status(200)
            }
            Self::Reservation => {
                let body = json!({"owner": "cart", "ttl_seconds": 600, "lines": lines["lines"]});
                command.post("/v1/reservations", body).await.expect_status(201)
            }
        };
    }
}

/// The server counts for all databases; the superuser's database shows the counts.
async fn calls(stockbook: &Stockbook) -> BTreeMap<String, i64> {
    let mut superuser = stockbook.server_superuser().await;
    let database = stockbook.urls.write.path().trim_start_matches('/');
    let rows = sqlx::query_as(CALLS).bind(database).fetch_all(&mut superuser).await.unwrap();
    rows.into_iter().collect()
}

async fn a_batch_on_a_known_log_is_one_statement(world: Arc<World>) {
    let (stockbook, _) = Stockbook::without_views(&world, 4).await;
    stockbook.receive(&[("A", 1_000)]).await;
    for kind in [Kind::Receipt, Kind::KeyedReceipt, Kind::Reservation] {
        let before = calls(&stockbook).await;
        for nth in 0..COMMANDS {
            kind.send(&stockbook, nth).await;
        }
        let mut called = calls(&stockbook).await;
        for (statement, calls) in &mut called {
            *calls -= before.get(statement).copied().unwrap_or_default();
        }
        called.retain(|_, calls| *calls >= FOR_EACH);
        let [(statement, calls)] = Vec::from_iter(&called)[..] else {
            panic!("{kind:?}: {called:#?}");
        };
        assert!(statement.contains("insert into events"), "{kind:?} writes the log: {called:#?}");
        // On a machine that is busy with other tests a clock may be a tenth of a second late now and then.
        assert!(*calls <= COMMANDS * 5 / 4, "{kind:?}: once a batch: {called:#?}");
    }
}
