//! The log only grows: nobody can change what is recorded.

use std::sync::Arc;

use integration_tests::{Stockbook, World};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use stack::services::run_task;
use stack::services::settings::Settings;

trials! {
    the_services_role_cannot_change_or_remove_an_event,
    even_the_owner_is_refused_by_the_triggers,
    another_number_of_lanes_is_refused,
}

const FORBIDDEN: [&str; 4] = [
    "update events set data = '{}'",
    "delete from events",
    "truncate events",
    "update events set chain = chain where false",
];

async fn the_services_role_cannot_change_or_remove_an_event(world: Arc<World>) {
    let (stockbook, _) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let database = stockbook.write_database().await;
    let drops = ["drop table events", "alter table events disable trigger all"];
    for statement in FORBIDDEN.iter().chain(&drops) {
        let error = sqlx::raw_sql(*statement).execute(&database).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
        assert_eq!(code, "42501", "{statement}: {error}");
    }
    let events: i64 =
        sqlx::query_scalar("select count(*) from events").fetch_one(&database).await.unwrap();
    assert_eq!(events, 2);
}

async fn even_the_owner_is_refused_by_the_triggers(world: Arc<World>) {
    let (stockbook, _) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let mut owner = PgConnection::connect(stockbook.urls.write_owner.as_str()).await.unwrap();
    for statement in &FORBIDDEN[..3] {
        let statement = AssertSqlSafe(*statement);
        let error = sqlx::raw_sql(statement).execute(&mut owner).await.expect_err("refused");
        assert!(error.to_string().contains("events are append-only"), "{error}");
    }
}

async fn another_number_of_lanes_is_refused(world: Arc<World>) {
    let stockbook = Stockbook::prepare(&world, 4).await;
    for (program, owner) in [
        (world.command_service(), &stockbook.urls.write_owner),
        (world.query_service(), &stockbook.urls.read_owner),
    ] {
        let same = Settings::migrate(owner).with("LANES", "4");
        run_task(program, "migrate", &same).await.expect("migrating again changes nothing");
        let other = Settings::migrate(owner).with("LANES", "8");
        let error = run_task(program, "migrate", &other).await.expect_err("refused");
        let message = format!("{error:#}");
        assert!(message.contains('4') && message.contains('8'), "{message}");
    }
}
