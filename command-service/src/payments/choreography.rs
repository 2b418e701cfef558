//! What others do with holds that they saw on the topic of events, without an orchestrator.

use shared_events::event::Cause;
use shared_events::payment::{HoldOutcome, HoldPayment};
use shared_events::stream::Stream;

use super::inbox::{Asked, Source};
use crate::config::PaymentConfig;
use crate::inventory::{Command, SettleReservation};

/// The topic of what they do, if there is one.
pub(crate) fn source(config: &PaymentConfig) -> Option<Source> {
    let topic = config.topics.choreography_topic.clone()?;
    let group = format!("{}-choreography", config.payment_replies_group);
    Some(Source { topic, group, read })
}

fn read(value: &[u8]) -> Result<Asked, serde_json::Error> {
    let HoldPayment { reservation, outcome } = serde_json::from_slice(value)?;
    match outcome {
        HoldOutcome::Paid | HoldOutcome::Refused => {}
        HoldOutcome::Refunded => return Ok(None),
    }
    let stream = Stream::Reservation(reservation.clone());
    let command = SettleReservation { id: reservation, outcome, cause: Cause::default() };
    Ok(Some((stream, Command::SettleReservation(command))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paid_or_refused_settles_a_reservation_and_a_refund_asks_for_nothing() {
        let id = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120005";
        let asked = |outcome: &str| {
            let value = format!(r#"{{"reservation":"{id}","outcome":"{outcome}"}}"#);
            read(value.as_bytes()).expect("a message")
        };
        for outcome in ["paid", "refused"] {
            let (stream, _) = asked(outcome).expect("it asks for something");
            assert_eq!(stream.to_string(), format!("reservation/{id}"));
        }
        assert!(asked("refunded").is_none());
        assert!(read(br#"{"reservation":"17","outcome":"paid"}"#).is_err());
    }
}
