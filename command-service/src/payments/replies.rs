//! What the payment service replies about orders.

use shared_events::event::Cause;
use shared_events::payment::PaymentReply;
use shared_events::stream::Stream;
use shared_events::values::OrderId;

use super::inbox::{Asked, Source};
use crate::config::PaymentConfig;
use crate::inventory::{ChangeOrder, Command, OrderChange, Reply};

pub(crate) fn source(config: &PaymentConfig) -> Source {
    Source {
        topic: config.topics.payment_replies_topic.clone(),
        group: config.payment_replies_group.clone(),
        read,
    }
}

pub(crate) fn read(value: &[u8]) -> Result<Asked, serde_json::Error> {
    let PaymentReply { order, request, outcome, payment_id, reason } =
        serde_json::from_slice(value)?;
    // No order has another kind of id.
    let Ok(id) = order.as_str().parse::<OrderId>() else { return Ok(None) };
    let stream = Stream::Order(id.clone());
    let change = OrderChange::Reply(Reply { request, outcome, payment_id, reason });
    let command = ChangeOrder { id, change, precondition: None, cause: Cause::default() };
    Ok(Some((stream, Command::ChangeOrder(command))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_about_an_order_is_read_and_members_of_others_are_passed_over() {
        let value = br#"{"order":"7-019a9f3c-5a3e-7cc1-8a05-0242ac120005","request":"r",
            "outcome":"declined","reason":"no_funds","more":1}"#;
        let (stream, command) = read(value).expect("a reply").expect("about an order");
        assert!(stream.to_string().starts_with("order/7-"));
        let Command::ChangeOrder(command) = command else { panic!("{command:?}") };
        let OrderChange::Reply(reply) = command.change else { panic!("{command:?}") };
        assert_eq!(reply.reason, "no_funds".parse().ok());
    }
}
