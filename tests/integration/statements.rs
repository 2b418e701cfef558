//! Static SQL is checked: every statement of the services is prepared on the migrated databases, and
//! the types that it takes and gives are the committed ones.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use integration_tests::{Stockbook, World};
use sqlx::{
    AssertSqlSafe, Column, Either, Executor, PgConnection, SqlSafeStr, Statement, TypeInfo,
};

use crate::tidy::{assert_none, files, read, root};

trials! {
    every_statement_fits_the_schema_and_has_the_committed_types,
}

/// The types of all statements, by file.
const TYPES: &str = "tests/integration/statements.txt";

/// Fails if a statement names what the schema does not have.
async fn types(database: &mut PgConnection, path: &Path) -> sqlx::Result<String> {
    let statement = database.prepare(AssertSqlSafe(read(path)).into_sql_str()).await?;
    let Some(Either::Left(parameters)) = statement.parameters() else {
        panic!("Postgres names the types of parameters");
    };
    let takes: Vec<&str> = parameters.iter().map(TypeInfo::name).collect();
    let gives = statement.columns().iter();
    let gives: Vec<String> =
        gives.map(|one| format!("{} {}", one.name(), one.type_info().name())).collect();
    let lines = [("takes", takes.join(", ")), ("gives", gives.join(", "))];
    let lines = lines.iter().filter(|(_, types)| !types.is_empty());
    Ok(lines.map(|(verb, types)| format!("    {verb} {types}\n")).collect())
}

/// The schemas of a statement of the query-service: that of its view, else those of all, as in the service.
fn schemas(path: &Path) -> String {
    let view = path.strip_prefix("query-service/src/projections").ok();
    match view.and_then(|path| path.parent()) {
        Some(view) => format!("{}_v1", view.display()),
        None => "stock_v1, daily_flow_v1, low_stock_v1".to_owned(),
    }
}

async fn every_statement_fits_the_schema_and_has_the_committed_types(world: Arc<World>) {
    let stockbook = Stockbook::prepare(&world, 4).await.keeping_personal().await;
    let mut keys = stockbook.keys_superuser().await;
    let mut write = stockbook.superuser().await;
    let mut read_side = stockbook.read_superuser().await;
    let mut actual = String::new();
    let mut findings = Vec::new();
    for path in files(".sql") {
        let is_migration = path.parent().is_some_and(|folder| folder.ends_with("migrations"));
        let database = match path.components().next().and_then(|one| one.as_os_str().to_str()) {
            _ if path.starts_with("command-service/keys/queries") => &mut keys,
            Some("command-service") if !is_migration => &mut write,
            Some("query-service") if !is_migration => {
                let set = format!("set search_path to {}, public", schemas(&path));
                sqlx::query(AssertSqlSafe(set)).execute(&mut read_side).await.unwrap();
                &mut read_side
            }
            _ => continue,
        };
        match types(database, &path).await {
            Ok(types) => actual += &format!("{}\n{types}", path.display()),
            Err(error) => {
                // Without the line of Postgres' own source, which the error's display adds.
                let message = error.as_database_error().expect("Postgres refuses it").message();
                findings.push(format!("{}: {message}", path.display()));
            }
        }
    }
    assert_none(&findings);
    let committed = root().join(TYPES);
    if fs::read_to_string(&committed).unwrap_or_default() != actual {
        let now = Path::new(env!("CARGO_TARGET_TMPDIR")).join("statements.txt");
        fs::write(&now, actual).unwrap();
        let (now, committed) = (now.display(), committed.display());
        panic!(
            "the types of a statement changed: diff {committed} {now}\nto accept them: cp {now} {committed}"
        );
    }
}
