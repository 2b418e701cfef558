//! Orders: somebody asks, and gets a reply.

use rdkafka::message::{Message, OwnedMessage};
use shared_events::payment::{PaymentReply, PaymentRequest};

use crate::book::Book;
use crate::config::Config;
use crate::messages::{Outgoing, all_of, answer};

/// Replies to requests until something fails. What it replied before is what it knows.
pub(crate) async fn reply_all(config: &Config) -> anyhow::Result<()> {
    let remembering = config.clone();
    let replies = move || all_of(&remembering, &remembering.replies_topic);
    let mut book = Book::default();
    for value in tokio::task::spawn_blocking(replies).await?? {
        // What others wrote there does not concern us.
        if let Ok(reply) = serde_json::from_slice(&value) {
            book.note(reply);
        }
    }
    let reply = |record: &OwnedMessage| reply(record, &mut book, config);
    answer(config, &config.requests_topic, &config.group, &config.replies_topic, reply).await
}

/// The reply to a request, if there is one.
fn reply(record: &OwnedMessage, book: &mut Book, config: &Config) -> Option<Outgoing> {
    let request = serde_json::from_slice::<PaymentRequest>(record.payload().unwrap_or_default());
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            tracing::warn!(%error, offset = record.offset(), "a request cannot be read");
            return None;
        }
    };
    if rand::random_bool(config.silence_rate) {
        return None;
    }
    let reply = book.answer(&request, config.decline_rate);
    book.note(reply.clone());
    Some(outgoing(&reply))
}

fn outgoing(reply: &PaymentReply) -> Outgoing {
    let outcome = serde_json::to_value(reply.outcome).expect("an outcome is a word");
    Outgoing {
        // The same reply to the same request is one event.
        id: format!("{}:{}", reply.request, outcome.as_str().unwrap_or_default()),
        kind: "PaymentReplied",
        key: reply.order.to_string(),
        value: serde_json::to_string(reply).expect("a reply is text"),
    }
}
