//! Bodies of commands.

use serde_json::{Value, json};

/// So much of every item.
pub fn each<S: AsRef<str>>(skus: &[S], quantity: i64) -> Vec<(&str, i64)> {
    skus.iter().map(|sku| (sku.as_ref(), quantity)).collect()
}

/// A body with lines at MAIN.
pub fn lines_at_main(lines: &[(impl AsRef<str>, i64)]) -> Value {
    let line = |(sku, quantity): &(_, i64)| line_at("MAIN", AsRef::as_ref(sku), *quantity);
    json!({ "lines": lines.iter().map(line).collect::<Vec<_>>() })
}

pub fn line_at(location: &str, sku: &str, quantity: i64) -> Value {
    json!({"sku": sku, "location": location, "quantity": quantity})
}

/// The body of a reservation of lines at MAIN.
pub fn reservation(owner: &str, ttl_seconds: u32, lines: &[(&str, i64)]) -> Value {
    let mut body = lines_at_main(lines);
    body["owner"] = json!(owner);
    body["ttl_seconds"] = json!(ttl_seconds);
    body
}
