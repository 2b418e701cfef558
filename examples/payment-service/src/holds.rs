//! Holds, without an orchestrator: nobody asks. The service sees a hold, pays for it or does not, and says so.

use std::collections::HashMap;

use rdkafka::message::{Headers, Message, OwnedMessage};
use shared_events::event::Event;
use shared_events::payment::{HoldOutcome, HoldPayment};
use shared_events::record;
use shared_events::reservation::ReservationStatus;
use shared_events::values::ReservationId;

use crate::book::is_declined;
use crate::config::Config;
use crate::messages::{Outgoing, all_of, answer};

/// What was done about each hold: the fold of what was said.
type Holds = HashMap<ReservationId, HoldOutcome>;

/// Acts on events until something fails. What it said before is what it knows.
pub(crate) async fn act_on_all(config: &Config, topic: &str) -> anyhow::Result<()> {
    let (remembering, said) = (config.clone(), topic.to_owned());
    let said = move || all_of(&remembering, &said);
    let mut holds = Holds::new();
    for value in tokio::task::spawn_blocking(said).await?? {
        if let Ok(HoldPayment { reservation, outcome }) = serde_json::from_slice(&value) {
            note(&mut holds, reservation, outcome);
        }
    }
    let act = |record: &OwnedMessage| {
        let event = event_of(record)?;
        let (reservation, outcome) = act(&event, &holds, config.decline_rate)?;
        // A hold that nobody acts on expires. Money that was taken is given back for certain.
        if outcome != HoldOutcome::Refunded && rand::random_bool(config.silence_rate) {
            return None;
        }
        note(&mut holds, reservation.clone(), outcome);
        Some(outgoing(reservation, outcome))
    };
    let group = format!("{}-holds", config.group);
    answer(config, &config.events_topic, &group, topic, act).await
}

/// The event in a record, if it is one that is known here.
fn event_of(record: &OwnedMessage) -> Option<Event> {
    let headers = record.headers()?.iter().filter_map(|header| Some((header.key, header.value?)));
    let read = record::read(record.partition(), record.payload().unwrap_or_default(), headers);
    read.ok()?.event().ok()
}

/// What to do about an event, if it concerns us: pay for a hold that is nobody's order, at once or when it has
/// waited for all of its stock, and give back what was paid too late. The same event leads to the same, however
/// often it comes.
fn act(event: &Event, holds: &Holds, decline_rate: f64) -> Option<(ReservationId, HoldOutcome)> {
    if let Event::ReservationHeld(held) | Event::ReservationFilled(held) = event
        && held.after.status == ReservationStatus::Held
        && held.order.is_none()
    {
        let id = &held.after.id;
        let outcome = match holds.get(id) {
            Some(known) => *known,
            None if is_declined(id.as_str(), decline_rate) => HoldOutcome::Refused,
            None => HoldOutcome::Paid,
        };
        return Some((id.clone(), outcome));
    }
    if let Event::ReservationStepRefused(refused) = event
        && refused.step.as_str() == "confirm"
    {
        let id = &refused.of.after.id;
        let was_paid = matches!(holds.get(id), Some(HoldOutcome::Paid | HoldOutcome::Refunded));
        return was_paid.then(|| (id.clone(), HoldOutcome::Refunded));
    }
    // What else happens to stock is not about payments.
    None
}

/// Nothing follows a refund.
fn note(holds: &mut Holds, reservation: ReservationId, outcome: HoldOutcome) {
    if holds.get(&reservation) != Some(&HoldOutcome::Refunded) {
        holds.insert(reservation, outcome);
    }
}

fn outgoing(reservation: ReservationId, outcome: HoldOutcome) -> Outgoing {
    let key = reservation.to_string();
    let word = serde_json::to_value(outcome).expect("an outcome is a word");
    let value = HoldPayment { reservation, outcome };
    Outgoing {
        id: format!("{key}:{}", word.as_str().unwrap_or_default()),
        kind: "HoldPayment",
        key,
        value: serde_json::to_string(&value).expect("an outcome is text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120005";

    fn event(event_type: &str, version: i16, more: &str) -> Event {
        let after = format!(
            r#"{{"id":"{ID}","owner":"o","status":"held","expires_at":"2026-11-20T10:15:00Z","reference":null,"lines":[]}}"#
        );
        let json = format!(r#"{{"after":{after}{more}}}"#);
        Event::from_json(event_type, version, &json).expect("an event")
    }

    #[test]
    fn a_hold_is_paid_or_refused_and_that_of_an_order_is_passed_over() {
        let held = event("ReservationHeld", 2, "");
        let outcome = |event: &Event, rate| act(event, &Holds::new(), rate).map(|done| done.1);
        assert_eq!(outcome(&held, 0.0), Some(HoldOutcome::Paid));
        assert_eq!(outcome(&held, 1.0), Some(HoldOutcome::Refused));
        for (of_order, version) in [("ReservationHeld", 2), ("ReservationFilled", 1)] {
            let of_order = event(of_order, version, &format!(r#","order":"{ID}""#));
            assert_eq!(outcome(&of_order, 0.0), None);
        }
    }

    #[test]
    fn what_waits_is_paid_when_nothing_of_it_waits_any_more() {
        let mut filled = event("ReservationFilled", 1, "");
        let outcome = |event: &Event| act(event, &Holds::new(), 0.0).map(|done| done.1);
        assert_eq!(outcome(&filled), Some(HoldOutcome::Paid));
        let Event::ReservationFilled(step) = &mut filled else { panic!("{filled:?}") };
        step.after.status = ReservationStatus::Waiting;
        assert_eq!(outcome(&filled), None);
    }

    #[test]
    fn what_was_paid_too_late_is_given_back_and_nothing_else() {
        let refused =
            event("ReservationStepRefused", 1, r#","step":"confirm","code":"reservation_expired""#);
        let id: ReservationId = ID.parse().expect("an id");
        let after = |known: Option<HoldOutcome>| {
            let holds = known.map(|known| (id.clone(), known)).into_iter().collect();
            act(&refused, &holds, 0.0).map(|done| done.1)
        };
        assert_eq!(after(Some(HoldOutcome::Paid)), Some(HoldOutcome::Refunded));
        assert_eq!(after(Some(HoldOutcome::Refunded)), Some(HoldOutcome::Refunded));
        assert_eq!(after(Some(HoldOutcome::Refused)), None);
        assert_eq!(after(None), None);
        let mut holds = Holds::new();
        note(&mut holds, id.clone(), HoldOutcome::Refunded);
        note(&mut holds, id.clone(), HoldOutcome::Paid);
        assert_eq!(holds[&id], HoldOutcome::Refunded);
    }
}
