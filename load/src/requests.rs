//! The requests, as bytes: every side gets the same ones.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use stack::replay::plan::{Plan, Stock};
use stack::replay::source::Source;

/// Writes the next request of a client into an empty buffer.
pub(crate) type Render = Box<dyn FnMut(&mut Vec<u8>) + Send>;

/// The location of all stock.
pub(crate) const LOCATION: &str = "MAIN";

/// Commands in one batch.
pub(crate) const BATCH: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ask {
    /// One unit comes in.
    Receive,
    /// One unit goes out.
    Issue,
    /// One unit is held for an hour.
    Reserve,
    /// One unit is waited for, and held for an hour then.
    #[value(skip)]
    Wait,
    /// A hundred receipts in one request.
    Batch,
    /// A real order, all of its lines or none.
    Order,
    /// The figures of one item at the location.
    Point,
    /// The figures of fifty items whose skus start alike.
    List,
    /// The route that answers a constant.
    #[value(skip)]
    Constant,
}

/// The name of an item; all have the same length.
#[derive(Clone, Copy)]
pub(crate) struct Sku(pub(crate) u32);

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sku-{:05}", self.0)
    }
}

/// One unit of an item, as a line of a command.
struct Line(Sku);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"{{"sku":"{}","location":"{LOCATION}","quantity":1}}"#, self.0)
    }
}

/// The real orders of trade files, as bodies. All clients together take one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    bodies: Arc<[String]>,
    taken: Arc<AtomicUsize>,
    /// Every item that is traded.
    pub(crate) skus: Arc<[String]>,
    /// Lines of an order on average.
    pub(crate) lines: f64,
}

impl Orders {
    /// Reads the sales of these files, or of the shipped day if there are none.
    pub(crate) fn read(files: &[std::path::PathBuf]) -> anyhow::Result<Self> {
        let sources: Vec<Source> = match files {
            [] => vec![Source::sample()?],
            _ => files.iter().map(|file| Source::open(file)).collect::<Result<_, _>>()?,
        };
        let plan = Plan::new(Stock::Full, &sources)?;
        let sales = plan.trade.iter().filter(|command| command.path == "/v1/issues");
        let (bodies, lines): (Vec<String>, Vec<usize>) =
            sales.map(|command| (command.body.to_string(), command.changes.len())).unzip();
        ensure!(!bodies.is_empty(), "there is no sale in the trade files");
        Ok(Self {
            lines: lines.iter().sum::<usize>() as f64 / lines.len() as f64,
            bodies: bodies.into(),
            taken: Arc::default(),
            skus: plan.skus().iter().map(ToString::to_string).collect(),
        })
    }

    fn next(&self) -> &str {
        &self.bodies[self.taken.fetch_add(1, Ordering::Relaxed) % self.bodies.len()]
    }
}

/// Whose personal data receipts carry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subjects {
    /// One of so many, whose keys exist.
    Known(u32),
    /// By turns one of so many and a new one, whose key is made.
    HalfNew(u32),
}

/// What all clients of a run send.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    pub(crate) ask: Ask,
    /// The items that requests draw from, each as often as any other.
    pub(crate) items: Range<u32>,
    /// Whether each request has its own Idempotency-Key.
    pub(crate) keyed: bool,
    /// What they sign in with.
    pub(crate) credential: Option<String>,
    pub(crate) subjects: Option<Subjects>,
    /// Needed to ask for orders only.
    pub(crate) orders: Orders,
}

impl Requests {
    pub(crate) fn new(ask: Ask, items: Range<u32>) -> Self {
        Self {
            ask,
            items,
            keyed: false,
            credential: None,
            subjects: None,
            orders: Orders::default(),
        }
    }

    /// What each client sends; it differs from client to client and from run to run.
    pub(crate) fn renderers(&self) -> impl Fn(usize) -> Render + use<> {
        let run: u64 = rand::random();
        let requests = self.clone();
        move |client| {
            let requests = requests.clone();
            let mut rng = SmallRng::seed_from_u64(run ^ client as u64);
            let mut sent: u64 = 0;
            let mut body = String::new();
            Box::new(move |out| {
                sent += 1;
                body.clear();
                let unique = || format!("{run:016x}-{client}-{sent}");
                let key = requests.keyed.then(unique);
                let subject = requests.subjects.map(|subjects| match subjects {
                    Subjects::HalfNew(_) if sent.is_multiple_of(2) => unique(),
                    Subjects::Known(known) | Subjects::HalfNew(known) => {
                        known_subject(rng.random_range(0..known))
                    }
                });
                requests
                    .render(&mut rng, key.as_deref(), subject.as_deref(), &mut body, out)
                    .expect("a String takes everything");
            })
        }
    }

    fn render(
        &self,
        rng: &mut impl Rng,
        key: Option<&str>,
        subject: Option<&str>,
        body: &mut String,
        out: &mut Vec<u8>,
    ) -> fmt::Result {
        let mut draw = || Sku(rng.random_range(self.items.clone()));
        let sku = draw();
        let path = match self.ask {
            Ask::Point => {
                get(&format!("/v1/stock/{sku}/{LOCATION}"), out);
                return Ok(());
            }
            Ask::List => {
                let sku = sku.to_string();
                let prefix = &sku[..sku.len() - 2];
                get(&format!("/v1/stock?sku_prefix={prefix}&limit=50"), out);
                return Ok(());
            }
            Ask::Constant => {
                get("/static", out);
                return Ok(());
            }
            Ask::Receive | Ask::Issue => {
                write!(body, r#"{{"lines":[{}]"#, Line(sku))?;
                if let Some(subject) = subject {
                    write!(body, r#","personal":{}"#, personal(subject))?;
                }
                body.push('}');
                if self.ask == Ask::Receive { "/v1/receipts" } else { "/v1/issues" }
            }
            Ask::Reserve => {
                let line = Line(sku);
                write!(body, r#"{{"owner":"cart-7","ttl_seconds":3600,"lines":[{line}]}}"#)?;
                "/v1/reservations"
            }
            Ask::Wait => {
                let line = Line(sku);
                body.push_str(r#"{"owner":"cart-7","policy":"wait","wait_seconds":86400,"#);
                write!(body, r#""ttl_seconds":3600,"lines":[{line}]}}"#)?;
                "/v1/reservations"
            }
            Ask::Batch => {
                body.push_str(r#"{"mode":"independent","commands":["#);
                for nth in 0..BATCH {
                    let comma = if nth == 0 { "" } else { "," };
                    let line = Line(draw());
                    write!(body, r#"{comma}{{"type":"receive_stock","lines":[{line}]}}"#)?;
                }
                body.push_str("]}");
                "/v1/batches"
            }
            Ask::Order => {
                body.push_str(self.orders.next());
                "/v1/issues"
            }
        };
        post(path, key, self.credential.as_deref(), body, out);
        Ok(())
    }
}

/// The name of a subject whose key is made before anything is measured.
pub(crate) fn known_subject(nth: u32) -> String {
    format!("person-{nth:06}")
}

/// Personal data as an order has it.
pub(crate) fn personal(subject: &str) -> Value {
    let data =
        json!({ "name": "Mrs Miller", "street": "12 Long Lane", "phone": "+44 20 7946 0018" });
    json!({ "subject": subject, "data": data })
}

pub(crate) fn get(path: &str, out: &mut Vec<u8>) {
    for part in ["GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

pub(crate) fn post(
    path: &str,
    key: Option<&str>,
    credential: Option<&str>,
    body: &str,
    out: &mut Vec<u8>,
) {
    let length = body.len().to_string();
    for part in [
        "POST ",
        path,
        " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ",
        &length,
        if key.is_some() { "\r\nIdempotency-Key: " } else { "" },
        key.unwrap_or_default(),
        if credential.is_some() { "\r\nAuthorization: Bearer " } else { "" },
        credential.unwrap_or_default(),
        "\r\n\r\n",
        body,
    ] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The address in a base URL such as `http://127.0.0.1:8080`.
pub(crate) fn address(url: &str) -> anyhow::Result<std::net::SocketAddr> {
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
    fn a_command_has_the_length_of_its_body_and_its_own_key() {
        let text = first(&Requests { keyed: true, ..Requests::new(Ask::Receive, 17..18) });
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, r#"{"lines":[{"sku":"sku-00017","location":"MAIN","quantity":1}]}"#);
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert!(head.contains("\r\nIdempotency-Key: "), "{head}");
    }

    #[test]
    fn a_credential_is_in_the_head() {
        let credential = Some("sbk_a_b".to_owned());
        let text = first(&Requests { credential, ..Requests::new(Ask::Receive, 1..2) });
        assert!(text.contains("\r\nAuthorization: Bearer sbk_a_b\r\n\r\n{"), "{text}");
    }

    #[test]
    fn a_read_has_no_body() {
        let text = first(&Requests::new(Ask::Point, 4..5));
        assert_eq!(text, "GET /v1/stock/sku-00004/MAIN HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }

    #[test]
    fn bodies_are_json() {
        for ask in [Ask::Receive, Ask::Issue, Ask::Reserve, Ask::Wait, Ask::Batch] {
            let subjects = Some(Subjects::Known(9));
            let text = first(&Requests { subjects, ..Requests::new(ask, 1..2) });
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            serde_json::from_str::<serde_json::Value>(body).unwrap();
        }
    }

    #[test]
    fn the_shipped_day_has_orders_of_many_lines() {
        let orders = Orders::read(&[]).unwrap();
        assert!(orders.lines > 10.0, "{}", orders.lines);
        assert_ne!(orders.next(), orders.next());
    }
}
