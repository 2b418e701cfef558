//! A broker that answers requests of both services with its errors, whether it did what was asked or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use integration_tests::refusals::{Refusal, RefusingWay};
use integration_tests::{Node, Size, Stockbook, World, each, eventually};
use kafka_protocol::ResponseError as Error;
use kafka_protocol::messages::ApiKey as Api;
use serde_json::Value;
use stack::kafka::Extras;
use stack::ports;

use crate::failover::{agree, published};

trials! {
    a_broker_that_answers_with_errors_delays_events_and_loses_or_repeats_none,
}

const SKUS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// How long it may take until another request is refused: after a fatal error, a new producer begins.
const REFUSAL_MAX: Duration = Duration::from_secs(20);

/// What the broker says of records: it has them, or it never saw them.
const OF_RECORDS: [Error; 8] = [
    Error::NotLeaderOrFollower,
    Error::RequestTimedOut,
    Error::NotEnoughReplicas,
    Error::NotEnoughReplicasAfterAppend,
    Error::KafkaStorageError,
    Error::UnknownTopicOrPartition,
    // The producer's own state is lost or wrong: fatal for it.
    Error::OutOfOrderSequenceNumber,
    Error::UnknownProducerId,
];

/// What it says of the rest, several at a time where one leads to the next.
fn of_the_rest() -> Vec<Vec<Refusal>> {
    let done = Refusal::Done;
    vec![
        vec![Refusal::Throttled(Duration::from_millis(500))],
        vec![done(Api::Fetch, Error::NotLeaderOrFollower)],
        vec![done(Api::Fetch, Error::KafkaStorageError)],
        vec![
            done(Api::Heartbeat, Error::NotCoordinator),
            done(Api::FindCoordinator, Error::CoordinatorNotAvailable),
        ],
        vec![
            done(Api::Heartbeat, Error::UnknownMemberId),
            done(Api::JoinGroup, Error::CoordinatorLoadInProgress),
            done(Api::SyncGroup, Error::RebalanceInProgress),
        ],
        vec![
            done(Api::Heartbeat, Error::IllegalGeneration),
            done(Api::Metadata, Error::LeaderNotAvailable),
        ],
    ]
}

/// A node that the services reach by a way.
async fn node_behind(world: &World) -> (Node, RefusingWay) {
    let [port] = ports::free().unwrap();
    let way = RefusingWay::lead_to(port).await.unwrap();
    let properties = format!(
        "
listeners=PLAINTEXT://127.0.0.1:{{broker}},CONTROLLER://127.0.0.1:{{controller}},\
WAY://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:{{broker}},WAY://127.0.0.1:{way}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,WAY:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
",
        way = way.port,
    );
    let extras = Extras { properties, ..Extras::default() };
    let mut node = Node::start_with(world, "refusing", extras).await;
    node.client_settings.push(("KAFKA_BROKERS", format!("127.0.0.1:{}", way.port)));
    (node, way)
}

async fn a_broker_that_answers_with_errors_delays_events_and_loses_or_repeats_none(
    world: Arc<World>,
) {
    let refused_each = Size::wanted().scaled(3, 7);
    let refusing_max = REFUSAL_MAX * u32::try_from(refused_each).unwrap();
    let (node, way) = node_behind(&world).await;
    let mut stockbook = Stockbook::prepare_on(&world, 4, Some(node)).await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[]).await;
    stockbook.register(&SKUS).await;
    agree(&stockbook).await;

    let of_records = OF_RECORDS
        .into_iter()
        .flat_map(|error| [vec![Refusal::Unsent(error)], vec![Refusal::Done(Api::Produce, error)]]);
    let mut received = 0;
    for refusals in of_records.chain(of_the_rest()) {
        let (before, since) = (way.refused(), Instant::now());
        way.refuse(&refusals);
        // Commands are accepted all the time.
        while way.refused() < before + refused_each as u64 {
            stockbook.receive(&each(&SKUS, 1)).await;
            received += 1;
            let refused = way.refused() - before;
            assert!(since.elapsed() < refusing_max, "{refusals:?}: only {refused} refused");
        }
        way.refuse(&[]);
        let lifted = Instant::now();
        published(&stockbook).await;
        let heads = stockbook.heads().await;
        stockbook.read_at("/v1/items", &heads).await;
        println!(
            "{refusals:?}: {} refused in {:.1?}, all shown {:.1?} later",
            way.refused() - before,
            lifted - since,
            lifted.elapsed()
        );
    }
    let errors = async || stockbook.query().rows("/v1/projections?").await;
    let none = |rows: &Vec<Value>| rows.iter().all(|row| row["error"].is_null());
    eventually("no view says an error any more", errors, none).await;
    agree(&stockbook).await;
    assert_eq!(stockbook.command().figures(SKUS[0]).await.on_hand, received);
}
