//! Hashes of requests: an idempotency key may only be repeated with the same one.
//!
//! They are stored, so they never change.

use axum::body::Bytes;
use axum::extract::MatchedPath;
use axum::http::request::Parts;
use serde_json::{Map, Value};

use crate::digest::digest;

/// The hash of a request: its route and its body as sent.
pub(crate) fn of_request(head: &Parts, body: &Bytes) -> [u8; 32] {
    let route = head.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    digest([head.method.as_str().as_bytes(), route.as_bytes(), head.uri.path().as_bytes(), body])
}

/// The hash of a command in a batch: its members except for its key.
pub(crate) fn of_command(members: &Map<String, Value>) -> [u8; 32] {
    let members: Vec<(&str, String)> =
        members.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
    let parts = members.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    digest(std::iter::once(b"batch".as_slice()).chain(parts))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde_json::json;

    use super::*;

    #[test]
    fn stored_fingerprints_stay_valid() {
        let request = Request::post("/v1/items/A").body(()).expect("a request");
        let (head, ()) = request.into_parts();
        let of_request = of_request(&head, &Bytes::from_static(br#"{"name": "T-LIGHT"}"#));
        assert_eq!(
            hex::encode(of_request),
            "51258e3730e82e11b6ef136f46e40de50292738e076500683b580af8e90ef49d"
        );
        let receipt = json!({
            "type": "receive_stock", "metadata": {"b": "1", "a": "\u{fc}\n"},
            "lines": [{"sku": "A", "location": "B", "quantity": 1}],
        });
        let count = json!({
            "type": "set_stock", "sku": "A", "location": "B", "quantity": 5,
            "expected_quantity": null, "expected_version": 3, "accept_shortage": true,
        });
        for (command, hash) in [
            (receipt, "5c6acf6bc60794d469fa93260f2bfc68d69a9d013092f22afbfbee49758ba046"),
            (count, "fc26bba3103296004d59ed20a63e4dfd89ca99e68b2512487bd5f7dfc5e28909"),
        ] {
            let members = command.as_object().expect("an object");
            assert_eq!(hex::encode(of_command(members)), hash);
        }
    }
}
