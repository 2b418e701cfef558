//! `topic remake`: makes the topic again from the log, without what was removed from it since.
//!
//! The order keeps old bytes out of the new topic. The locks of all lanes are taken, so that nothing is published;
//! each instance that had some is seen to have begun again, which it does only after it has dropped what it had in
//! memory; only then is the topic replaced, and published again from the first event.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use shared_events::lane::{Lane, Position};
use sqlx::postgres::PgConnection;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{ConnectOptions, Row};
use tokio::time::{Instant, sleep};

use super::ownership::{LOCK_CLASS, OWNER};
use crate::config::RemakeTopicConfig;
use crate::log::row::{self, lane_number};
use crate::topic;

/// How long others may take to let go of the lanes, and to begin again.
const WAIT_MAX: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(100);

/// Makes the topic again. What the services read and write meanwhile does not wait for it.
pub async fn remake(config: RemakeTopicConfig) -> anyhow::Result<()> {
    let RemakeTopicConfig { write_database_url, brokers, topic } = config;
    let options = write_database_url.options().application_name("command-service topic remake");
    let mut connection = options.connect().await.context("the write database cannot be reached")?;
    let lanes = lanes(&mut connection).await?;
    topic::check(&brokers, &topic, lanes.len()).await?;
    // 1. Take all lanes from those who relay them.
    let ended = take(&mut connection, &lanes).await?;
    tracing::info!(
        lanes = lanes.len(),
        instances = ended.instances.len(),
        "nothing is published now"
    );
    // 2. Wait until they have dropped what they had in memory.
    wait_for_new_sessions(&mut connection, &ended).await?;
    // 3. Replace the topic, and forget how far it was.
    topic::replace(&brokers, &topic, lanes.len()).await?;
    let numbers: Vec<i16> = lanes.iter().copied().map(lane_number).collect();
    sqlx::query(include_str!("../../queries/relay_save_marks.sql"))
        .bind(&numbers)
        .bind(vec![Position::default().0; numbers.len()])
        .execute(&mut connection)
        .await?;
    tracing::info!(topic, "the topic is made again; the relays fill it from the log now");
    // 4. The end of the connection lets the lanes go.
    Ok(())
}

async fn lanes(connection: &mut PgConnection) -> anyhow::Result<Vec<Lane>> {
    let rows = sqlx::query(include_str!("../../queries/list_heads.sql"))
        .fetch_all(connection)
        .await
        .context("the log cannot be read")?;
    let lanes: sqlx::Result<Vec<Lane>> = rows.iter().map(|row| row::lane(row, "lane")).collect();
    Ok(lanes?)
}

/// The instances whose relays were ended.
struct Ended {
    instances: BTreeSet<String>,
    /// When the last of them was.
    at: DateTime<Utc>,
}

/// Takes the locks of all lanes, and ends the connections of those who hold them.
async fn take(connection: &mut PgConnection, lanes: &[Lane]) -> anyhow::Result<Ended> {
    let mut left: BTreeSet<i32> = lanes.iter().map(|lane| i32::from(lane.0)).collect();
    let mut ended = Ended { instances: BTreeSet::new(), at: DateTime::default() };
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let wanted: Vec<i32> = left.iter().copied().collect();
        let locked: Vec<i32> =
            sqlx::query_scalar(include_str!("../../queries/relay_lock_lanes.sql"))
                .bind(LOCK_CLASS)
                .bind(&wanted)
                .fetch_all(&mut *connection)
                .await?;
        left.retain(|lane| !locked.contains(lane));
        if left.is_empty() {
            return Ok(ended);
        }
        let owners = sqlx::query(include_str!("../../queries/relay_end_owners.sql"))
            .bind(LOCK_CLASS)
            .bind(&wanted)
            .fetch_all(&mut *connection)
            .await?;
        for owner in owners {
            ended.instances.insert(owner.try_get("instance")?);
            ended.at = owner.try_get("ended_at")?;
        }
        ensure!(Instant::now() < deadline, "the relays do not let go of lanes {left:?}");
        sleep(PAUSE).await;
    }
}

/// Waits until each of these instances has begun a new relay session, or is not there any more.
async fn wait_for_new_sessions(connection: &mut PgConnection, ended: &Ended) -> anyhow::Result<()> {
    let deadline = Instant::now() + WAIT_MAX;
    let mut missing = ended.instances.clone();
    while !missing.is_empty() {
        let begun: Vec<String> =
            sqlx::query_scalar(include_str!("../../queries/relay_list_instances.sql"))
                .bind(OWNER)
                .bind(ended.at)
                .fetch_all(&mut *connection)
                .await?;
        missing.retain(|instance| !begun.contains(instance));
        if Instant::now() > deadline {
            tracing::warn!(
                ?missing,
                "these instances did not come back: they have ended, or they hang and may publish what they had in \
                 memory. Make sure that they have ended, and if not, end them and remake the topic once more"
            );
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
