//! The requests, as bytes. The same bytes go to every side.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use stack::replay::command::{Action, Movement, MovementKind};
use stack::replay::plan::{Plan, Stock};
use stack::replay::source::Source;

use crate::drive::Render;
use crate::keys::{Keys, sku};

/// The location of all stock.
pub const LOCATION: &str = "MAIN";

/// What is asked.
#[derive(Debug, Clone)]
pub enum Ask {
    /// One unit comes in.
    Receive,
    /// One unit goes out.
    Issue,
    /// One unit is held for an hour.
    Reserve,
    /// So many receipts in one request.
    Batch(usize),
    /// A real order, all of its lines or none; the next one each time.
    Order(Orders),
    /// The figures of an item at the location.
    Point,
    /// Fifty figures of the skus that begin as a drawn one does.
    List,
    /// The route that answers a constant.
    Constant,
}

/// The orders of a trade, as bodies, taken one after another by all clients together.
#[derive(Debug, Clone)]
pub struct Orders {
    bodies: Arc<[String]>,
    taken: Arc<AtomicUsize>,
    /// Every item of the trade.
    pub skus: Arc<[String]>,
    /// Lines an order on average.
    pub lines: f64,
}

impl Orders {
    /// Reads the sales of trade files; of the shipped day where none is given.
    ///
    /// # Errors
    /// A file cannot be read, or holds no sale.
    pub fn read(files: &[std::path::PathBuf]) -> anyhow::Result<Self> {
        let sources: Vec<Source> = if files.is_empty() {
            vec![Source::sample()?]
        } else {
            files.iter().map(|file| Source::open(file)).collect::<anyhow::Result<_>>()?
        };
        let plan = Plan::new(Stock::Full, &sources)?;
        let is_sale = |action: &Action| {
            matches!(action, Action::Move(Movement { kind: MovementKind::Sale { .. }, .. }))
        };
        let sales = plan.trade.iter().filter(|command| is_sale(&command.action));
        let (bodies, lines): (Vec<String>, Vec<usize>) = sales
            .map(|command| (command.request().body.to_string(), command.changes().len()))
            .unzip();
        anyhow::ensure!(!bodies.is_empty(), "there is no sale in the trade files");
        Ok(Self {
            lines: lines.iter().sum::<usize>() as f64 / lines.len() as f64,
            bodies: bodies.into(),
            taken: Arc::default(),
            skus: plan.skus().map(ToString::to_string).collect(),
        })
    }

    fn next(&self) -> &str {
        &self.bodies[self.taken.fetch_add(1, Ordering::Relaxed) % self.bodies.len()]
    }
}

/// What all clients of a run ask.
#[derive(Debug, Clone)]
pub struct Requests {
    /// What is asked.
    pub ask: Ask,
    /// About which items.
    pub keys: Keys,
    /// Whether each request has an Idempotency-Key of its own.
    pub keyed: bool,
}

impl Requests {
    /// Requests without Idempotency-Keys.
    #[must_use]
    pub fn new(ask: Ask, keys: Keys) -> Self {
        Self { ask, keys, keyed: false }
    }

    /// The same, each with an Idempotency-Key.
    #[must_use]
    pub fn keyed(self) -> Self {
        Self { keyed: true, ..self }
    }

    /// What each client sends, differing from client to client and from run to run.
    pub fn renderers(&self) -> impl Fn(usize) -> Render + use<> {
        let run: u64 = rand::random();
        let requests = self.clone();
        move |client| {
            let requests = requests.clone();
            let mut rng = SmallRng::seed_from_u64(run ^ client as u64);
            let mut sent: u64 = 0;
            let mut body = String::new();
            Box::new(move |out| {
                sent += 1;
                let key = requests.keyed.then(|| format!("{run:016x}-{client}-{sent}"));
                requests.render(&mut rng, key.as_deref(), &mut body, out);
            })
        }
    }

    fn render(&self, rng: &mut impl Rng, key: Option<&str>, body: &mut String, out: &mut Vec<u8>) {
        body.clear();
        let path = match &self.ask {
            Ask::Receive => "/v1/receipts",
            Ask::Issue | Ask::Order(_) => "/v1/issues",
            Ask::Reserve => "/v1/reservations",
            Ask::Batch(_) => "/v1/batches",
            Ask::Point => {
                return get(&format!("/v1/stock/{}/{LOCATION}", sku(self.keys.draw(rng))), out);
            }
            Ask::List => {
                let sku = sku(self.keys.draw(rng));
                let prefix = &sku[..sku.len() - 2];
                return get(&format!("/v1/stock?sku_prefix={prefix}&limit=50"), out);
            }
            Ask::Constant => return get("/static", out),
        };
        match &self.ask {
            Ask::Receive | Ask::Issue => {
                body.push_str("{\"lines\":[");
                line(self.keys.draw(rng), body);
                body.push_str("]}");
            }
            Ask::Reserve => {
                body.push_str("{\"owner\":\"cart-7\",\"ttl_seconds\":3600,\"lines\":[");
                line(self.keys.draw(rng), body);
                body.push_str("]}");
            }
            Ask::Batch(size) => self.batch(*size, rng, body),
            Ask::Order(orders) => body.push_str(orders.next()),
            Ask::Point | Ask::List | Ask::Constant => {}
        }
        post(path, key, body, out);
    }

    fn batch(&self, size: usize, rng: &mut impl Rng, body: &mut String) {
        body.push_str("{\"mode\":\"independent\",\"commands\":[");
        for nth in 0..size {
            body.push_str(if nth == 0 { "" } else { "," });
            body.push_str("{\"type\":\"receive_stock\",\"lines\":[");
            line(self.keys.draw(rng), body);
            body.push_str("]}");
        }
        body.push_str("]}");
    }
}

/// One unit of an item, as a line.
fn line(item: u32, body: &mut String) {
    let written = write!(body, r#"{{"sku":"{}","location":"{LOCATION}","quantity":1}}"#, sku(item));
    written.expect("a String takes everything");
}

/// A request for a path.
pub fn get(path: &str, out: &mut Vec<u8>) {
    for part in ["GET ", path, " HTTP/1.1\r\nHost: load\r\n\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A request with a JSON body.
pub fn post(path: &str, key: Option<&str>, body: &str, out: &mut Vec<u8>) {
    let length = body.len().to_string();
    for part in [
        "POST ",
        path,
        " HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\nContent-Length: ",
        &length,
        if key.is_some() { "\r\nIdempotency-Key: " } else { "" },
        key.unwrap_or_default(),
        "\r\n\r\n",
        body,
    ] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The address in a base URL such as `http://127.0.0.1:8080`.
///
/// # Errors
/// It has no address and port.
pub fn address(url: &str) -> anyhow::Result<std::net::SocketAddr> {
    let rest = url.trim_end_matches('/').strip_prefix("http://");
    rest.and_then(|rest| rest.parse().ok())
        .with_context(|| format!("{url} is not http://ADDRESS:PORT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(requests: &Requests) -> String {
        let mut out = Vec::new();
        requests.renderers()(3)(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_says_how_long_its_body_is_and_carries_a_key_of_its_own() {
        let text = first(&Requests::new(Ask::Receive, Keys::One(17)).keyed());
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, r#"{"lines":[{"sku":"sku-00017","location":"MAIN","quantity":1}]}"#);
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert!(head.contains("\r\nIdempotency-Key: "), "{head}");
    }

    #[test]
    fn a_read_has_no_body() {
        let text = first(&Requests::new(Ask::Point, Keys::One(4)));
        assert_eq!(text, "GET /v1/stock/sku-00004/MAIN HTTP/1.1\r\nHost: load\r\n\r\n");
    }

    #[test]
    fn the_shipped_day_has_orders_of_many_lines() {
        let orders = Orders::read(&[]).unwrap();
        assert!(orders.lines > 10.0, "{}", orders.lines);
        assert_ne!(orders.next(), orders.next());
    }
}
