//! Kafka by TLS, where services sign in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use integration_tests::{Node, Stockbook, World, eventually};
use stack::certificates::Certificates;
use stack::kafka::Extras;
use stack::ports;
use stack::services::run_task;
use stack::services::settings::Settings;

trials! {
    both_services_reach_kafka_by_tls_and_sign_in_and_say_so_when_they_cannot,
}

const USER: &str = "stockbook";
const PASSWORD: &str = "correct-horse-battery-staple";

/// A node whose clients sign in on one port and have TLS only on the other.
async fn node(world: &World, certificates: &Certificates, ports: [u16; 2]) -> Node {
    let keystore = certificates.ca().with_file_name("kafka.pem");
    let pem = fs::read_to_string(certificates.key()).unwrap()
        + &fs::read_to_string(certificates.certificate()).unwrap();
    fs::write(&keystore, pem).unwrap();
    let [signed_in, tls] = ports;
    let properties = format!(
        "
listeners=PLAINTEXT://127.0.0.1:{{broker}},CONTROLLER://127.0.0.1:{{controller}},\
SIGNED://127.0.0.1:{signed_in},TLS://127.0.0.1:{tls}
advertised.listeners=PLAINTEXT://127.0.0.1:{{broker}},\
SIGNED://localhost:{signed_in},TLS://localhost:{tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SIGNED:SASL_SSL,TLS:SSL
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
listener.name.signed.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.signed.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";
listener.name.signed.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
",
        keystore = keystore.display(),
    );
    let user = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
    let format = vec!["--add-scram".to_owned(), user];
    Node::start_with(world, "tls", Extras { properties, format, ..Extras::default() }).await
}

fn file(folder: &Certificates, name: &str, text: &str) -> PathBuf {
    let path = folder.ca().with_file_name(name);
    fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn both_services_reach_kafka_by_tls_and_sign_in_and_say_so_when_they_cannot(
    world: Arc<World>,
) {
    let (certificates, other) = (world.authority("kafka"), world.authority("kafka-other").ca());
    let [signed_in, tls] = ports::free().unwrap();
    let mut node = node(&world, &certificates, [signed_in, tls]).await;
    let (ca, password) = (certificates.ca(), file(&certificates, "password", PASSWORD));
    node.client_settings = vec![
        ("KAFKA_BROKERS", format!("localhost:{signed_in}")),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL".to_owned()),
        ("KAFKA_CA", text(&ca).to_owned()),
        ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512".to_owned()),
        ("KAFKA_USERNAME", USER.to_owned()),
        ("KAFKA_PASSWORD_FILE", text(&password).to_owned()),
    ];
    let mut stockbook = Stockbook::prepare_on(&world, 4, Some(node)).await;
    stockbook.add_command_service(&[("RUST_LOG", "trace")]).await;
    stockbook.add_query_service(&[("RUST_LOG", "trace")]).await;
    stockbook.register(&["A"]).await;
    let received = stockbook.receive(&[("A", 5)]).await;
    let stock = stockbook.read_at("/v1/stock/A/MAIN", &received.position()).await;
    assert_eq!(stock.json()["on_hand"], 5);
    let query = stockbook.query();
    let records = async || query.metric::<u64>("stockbook_projection_records_total").await;
    eventually("the events came through Kafka", records, |records| *records > 0).await;

    // The other ways to be let in.
    let with = |settings: &[(&'static str, &str)]| {
        let all = Settings::create_topic("").with("LANES", "4").with("TOPIC", &stockbook.topic);
        settings.iter().fold(all, |all, (name, value)| all.with(name, *value))
    };
    let (signed_in, tls) = (format!("localhost:{signed_in}"), format!("localhost:{tls}"));
    let plain = [
        ("KAFKA_BROKERS", signed_in.as_str()),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA_CA", text(&ca)),
        ("KAFKA_SASL_MECHANISM", "plain"),
        ("KAFKA_USERNAME", USER),
        ("KAFKA_PASSWORD_FILE", text(&password)),
    ];
    let only_tls =
        [("KAFKA_BROKERS", &*tls), ("KAFKA_SECURITY_PROTOCOL", "ssl"), ("KAFKA_CA", text(&ca))];
    for settings in [&plain[..], &only_tls] {
        run_task(world.command_service(), "create-topic", &with(settings)).await.unwrap();
    }

    // Services that Kafka or that Kafka's certificate keeps out go on, and say why.
    let wrong = file(&certificates, "wrong", "wrong");
    for setting in [("KAFKA_PASSWORD_FILE", text(&wrong)), ("KAFKA_CA", text(&other))] {
        stockbook.add_command_service(&[setting]).await;
        let log = stockbook.commands.last_mut().unwrap().process().log().to_owned();
        let said = async || fs::read_to_string(&log).unwrap();
        let has_said = |log: &String| log.contains("do not trust each other");
        eventually("the log says so", said, has_said).await;
    }
    let services = stockbook.commands.iter_mut().chain(&mut stockbook.queries);
    let logs: String =
        services.map(|service| fs::read_to_string(service.process().log()).unwrap()).collect();
    assert!(logs.contains("TRACE") && !logs.contains(PASSWORD), "the password is in a log");
}
