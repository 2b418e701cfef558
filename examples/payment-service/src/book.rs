//! What was decided about each order. PURE: the fold of the replies that were sent.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use shared_events::payment::{PaymentOutcome, PaymentReply, PaymentRequest, RequestKind};
use shared_events::values::Label;

/// The orders with a decision.
#[derive(Debug, Default)]
pub(crate) struct Book(HashMap<Label, PaymentReply>);

impl Book {
    /// The reply to a request. The same request gets the same reply, and what is voided stays so: a request to
    /// authorise that comes after its void is refused.
    pub(crate) fn answer(&self, request: &PaymentRequest, decline_rate: f64) -> PaymentReply {
        let order: Label = Label::known(request.order.as_str());
        let reply = |outcome| PaymentReply {
            order: order.clone(),
            request: request.request.clone(),
            outcome,
            payment_id: None,
            reason: None,
        };
        if request.kind == RequestKind::Void {
            return reply(PaymentOutcome::Voided);
        }
        match self.0.get(&order) {
            Some(known) if known.request == request.request => known.clone(),
            Some(_) => PaymentReply {
                reason: Some(Label::known("voided")),
                ..reply(PaymentOutcome::Declined)
            },
            None if declines(request, decline_rate) => PaymentReply {
                reason: Some(Label::known("no_funds")),
                ..reply(PaymentOutcome::Declined)
            },
            None => {
                let payment_id = Label::known(&format!("payment-{order}"));
                PaymentReply { payment_id: Some(payment_id), ..reply(PaymentOutcome::Authorised) }
            }
        }
    }

    /// Remembers a reply that was sent. Nothing follows a void.
    pub(crate) fn note(&mut self, reply: PaymentReply) {
        let known = self.0.get(&reply.order).map(|known| known.outcome);
        if known != Some(PaymentOutcome::Voided) {
            self.0.insert(reply.order.clone(), reply);
        }
    }
}

/// Whether an order is declined: as its payment says, for trying it out, or else by chance. The same order has
/// the same chance, however often it is asked about.
fn declines(request: &PaymentRequest, rate: f64) -> bool {
    if let Some(simulated) = request.payment.0.get("simulate") {
        return simulated == "decline";
    }
    is_declined(request.order.as_str(), rate)
}

/// Whether a part of all ids, this `rate`, has this one.
pub(crate) fn is_declined(id: &str, rate: f64) -> bool {
    let hash = Sha256::digest(id);
    f64::from(u16::from_be_bytes([hash[0], hash[1]])) < rate * 65_536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: RequestKind, simulate: Option<&str>) -> PaymentRequest {
        let order = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120005".parse().expect("an id");
        let mut payment = shared_events::payment::PaymentDetails::default();
        if let Some(simulate) = simulate {
            payment.0.insert("simulate".to_owned(), simulate.into());
        }
        PaymentRequest {
            request: kind.request(&order),
            order,
            kind,
            owner: Label::known("customer-1"),
            lines: Vec::new(),
            payment,
        }
    }

    #[test]
    fn a_request_gets_the_same_reply_however_often_it_comes() {
        let mut book = Book::default();
        let request = request(RequestKind::Authorise, None);
        let reply = book.answer(&request, 0.0);
        assert_eq!(reply.outcome, PaymentOutcome::Authorised);
        book.note(reply.clone());
        assert_eq!(book.answer(&request, 1.0), reply);
    }

    #[test]
    fn an_authorisation_that_comes_after_its_void_is_refused() {
        let mut book = Book::default();
        let voided = book.answer(&request(RequestKind::Void, None), 0.0);
        assert_eq!(voided.outcome, PaymentOutcome::Voided);
        book.note(voided);
        let refused = book.answer(&request(RequestKind::Authorise, None), 0.0);
        assert_eq!(refused.outcome, PaymentOutcome::Declined);
        book.note(refused.clone());
        assert_eq!(book.answer(&request(RequestKind::Authorise, None), 0.0), refused);
    }

    #[test]
    fn orders_are_declined_by_the_rate_or_as_their_payment_says() {
        let answer = |simulate, rate| {
            Book::default().answer(&request(RequestKind::Authorise, simulate), rate).outcome
        };
        assert_eq!(answer(None, 1.0), PaymentOutcome::Declined);
        assert_eq!(answer(Some("decline"), 0.0), PaymentOutcome::Declined);
        assert_eq!(answer(Some("pay"), 1.0), PaymentOutcome::Authorised);
    }
}
