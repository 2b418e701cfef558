//! Lists are found by index, however many rows there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use integration_tests::{Api, Size, Stockbook, World, eventually, start_again};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::time::Instant;

trials! {
    most_changes_of_a_figure_stay_on_their_page,
    a_list_reads_its_page_and_not_the_table,
    the_past_of_a_busy_pair_is_found_without_its_history,
    a_young_log_is_not_read_while_it_rests,
}

/// Rows of each large table at first.
const FEW: i64 = 10_000;

/// One pair in so many is sold out.
const SOLD_OUT: i64 = 500;

/// Each list with each of its filters.
const LISTS: [&str; 41] = [
    "/v1/stock",
    "/v1/stock?available=0",
    "/v1/stock?available_below=1",
    "/v1/stock?available_below=1000000",
    "/v1/stock?low=true",
    "/v1/stock?location=L7",
    "/v1/stock?sku_prefix=S00001",
    "/v1/stock?as_of=2026-01-01T00:00:00Z",
    "/v1/stock?as_of=2026-01-01T00:00:00Z&available=1",
    "/v1/stock?as_of=2026-01-01T00:00:00Z&available_below=2",
    "/v1/stock?as_of=2026-01-01T00:00:00Z&low=true",
    "/v1/items",
    "/v1/locations",
    "/v1/movements",
    "/v1/movements?sku=S0000001",
    "/v1/movements?sku=S0000001&location=L1",
    "/v1/movements?location=L7",
    "/v1/movements?type=StockIssued",
    "/v1/movements?reason=rare",
    "/v1/movements?actor=a7",
    "/v1/movements?correlation_id=c7",
    "/v1/movements?reference=order/o7",
    "/v1/reservations?owner=w7",
    "/v1/reservations?status=held",
    "/v1/reservations?reference=order/o7",
    "/v1/transfers",
    "/v1/transfers?status=in_transit",
    "/v1/transfers?overdue=true",
    "/v1/transfers?reference=order/o7",
    "/v1/transfers?from=L7",
    "/v1/transfers?to=W7",
    "/v1/transfers?from=L7&to=W7",
    "/v1/orders",
    "/v1/orders?owner=w7",
    "/v1/orders?status=awaiting_payment",
    "/v1/waitlist",
    "/v1/waitlist?sku=S0000001",
    "/v1/waitlist?location=L7",
    "/v1/waitlist?owner=w7",
    "/v1/alerts?state=raised",
    "/v1/flow/S0000001?from=2026-01-01&to=2026-02-01",
];

/// Fill the views with rows $1 up to, not including, $2.
const FILL: [&str; 12] = [
    "insert into stock_v1.items \
         (sku, name, unit, scale, reorder_point, metadata, lane, position, version, updated_at) \
     select 'S' || lpad(n::text, 7, '0'), '', 'piece', 0, 5, '{}', 0, n, 1, now() \
     from generate_series($1 / 10, $2 / 10 - 1) n",
    "insert into stock_v1.reorder_points (sku, reorder_point, lane, position, occurred_at) \
     select 'S' || lpad(n::text, 7, '0'), 5, 0, n, timestamptz '2025-01-01' \
     from generate_series($1 / 10, $2 / 10 - 1) n",
    "insert into stock_v1.stock_levels (sku, location, on_hand, reserved, allocated, \
         reorder_point, lane, position, version, updated_at) \
     select 'S' || lpad((n / 10)::text, 7, '0'), 'L' || n % 10, n / 10 % 500, 0, 0, 5, 0, n, 1, now() \
     from generate_series($1, $2 - 1) n",
    "insert into stock_v1.movements (sku, location, on_hand, reserved, allocated, on_hand_delta, \
         reserved_delta, allocated_delta, type, correlation_id, actor, reason, reference_type, \
         reference_id, lane, position, version, recorded_at, occurred_at) \
     select 'S' || lpad((n / 10)::text, 7, '0'), 'L' || n % 10, n / 10 % 500, 0, 0, 1, 0, 0, \
         case when n % 5000 = 0 then 'StockIssued' else 'StockReceived' end, 'c' || n, \
         'a' || n % 1000, case when n % 5000 = 0 then 'rare' end, 'order', 'o' || n, 0, n, 1, \
         timestamptz '2025-01-01' + n * interval '1 s', timestamptz '2025-01-01' + n * interval '1 s' \
     from generate_series($1, $2 - 1) n",
    "insert into stock_v1.reservations (id, owner, status, reference_type, reference_id, lines, \
         lane, position, version, updated_at, made_at, expires_at) \
     select '0-' || md5(n::text)::uuid, 'w' || n % 1000, \
         case when n % 5000 = 0 then 'held' else 'fulfilled' end, 'order', 'o' || n, '[]', 0, n, 1, \
         now(), timestamptz '2025-01-01' + n * interval '1 s', now() \
     from generate_series($1, $2 - 1) n",
    "insert into stock_v1.transfers (id, status, overdue, reference_type, reference_id, lines, lane, \
         position, version, updated_at, made_at) \
     select '0-' || md5(n::text)::uuid, \
         case when n % 5000 = 0 then 'in_transit' else 'received' end, n % 5000 = 0, 'order', 'o' || n, \
         '[]', 0, n, 1, now(), timestamptz '2025-01-01' + n * interval '1 s' \
     from generate_series($1, $2 - 1) n",
    "insert into stock_v1.transfer_places (id, lane, leaves, location, made_at) \
     select '0-' || md5(n::text)::uuid, 0, leaves, case when leaves then 'L' else 'W' end || n % 1000, \
         timestamptz '2025-01-01' + n * interval '1 s' \
     from generate_series($1, $2 - 1) n cross join (values (true), (false)) as side (leaves)",
    "insert into orders_v1.orders (id, owner, status, lines, steps, events, lane, position, version, \
         updated_at, made_at, deadline) \
     select '0-' || md5(n::text)::uuid, 'w' || n % 1000, \
         case when n % 5000 = 0 then 'awaiting_payment' else 'confirmed' end, '[]', '[]', '{}', 0, n, 1, \
         now(), timestamptz '2025-01-01' + n * interval '1 s', now() \
     from generate_series($1, $2 - 1) n",
    "insert into stock_v1.waitlist (reservation, line, owner, sku, location, turn, waiting, since, since_at, \
         wait_until, lane, position, version, updated_at) \
     select '0-' || md5(n::text)::uuid, 1, 'w' || n % 1000, 'S' || lpad((n / 10)::text, 7, '0'), \
         'L' || n % 10, 4, 1, n, now(), now(), 0, n, 1, now() \
     from generate_series($1, $2 - 1) n",
    "insert into daily_flow_v1.items (sku, lane, position, version, updated_at) \
     select 'S' || lpad(n::text, 7, '0'), 0, n, 1, now() \
     from generate_series($1 / 10, $2 / 10 - 1) n",
    "insert into daily_flow_v1.days (sku, day, incoming, outgoing, returned, adjusted, lane, position) \
     select 'S' || lpad((n / 10)::text, 7, '0'), date '2026-01-01' + (n % 10)::integer, 1, 0, 0, 0, 0, n \
     from generate_series($1, $2 - 1) n",
    "insert into low_stock_v1.levels (sku, location, available, raised, alert_position, alerted_at, \
         lane, position, updated_at) \
     select 'S' || lpad((n / 10)::text, 7, '0'), 'L' || n % 10, n / 10 % 500, n / 10 % 500 <= 5, \
         case when n / 10 % 500 <= 5 then n end, now(), 0, n, now() \
     from generate_series($1, $2 - 1) n",
];

/// Rows of each table that were read, by scans of the whole table and by index, since it was made.
const ROWS_READ: &str = "select schemaname || '.' || relname, \
                             coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) \
                         from pg_stat_user_tables where schemaname like '%\\_v1'";

struct Asked {
    /// The median time of `available=0`, in milliseconds.
    sold_out_ms: f64,
    /// The plan of `available=0`.
    plan: Value,
    /// Rows of each table that were read for all lists together.
    rows_read: BTreeMap<String, i64>,
}

async fn fill(database: &mut PgConnection, from: i64, to: i64) {
    for statement in FILL {
        sqlx::query(statement).bind(from).bind(to).execute(&mut *database).await.unwrap();
    }
    sqlx::query("vacuum analyze").execute(&mut *database).await.unwrap();
}

/// Asks for every list, and often for what is sold out.
async fn ask(stockbook: &mut Stockbook, database: &mut PgConnection) -> Asked {
    start_again(&mut stockbook.queries[0]).await;
    let query = stockbook.query();
    let sold_out_ms = median_ms(&query, "/v1/stock?available=0").await;
    let statement = sold_out_statement(&query, database).await;
    let plan = plan(&statement, database).await;
    stockbook.queries[0].stop().await.unwrap();
    let before = rows_read(database).await;
    start_again(&mut stockbook.queries[0]).await;
    let query = stockbook.query();
    for list in LISTS {
        let answer = query.json(list).await;
        let rows = answer["items"].as_array().or(answer["days"].as_array());
        assert!(
            rows.is_some_and(|rows| !rows.is_empty()) || list.contains("locations"),
            "{list}: {answer}"
        );
    }
    stockbook.queries[0].stop().await.unwrap();
    let mut rows_read = rows_read(database).await;
    for (table, rows) in &mut rows_read {
        *rows -= before[table];
    }
    Asked { sold_out_ms, plan, rows_read }
}

/// Waits until the others have ended their sessions, and so reported what they read.
async fn all_have_left(database: &mut PgConnection) {
    let others = "select count(*) from pg_stat_activity \
                  where datname = current_database() and pid <> pg_backend_pid()";
    let ask = async || sqlx::query_scalar(others).fetch_one(&mut *database).await.unwrap();
    eventually("all connections have ended", ask, |others: &i64| *others == 0).await;
}

/// To be asked when the service has stopped, for its connections report when they end.
async fn rows_read(database: &mut PgConnection) -> BTreeMap<String, i64> {
    all_have_left(database).await;
    let tables = sqlx::query_as(ROWS_READ).fetch_all(database).await.unwrap();
    tables.into_iter().collect()
}

async fn median_ms(query: &Api, path: &str) -> f64 {
    let mut times = Vec::new();
    for _ in 0..101 {
        let started = Instant::now();
        query.get(path).await.expect_status(200);
        times.push(started.elapsed());
    }
    times.sort();
    times[50].as_secs_f64() * 1_000.0
}

/// The statement of `available=0`, as the service sent it.
async fn sold_out_statement(query: &Api, database: &mut PgConnection) -> String {
    const SENT: &str = "select query from pg_stat_activity \
                        where datname = current_database() and pid <> pg_backend_pid() \
                            and query like '%from stock_levels%available = %'";
    let ask = async || -> Option<String> {
        query.get("/v1/stock?available=0").await.expect_status(200);
        sqlx::query_scalar(SENT).fetch_optional(&mut *database).await.unwrap()
    };
    eventually("the statement is seen", ask, Option::is_some).await.unwrap()
}

/// The plan of `available=0`, run.
async fn plan(statement: &str, database: &mut PgConnection) -> Value {
    sqlx::query("set search_path to stock_v1, public").execute(&mut *database).await.unwrap();
    let explain = format!("explain (analyze, buffers, format json) {statement}");
    let plan = sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).bind(0_i64).bind(0_i64).bind(1_i16);
    let plan = plan.persistent(false);
    let plan: Value = plan.fetch_one(&mut *database).await.unwrap();
    plan[0]["Plan"].clone()
}

/// How many rows of a table were changed, and how many of these changes touched no index.
const CHANGES: &str = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables \
                       where schemaname || '.' || relname = $1";

async fn most_changes_of_a_figure_stay_on_their_page(world: Arc<World>) {
    let commands = Size::wanted().scaled(300, 3_000) as i64;
    let skus: Vec<String> = (0..50).map(|nth| format!("S{nth}")).collect();
    let stocked: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), 1_000)).collect();
    let (mut stockbook, command) = Stockbook::stocked(&world, &stocked).await;
    for nth in 0..commands {
        let line = |offset: i64| {
            let sku = &skus[((nth * 7 + offset) % 50) as usize];
            json!({"sku": sku, "location": "MAIN", "quantity": 1 + nth % 3})
        };
        let lines: Vec<Value> = (0..5).map(line).collect();
        let path = if nth % 2 == 0 { "/v1/receipts" } else { "/v1/issues" };
        command.done(path, json!({"lines": lines})).await;
    }
    stockbook.read_at("/v1/stock", &stockbook.heads().await).await;
    // A connection reports what it changed at the latest when it ends.
    stockbook.queries[0].stop().await.unwrap();
    let mut database = stockbook.read_superuser().await;
    for table in ["stock_v1.stock_levels", "stock_v1.stock_totals", "daily_flow_v1.days"] {
        let ask = async || -> (i64, i64) {
            sqlx::query_as(CHANGES).bind(table).fetch_one(&mut database).await.unwrap()
        };
        let (changed, on_page) =
            eventually("the changes are reported", ask, |(changed, _)| *changed >= commands).await;
        println!("{table}: {on_page} of {changed} changes touched no index");
        assert!(on_page * 10 >= changed * 8, "{table}: {on_page} of {changed}");
    }
}

async fn a_list_reads_its_page_and_not_the_table(world: Arc<World>) {
    let many = FEW * Size::wanted().scaled(10, 10) as i64;
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.add_command_service(&[]).await;
    // What is not in the log is not looked for: only those who ask read.
    stockbook.add_query_service(&[("INTEGRITY_EVENTS_PER_SECOND", "0")]).await;
    stockbook.queries[0].stop().await.unwrap();
    let mut database = stockbook.read_superuser().await;

    fill(&mut database, 0, FEW).await;
    let few = ask(&mut stockbook, &mut database).await;
    fill(&mut database, FEW, many).await;
    let of_many = ask(&mut stockbook, &mut database).await;
    println!(
        "available=0 among {FEW} pairs: median {:.2} ms; among {many}: {:.2} ms; of every {SOLD_OUT} \
         skus one is sold out",
        few.sold_out_ms, of_many.sold_out_ms,
    );
    for plan in [&few.plan, &of_many.plan] {
        println!("{}", lines(plan, 0).join("\n"));
        let text = plan.to_string();
        assert!(text.contains("stock_levels_by_band"), "{text}");
        let blocks = blocks(plan);
        assert!(blocks < 200, "{blocks} blocks: {text}");
    }
    for (table, rows) in &of_many.rows_read {
        println!("{table}: {} rows read, then {rows}", few.rows_read[table]);
    }
    let scanned = of_many.rows_read.iter().find(|(_, rows)| **rows >= many / 2);
    assert_eq!(scanned, None, "of {many} rows");
}

/// Pages of 8 KiB that the plan touched.
fn blocks(plan: &Value) -> i64 {
    let count = |name: &str| plan[name].as_i64().unwrap_or_default();
    count("Shared Hit Blocks") + count("Shared Read Blocks")
}

/// A plan as people read it.
fn lines(plan: &Value, depth: usize) -> Vec<String> {
    let named = |name: &str| plan[name].as_str().map(|text| format!(" {text}")).unwrap_or_default();
    let mut all = vec![format!(
        "{:indent$}{}{}{} rows={} blocks={} ms={}",
        "",
        plan["Node Type"].as_str().unwrap_or_default(),
        named("Index Name"),
        named("Relation Name"),
        plan["Actual Rows"],
        blocks(plan),
        plan["Actual Total Time"],
        indent = depth * 2,
    )];
    for child in plan["Plans"].as_array().into_iter().flatten() {
        all.extend(lines(child, depth + 1));
    }
    all
}

/// Entries of the indexes of movements that were read, since they were made.
const ENTRIES_READ: &str = "select sum(idx_tup_read)::bigint from pg_stat_user_indexes \
                            where schemaname = 'stock_v1' and relname = 'movements'";

/// How often each question is asked: after five times on a connection, Postgres may have one plan for all values.
const TIMES: i64 = 40;

async fn the_past_of_a_busy_pair_is_found_without_its_history(world: Arc<World>) {
    let (mut stockbook, command) = Stockbook::stocked(&world, &[("A", 1)]).await;
    let mut done = Vec::new();
    for _ in 0..6 {
        let line = json!({"sku": "A", "location": "MAIN", "quantity": 1});
        let receipt = json!({"lines": vec![line; 500]});
        done.push(command.done("/v1/receipts", receipt).await.json());
    }
    stockbook.read_at("/v1/stock/A", &stockbook.heads().await).await;
    let query = stockbook.query();
    let all = query.rows("/v1/movements?sku=A&limit=200").await;
    assert_eq!(all.len(), 3_001);
    let moments: Vec<&str> = done.iter().map(|one| one["recorded_at"].as_str().unwrap()).collect();
    let first = "2000-01-01T00:00:00.000000Z";
    for (from, to) in [
        (first, first),
        (first, moments[0]),
        (first, moments[3]),
        (moments[0], moments[1]),
        (moments[2], moments[5]),
        (moments[5], "2999-01-01T00:00:00.000000Z"),
    ] {
        let path = format!("/v1/movements?sku=A&from={from}&to={to}&limit=200");
        let within = |one: &&Value| (from..to).contains(&one["recorded_at"].as_str().unwrap());
        let expected: Vec<&Value> = all.iter().filter(within).collect();
        assert_eq!(query.rows(&path).await.iter().collect::<Vec<_>>(), expected, "{path}");
    }

    let (early, late) =
        (all[2_900]["position"].as_str().unwrap(), all[0]["position"].as_str().unwrap());
    let early_moment = moments[1];
    let mut database = stockbook.read_superuser().await;
    for path in [
        format!("/v1/stock/A?at_position={late}"),
        format!("/v1/stock/A/MAIN?at_position={late}"),
        format!("/v1/stock/A?known_at={}", moments[5]),
        format!("/v1/diff?sku=A&from_position={early}&to_position={late}&limit=10"),
        format!("/v1/movements?sku=A&to={early_moment}&limit=10"),
        format!("/v1/movements?sku=A&location=MAIN&from={}&limit=10", "2999-01-01T00:00:00Z"),
    ] {
        stockbook.queries[0].stop().await.unwrap();
        let before = entries_read(&mut database).await;
        start_again(&mut stockbook.queries[0]).await;
        let query = stockbook.query();
        for _ in 0..TIMES {
            query.get(&path).await.expect_status(200);
        }
        stockbook.queries[0].stop().await.unwrap();
        let read = (entries_read(&mut database).await - before) / TIMES;
        println!("{path}: {read} entries");
        assert!(read < 300, "{path} reads {read} entries of indexes");
        start_again(&mut stockbook.queries[0]).await;
    }
}

/// To be asked when the service has stopped.
async fn entries_read(database: &mut PgConnection) -> i64 {
    rows_read(database).await;
    sqlx::query_scalar(ENTRIES_READ).fetch_one(database).await.unwrap()
}

/// Statements that a command-service repeats are planned when its log is empty, and kept.
async fn a_young_log_is_not_read_while_it_rests(world: Arc<World>) {
    let (mut stockbook, command) = Stockbook::without_views(&world, 4).await;
    let mut database = stockbook.superuser().await;
    let transactions =
        "select xact_commit from pg_stat_database where datname = current_database()";
    let ask = async || -> i64 {
        let mut database = stockbook.superuser().await;
        sqlx::query_scalar(transactions).fetch_one(&mut database).await.unwrap()
    };
    eventually("statements have their plans", ask, |now| *now > 150).await;
    let item = |nth| json!({"type": "register_item", "sku": format!("S{nth}")});
    let items: Vec<Value> = (0..500).map(item).collect();
    command.done("/v1/batches", json!({"mode": "atomic", "commands": items})).await;
    let before = ask().await;
    eventually("the service has looked for work", ask, |now| *now > before + 100).await;
    stockbook.commands[0].stop().await.unwrap();
    all_have_left(&mut database).await;
    let read: i64 = sqlx::query_scalar(
        "select sum(idx_tup_read)::bigint from pg_stat_user_indexes where relname = 'events'",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    println!("{read} entries");
    assert!(read < 1_000, "{read} entries of indexes were read");
}
