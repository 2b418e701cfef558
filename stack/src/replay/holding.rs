//! Whose trade a stack holds.
//!
//! A replay checks every figure, so it must be alone on its stack, or go on with what it began
//! itself. The log tells, without a marker of our own: it is empty, or the fact that `MAIN` was
//! registered carries the Correlation-Id of this very trade, in which a digest of the files stands.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;

use crate::replay::answer::Problem;
use crate::replay::command::LOCATION;
use crate::replay::plan::Plan;
use crate::replay::progress::Progress;
use crate::replay::service::Service;

/// Whose trade a stack holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Nothing was ever recorded.
    Nothing,
    /// What this plan sends, or the beginning of it.
    ThisTrade,
    /// Something else.
    OtherTrade,
}

#[derive(Deserialize)]
struct Lanes {
    items: Vec<LaneHead>,
}

#[derive(Deserialize)]
struct LaneHead {
    #[expect(dead_code, reason = "read so that another answer is not taken for this one")]
    lane: Lane,
    position: Position,
}

/// Asks the log whose trade the stack holds.
pub(super) async fn holding(
    plan: &Plan,
    service: &Service,
    progress: &Progress,
) -> anyhow::Result<Holding> {
    if log_length(service, progress).await? == 0 {
        return Ok(Holding::Nothing);
    }
    let path = format!("/v1/streams/location/{LOCATION}/events");
    let reply = service.get(&path, &[("limit", "1")], progress).await?;
    match reply.status {
        200 => Ok(holder(plan, &reply.body).with_context(|| format!("{path} is not events"))?),
        404 => Ok(Holding::OtherTrade),
        status => bail!("{path}: {}", Problem::read(status, &reply.body)),
    }
}

/// How many events the log holds.
pub(super) async fn log_length(service: &Service, progress: &Progress) -> anyhow::Result<u64> {
    let reply = service.get("/v1/lanes", &[], progress).await?;
    if reply.status != 200 {
        bail!("/v1/lanes: {}", Problem::read(reply.status, &reply.body));
    }
    let lanes: Lanes = serde_json::from_slice(&reply.body).context("/v1/lanes is not lanes")?;
    let positions = lanes.items.iter().map(|head| head.position.0);
    Ok(positions.sum::<i64>().unsigned_abs())
}

/// Who registered the location, by the first fact about it.
fn holder(plan: &Plan, events: &[u8]) -> serde_json::Result<Holding> {
    let first = events.split(|byte| *byte == b'\n').find(|line| !line.is_empty());
    let Some(first) = first else {
        return Ok(Holding::OtherTrade);
    };
    let registered: RecordedEvent = serde_json::from_slice(first)?;
    if registered.correlation_id.as_str() == plan.location.correlation_id {
        Ok(Holding::ThisTrade)
    } else {
        Ok(Holding::OtherTrade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::plan::Stock;
    use crate::replay::source::Source;

    fn plan(stock: Stock) -> Plan {
        Plan::new(stock, &[Source::sample().expect("the sample")]).expect("a trade")
    }

    fn registered(correlation_id: &str) -> String {
        let event = serde_json::json!({
            "id": "1-1", "lane": 1, "position": 1, "stream": "location/MAIN", "version": 1,
            "type": "LocationRegistered", "schema_version": 1,
            "occurred_at": "2026-11-20T10:00:00.000000Z",
            "recorded_at": "2026-11-20T10:00:00.000000Z",
            "actor": null, "correlation_id": correlation_id, "causation_id": null,
            "data": {"code": "MAIN", "name": "Main warehouse"}, "chain": "0".repeat(64),
        });
        format!("{event}\n")
    }

    #[test]
    fn the_first_fact_about_the_location_tells_whose_trade_it_is() {
        let full = plan(Stock::Full);
        let ours = registered(&full.location.correlation_id);
        let scarce = registered(&plan(Stock::Scarce).location.correlation_id);
        for (events, expected) in [
            (ours.clone(), Holding::ThisTrade),
            (format!("{ours}{scarce}"), Holding::ThisTrade),
            (format!("{scarce}{ours}"), Holding::OtherTrade),
            (registered("by hand"), Holding::OtherTrade),
            (String::new(), Holding::OtherTrade),
        ] {
            let holding = holder(&full, events.as_bytes()).expect("events");
            assert_eq!(holding, expected, "{events}");
        }
        assert!(holder(&full, b"<html>").is_err());
    }
}
