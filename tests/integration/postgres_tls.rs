//! Postgres by TLS, as the URLs of the services say it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use integration_tests::{Stockbook, World, eventually};
use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use stack::certificates::Certificates;
use stack::folder::DataFolder;
use stack::places::Places;
use stack::postgres::databases::DatabaseUrls;
use stack::servers::{Servers, Wanted};
use stack::services::run_task;
use stack::services::settings::Settings;

trials! {
    both_services_reach_postgres_by_tls_and_only_the_one_they_trust,
}

/// A server of the test's own, and a certificate for the name localhost only, which it does not use yet.
async fn server(world: &World) -> (Servers, Certificates) {
    let folder = world.servers().folder().root().join("postgres-with-tls");
    let folder = DataFolder::open(&folder).unwrap();
    let wanted = Wanted { kafka: None, ..Wanted::on_free_ports().unwrap() };
    let mut servers = Servers::open(folder, wanted).await.unwrap();
    servers.folder().clear().unwrap();
    servers.start(&Places::from_environment().unwrap()).await.unwrap();
    let certificates = servers.folder().logs().join("tls");
    (servers, Certificates::make(&certificates, &["localhost"]).unwrap())
}

/// Gives it the certificate. The server writes the files itself, because they must belong to its user.
async fn switch_tls_on(admin: &Url, certificates: &Certificates) {
    let mut connection = PgConnection::connect(admin.as_str()).await.unwrap();
    for (file, from) in
        [("server.crt", certificates.certificate()), ("server.key", certificates.key())]
    {
        let pem = fs::read_to_string(from).unwrap();
        let copy = format!(
            "copy (select unnest(string_to_array('{}', E'\\n'))) to program 'umask 077; cat >{file}'",
            pem.trim_end()
        );
        sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut connection).await.unwrap();
    }
    for statement in ["alter system set ssl = on", "select pg_reload_conf()"] {
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
    let is_on = async || {
        let mut new = PgConnection::connect(admin.as_str()).await.unwrap();
        sqlx::query_scalar::<_, String>("show ssl").fetch_one(&mut new).await.unwrap()
    };
    eventually("the server has TLS", is_on, |is_on| is_on == "on").await;
}

fn by_tls(url: &Url, host: &str, ca: &Path) -> Url {
    let mut url = url.clone();
    url.set_host(Some(host)).unwrap();
    url.set_query(Some(&format!("sslmode=verify-full&sslrootcert={}", ca.display())));
    url
}

async fn both_services_reach_postgres_by_tls_and_only_the_one_they_trust(world: Arc<World>) {
    let (mut servers, certificates) = server(&world).await;
    let databases = servers.databases().unwrap();
    let plain = databases.create("secured").await.unwrap();
    switch_tls_on(databases.admin_url(), &certificates).await;
    let ca = certificates.ca();
    let urls = DatabaseUrls {
        write_owner: by_tls(&plain.write_owner, "localhost", &ca),
        read_owner: by_tls(&plain.read_owner, "localhost", &ca),
        write: by_tls(&plain.write, "localhost", &ca),
        read: by_tls(&plain.read, "localhost", &ca),
    };
    let mut stockbook = Stockbook::prepare_in(&world, urls, 4, None).await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[]).await;
    stockbook.register(&["A"]).await;
    let received = stockbook.receive(&[("A", 5)]).await;
    let stock = stockbook.read_at("/v1/stock/A/MAIN", &received.position()).await;
    assert_eq!(stock.json()["on_hand"], 5);
    stockbook.verify().await;

    let mut admin = PgConnection::connect(databases.admin_url().as_str()).await.unwrap();
    let (by_tls_not, all): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where not ssl), count(*) from pg_stat_ssl \
         join pg_stat_activity using (pid) where usename like 'stockbook_%'",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    assert!(by_tls_not == 0 && all > 2, "{by_tls_not} of {all} connections have no TLS");

    let other = world.authority("postgres-other").ca();
    for (host, ca) in [("localhost", &other), ("127.0.0.1", &ca)] {
        let url = by_tls(&plain.write, host, ca).to_string();
        let settings = Settings::default().with("WRITE_DATABASE_URL", url);
        let refused = run_task(world.command_service(), "verify", &settings).await.unwrap_err();
        let refused = format!("{refused:#}");
        assert!(refused.contains("invalid peer certificate"), "{host}: {refused}");
        assert!(!refused.contains(plain.write.password().unwrap()), "a password is shown");
    }
    drop(stockbook);
    servers.stop().await.unwrap();
}
