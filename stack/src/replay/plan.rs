//! The commands that are sent for a trade: their order, keys and bodies.

use std::collections::BTreeMap;

use chrono::NaiveTime;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared_events::time::Timestamp;
use shared_events::values::Sku;

use super::source::Source;
use super::trade::{self, Change, Counts, Invoice, Kind, Trade};

/// The one location of the trade.
pub const LOCATION: &str = "MAIN";

/// Part of every key: raise the number when the same files give other commands.
const PLAN_VERSION: &str = "stockbook replay 1";

/// The stock before the trade begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stock {
    /// A quarter more than the trade takes: nothing is refused, and the order does not matter.
    Full,
    /// Half of what the trade takes: many invoices are refused as a whole.
    Scarce,
}

impl Stock {
    /// The opening stock of an item of which `taken` units go out.
    fn opening(self, taken: i64) -> i64 {
        match self {
            Self::Full => taken + (taken + 3) / 4,
            Self::Scarce => taken / 2,
        }
    }

    /// Part of every key, so that the two modes do not share commands.
    fn key_part(self) -> &'static str {
        match self {
            Self::Full => "a quarter more",
            Self::Scarce => "scarce",
        }
    }
}

/// A request, and the changes of stock that follow when it is accepted.
#[derive(Debug, Clone)]
pub struct Command {
    /// The Idempotency-Key: the same for the same files, so that a second run repeats the first.
    pub key: String,
    /// The Correlation-Id: one per invoice.
    pub correlation_id: String,
    pub method: Method,
    pub path: String,
    pub body: Value,
    /// None for a registration.
    pub occurred_at: Option<Timestamp>,
    pub changes: Vec<Change>,
}

/// Everything that is sent, in order: the location, the items, the opening stock, the trade.
#[derive(Debug)]
pub struct Plan {
    pub stock: Stock,
    pub location: Command,
    pub items: Vec<Command>,
    pub opening: Vec<Command>,
    pub trade: Vec<Command>,
    pub(crate) skus: Vec<Sku>,
    pub(crate) counts: Counts,
}

impl Plan {
    /// Plans the files as one trade, one after another.
    pub fn new(stock: Stock, sources: &[Source]) -> anyhow::Result<Self> {
        let Trade { invoices, items, counts } = trade::read(sources)?;
        let digest = digest(stock, sources);
        let location = json!({ "name": "Main warehouse", "kind": "warehouse" });
        // An item without a description is named after its sku.
        let item = |(sku, name): (&Sku, &String)| {
            let name = if name.is_empty() { sku.as_str() } else { name };
            registration(&digest, "item", sku.as_str(), json!({ "name": name }))
        };
        let trade: Vec<Command> =
            invoices.iter().flat_map(|invoice| movements(&digest, invoice)).collect();
        Ok(Self {
            stock,
            location: registration(&digest, "location", LOCATION, location),
            opening: opening(&digest, stock, &trade),
            trade,
            skus: items.keys().cloned().collect(),
            items: items.iter().map(item).collect(),
            counts,
        })
    }

    /// The items of the trade.
    pub fn skus(&self) -> &[Sku] {
        &self.skus
    }
}

/// Identifies a trade by its mode and the content of its files.
///
/// Each part is hashed with its length in front, so that no two trades share a digest.
fn digest(stock: Stock, sources: &[Source]) -> String {
    let fixed = [PLAN_VERSION.as_bytes(), stock.key_part().as_bytes()];
    let files = sources.iter().map(|source| source.csv.as_slice());
    let mut digest = Sha256::new();
    for part in fixed.into_iter().chain(files) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    hex::encode(&digest.finalize()[..16])
}

fn registration(digest: &str, kind: &str, name: &str, body: Value) -> Command {
    Command {
        key: format!("{digest}/{kind}/{name}"),
        correlation_id: format!("{digest}/{kind}"),
        method: Method::PUT,
        path: format!("/v1/{kind}s/{name}"),
        body,
        occurred_at: None,
        changes: Vec::new(),
    }
}

/// The opening stock, received at the midnight before the first invoice.
fn opening(digest: &str, stock: Stock, trade: &[Command]) -> Vec<Command> {
    let Some(first) = trade.iter().filter_map(|command| command.occurred_at).min() else {
        return Vec::new();
    };
    let midnight = Timestamp::new(first.to_utc().date_naive().and_time(NaiveTime::MIN).and_utc());
    let mut taken: BTreeMap<&Sku, i64> = BTreeMap::new();
    for Change { sku, delta } in trade.iter().flat_map(|command| &command.changes) {
        *taken.entry(sku).or_default() -= (*delta).min(0);
    }
    let opened = taken.into_iter().map(|(sku, taken)| (sku, stock.opening(taken)));
    opened
        .filter(|(_, quantity)| *quantity > 0)
        .map(|(sku, quantity)| Command {
            key: format!("{digest}/opening/{sku}"),
            correlation_id: format!("{digest}/opening"),
            method: Method::POST,
            path: "/v1/receipts".to_owned(),
            body: json!({
                "lines": [{ "sku": sku, "location": LOCATION, "quantity": quantity }],
                "reason": "opening_balance",
                "occurred_at": midnight,
            }),
            occurred_at: Some(midnight),
            changes: vec![Change { sku: sku.clone(), delta: quantity }],
        })
        .collect()
}

/// The commands of an invoice: an issue, an adjustment for its write-offs, or a receipt of returns.
fn movements(digest: &str, invoice: &Invoice) -> Vec<Command> {
    let of = |name, path, why, change: fn(i64) -> i64| {
        movement(digest, invoice, name, path, why, change)
    };
    let commands = match invoice.kind {
        Kind::Sale => vec![
            of("issue", "/v1/issues", ("purpose", "sale"), |sold| -sold.max(0)),
            of("adjust", "/v1/adjustments", ("reason", "correction"), |lost| lost.min(0)),
        ],
        Kind::Return => vec![of("return", "/v1/receipts", ("reason", "returned"), i64::abs)],
    };
    commands.into_iter().filter(|command| !command.changes.is_empty()).collect()
}

/// One command with those lines of an invoice that change stock in its way.
fn movement(
    digest: &str,
    invoice: &Invoice,
    name: &str,
    path: &str,
    (reason, why): (&str, &str),
    change: fn(i64) -> i64,
) -> Command {
    let Invoice { number, occurrence, at, lines, .. } = invoice;
    let changes: Vec<Change> = lines
        .iter()
        .map(|Change { sku, delta }| Change { sku: sku.clone(), delta: change(*delta) })
        .filter(|change| change.delta != 0)
        .collect();
    let line = |Change { sku, delta }: &Change| match name {
        "adjust" => json!({ "sku": sku, "location": LOCATION, "delta": delta }),
        _ => json!({ "sku": sku, "location": LOCATION, "quantity": delta.abs() }),
    };
    let correlation_id = format!("{digest}/{number}/{occurrence}");
    Command {
        key: format!("{correlation_id}/{name}"),
        correlation_id,
        method: Method::POST,
        path: path.to_owned(),
        body: json!({
            "lines": changes.iter().map(line).collect::<Vec<_>>(),
            reason: why,
            "reference": { "type": "invoice", "id": number },
            "occurred_at": at,
        }),
        occurred_at: Some(*at),
        changes,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DAY: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate\n\
        536365,85123A,HOLDER,6,2010-12-01 08:26:00\n\
        536365,71053,,-3,2010-12-01 08:26:00\n\
        C536379,71053,,-1,2010-12-01 09:41:00\n\
        C536379,22633,WARMER,-2,2010-12-01 09:41:00\n\
        536365,85123A,HOLDER,1,2010-12-01 10:00:00\n";

    fn plan(stock: Stock) -> Plan {
        let source = Source { name: "day.csv".to_owned(), csv: DAY.into() };
        Plan::new(stock, &[source]).unwrap()
    }

    fn all(plan: &Plan) -> impl Iterator<Item = &Command> {
        let lists = [&plan.items, &plan.opening, &plan.trade];
        std::iter::once(&plan.location).chain(lists.into_iter().flatten())
    }

    /// Logs that were written with these keys and bodies exist, so neither may change.
    #[test]
    fn a_day_becomes_these_requests_under_these_keys() {
        let plan = plan(Stock::Scarce);
        let shown: Vec<String> = all(&plan)
            .map(|Command { key, correlation_id, method, path, body, .. }| {
                format!("{key} {correlation_id} {method} {path} {body}")
            })
            .collect();
        let digest = "89b214d0a5f06fc297b2fe1fe9b46eea";
        let expected = [
            r#"D/location/MAIN D/location PUT /v1/locations/MAIN {"kind":"warehouse","name":"Main warehouse"}"#,
            r#"D/item/22633 D/item PUT /v1/items/22633 {"name":"WARMER"}"#,
            r#"D/item/71053 D/item PUT /v1/items/71053 {"name":"71053"}"#,
            r#"D/item/85123A D/item PUT /v1/items/85123A {"name":"HOLDER"}"#,
            r#"D/opening/71053 D/opening POST /v1/receipts {"lines":[{"location":"MAIN","quantity":1,"sku":"71053"}],"occurred_at":"2010-12-01T00:00:00.000000Z","reason":"opening_balance"}"#,
            r#"D/opening/85123A D/opening POST /v1/receipts {"lines":[{"location":"MAIN","quantity":3,"sku":"85123A"}],"occurred_at":"2010-12-01T00:00:00.000000Z","reason":"opening_balance"}"#,
            r#"D/536365/1/issue D/536365/1 POST /v1/issues {"lines":[{"location":"MAIN","quantity":6,"sku":"85123A"}],"occurred_at":"2010-12-01T08:26:00.000000Z","purpose":"sale","reference":{"id":"536365","type":"invoice"}}"#,
            r#"D/536365/1/adjust D/536365/1 POST /v1/adjustments {"lines":[{"delta":-3,"location":"MAIN","sku":"71053"}],"occurred_at":"2010-12-01T08:26:00.000000Z","reason":"correction","reference":{"id":"536365","type":"invoice"}}"#,
            r#"D/C536379/1/return D/C536379/1 POST /v1/receipts {"lines":[{"location":"MAIN","quantity":1,"sku":"71053"},{"location":"MAIN","quantity":2,"sku":"22633"}],"occurred_at":"2010-12-01T09:41:00.000000Z","reason":"returned","reference":{"id":"C536379","type":"invoice"}}"#,
            r#"D/536365/2/issue D/536365/2 POST /v1/issues {"lines":[{"location":"MAIN","quantity":1,"sku":"85123A"}],"occurred_at":"2010-12-01T10:00:00.000000Z","purpose":"sale","reference":{"id":"536365","type":"invoice"}}"#,
        ];
        let expected = expected.map(|line| line.replacen("D/", &format!("{digest}/"), 2));
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_digest_depends_on_the_mode_and_on_every_file() {
        let digest = |stock, files: &[&str]| {
            let source = |csv: &&str| Source { name: String::new(), csv: (*csv).into() };
            digest(stock, &files.iter().map(source).collect::<Vec<_>>())
        };
        assert_eq!(digest(Stock::Scarce, &["ab"]), "ebe59c3a1c2048bed552ec9e93ee63f0");
        let files: [&[&str]; 5] = [&["ab"], &["a", "b"], &["b", "a"], &["ab", ""], &[]];
        let modes = [Stock::Full, Stock::Scarce];
        let digests: BTreeSet<_> =
            modes.iter().flat_map(|mode| files.map(|files| digest(*mode, files))).collect();
        assert_eq!(digests.len(), 10);
    }

    #[test]
    fn full_stock_leaves_some_of_everything_that_is_sold_in_any_order() {
        let plan = Plan::new(Stock::Full, &[Source::sample().unwrap()]).unwrap();
        assert_eq!((plan.counts.lines, plan.counts.invoices), (3108, 143));
        // The worst order: all goods leave before any come back.
        let mut lowest: BTreeMap<&Sku, i64> = BTreeMap::new();
        let opening = plan.opening.iter().flat_map(|command| &command.changes);
        let trade = plan.trade.iter().flat_map(|command| &command.changes);
        for change in opening.chain(trade.filter(|change| change.delta < 0)) {
            *lowest.entry(&change.sku).or_default() += change.delta;
        }
        assert!(lowest.values().all(|left| *left > 0), "{lowest:?}");
        let keys: BTreeSet<_> = all(&plan).map(|command| &command.key).collect();
        assert_eq!(keys.len(), all(&plan).count());
        assert!(
            keys.iter().all(|key| key.len() <= 255 && key.bytes().all(|b| b.is_ascii_graphic()))
        );
    }
}
