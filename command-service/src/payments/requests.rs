//! Sends requests to the payment service: follows the log from a stored mark, one instance at a time.
//!
//! An instance that loses its lock may send what another sends, too. Requests have an id for that.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use service_edge::kafka::Sender;
use service_edge::outage::Outage;
use service_edge::retry::Backoff;
use shared_events::event::OrderStep;
use shared_events::payment::{PaymentDetails, PaymentRequest, REQUEST_SOURCE};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::postgres::PgConnection;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{ConnectOptions, FromRow};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Failure, PAUSE_MAX, Payments, client_config};
use crate::metrics;

/// The first key of the publisher's advisory lock.
const LOCK_CLASS: i32 = 0x0053_4250;

/// Requests of one lane that are in flight at once.
const IN_FLIGHT_MAX: i64 = 200;

/// The pause when nothing is to be sent. It also keeps the connection alive.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How often an instance tries to get the lock.
const LOCK_INTERVAL: Duration = Duration::from_secs(2);

/// Sends until the service stops. After a failure it starts again.
pub(crate) async fn publish(payments: Payments, stop: CancellationToken) {
    let mut backoff = Backoff::up_to(PAUSE_MAX);
    let outage = Outage::none();
    loop {
        let mut sent = 0;
        match stop.run_until_cancelled(send_all(&payments, &outage, &mut sent)).await {
            None => return,
            Some(Ok(never)) => match never {},
            Some(Err(error)) => {
                if let Some(failures) = outage.failed() {
                    tracing::warn!(
                        %error,
                        failures,
                        topic = payments.config.topics.payment_requests_topic,
                        "payment requests cannot be sent, trying again; the topic is made by `create-topic`"
                    );
                }
            }
        }
        if sent > 0 {
            backoff = Backoff::up_to(PAUSE_MAX);
        }
        if backoff.pause(&stop).await.is_err() {
            return;
        }
    }
}

/// Sends for as long as the connection with the lock lives.
async fn send_all(
    payments: &Payments,
    outage: &Outage,
    sent: &mut usize,
) -> Result<Infallible, Failure> {
    let mut connection = connect(payments).await?;
    while !lock(&mut connection).await? {
        sleep(LOCK_INTERVAL).await;
    }
    let lanes: Vec<i16> =
        payments.lanes.iter().map(|lane| crate::log::row::lane_number(*lane)).collect();
    let mut sender = None;
    loop {
        let requests: Vec<Request> =
            sqlx::query_as(include_str!("../../queries/read_payment_requests.sql"))
                .bind(&lanes)
                .bind(IN_FLIGHT_MAX)
                .fetch_all(&mut connection)
                .await?;
        if requests.is_empty() {
            if outage.is_over() {
                tracing::info!("payment requests are sent again");
            }
            sleep(POLL_INTERVAL).await;
            continue;
        }
        // There is no client before there is anything to send.
        let sender = match &mut sender {
            Some(sender) => sender,
            none => none.insert(Sender::connect(client_config(&payments.brokers))?),
        };
        let records = requests.iter().map(Request::record).collect::<Result<Vec<_>, _>>()?;
        let topic = &payments.config.topics.payment_requests_topic;
        sender.send(records.iter().map(|record| record.on(topic))).await?;
        save_marks(&mut connection, &requests).await?;
        metrics::payment_requests(requests.len());
        *sent += requests.len();
    }
}

async fn connect(payments: &Payments) -> sqlx::Result<PgConnection> {
    let options = payments.database.options().application_name("stockbook payment requests");
    // Used every few hundred milliseconds; a silent owner counts as dead.
    let options = options.options([
        ("idle_session_timeout", "20s"),
        ("statement_timeout", "5s"),
        ("tcp_keepalives_idle", "3"),
        ("tcp_keepalives_interval", "1"),
        ("tcp_keepalives_count", "3"),
        ("synchronous_commit", "off"),
    ]);
    options.connect().await
}

async fn lock(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let statement = include_str!("../../queries/lock_payments.sql");
    sqlx::query_scalar(statement).bind(LOCK_CLASS).fetch_one(connection).await
}

async fn save_marks(connection: &mut PgConnection, sent: &[Request]) -> sqlx::Result<()> {
    // The last of each lane counts.
    let marks: BTreeMap<i16, i64> = sent.iter().map(|one| (one.lane, one.position)).collect();
    let (lanes, positions): (Vec<i16>, Vec<i64>) = marks.into_iter().unzip();
    sqlx::query(include_str!("../../queries/save_payment_marks.sql"))
        .bind(lanes)
        .bind(positions)
        .execute(connection)
        .await?;
    Ok(())
}

/// A recorded request.
#[derive(Debug, FromRow)]
struct Request {
    lane: i16,
    position: i64,
    recorded_at: DateTime<Utc>,
    correlation_id: String,
    data: String,
    payment: Option<String>,
}

/// The same as a record on Kafka.
struct RequestRecord {
    key: String,
    value: String,
    headers: OwnedHeaders,
}

impl Request {
    fn record(&self) -> Result<RequestRecord, Failure> {
        let OrderStep { after: order, .. } = serde_json::from_str(&self.data)?;
        let asked = order.asked.ok_or_else(|| missing("asked"))?;
        let payment = self.payment.as_deref().map(serde_json::from_str::<PaymentDetails>);
        let mut headers = OwnedHeaders::new();
        for (key, value) in [
            ("ce_specversion", "1.0"),
            ("ce_id", asked.request.as_str()),
            ("ce_source", REQUEST_SOURCE),
            ("ce_type", "PaymentRequested"),
            ("ce_time", &Timestamp::new(self.recorded_at).to_string()),
            ("ce_subject", &Stream::Order(order.id.clone()).to_string()),
            ("content-type", "application/json"),
            ("correlation_id", &self.correlation_id),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let key = order.id.to_string();
        let value = PaymentRequest {
            order: order.id,
            request: asked.request,
            kind: asked.kind,
            owner: order.owner,
            // Nothing is paid for what is not held.
            lines: order.lines.into_iter().filter(|line| line.quantity > 0).collect(),
            payment: payment.transpose()?.unwrap_or_default(),
        };
        Ok(RequestRecord { key, value: serde_json::to_string(&value)?, headers })
    }
}

fn missing(member: &str) -> Failure {
    Failure::Stored(serde::de::Error::custom(format_args!("{member} is missing")))
}

impl RequestRecord {
    fn on<'a>(&'a self, topic: &'a str) -> BaseRecord<'a, [u8], [u8]> {
        BaseRecord::to(topic)
            .key(self.key.as_bytes())
            .payload(self.value.as_bytes())
            .headers(self.headers.clone())
    }
}
