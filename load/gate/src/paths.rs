//! Each path: what it needs, made once, and one call of it.

use std::hint::black_box;

use chrono::{DateTime, TimeZone as _, Utc};
use clap::ValueEnum;
use inventory::{
    Command, Inventory, IssueStock, ReceiveStock, RegisterItem, RegisterLocation, Request,
    StockLine, decide,
};
use shared_events::chain::Chain;
use shared_events::event::{Cause, Event};
use shared_events::lane::{Lane, Position, Version};
use shared_events::record::{self, Record};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;

/// Lines of an average order.
const ORDER_LINES: usize = 21;

const LOCATION: &str = "MAIN";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Path {
    /// Decides a receipt of one line.
    DecideReceipt,
    /// Decides an order of 21 lines.
    DecideOrder,
    /// Folds one event into the state.
    Fold,
    /// Gives an event its place: payload as JSON, hash, chain.
    Record,
    /// Makes an event a Kafka record.
    Encode,
    /// Reads an event back from a Kafka record.
    Decode,
}

/// What the calls work on.
struct Ground {
    inventory: Inventory,
    receipt: Request,
    order: Request,
    event: Event,
    recorded: RecordedEvent,
    record: Record,
    now: Timestamp,
}

impl Path {
    /// Makes the ground and goes the path so many times; 0 times costs what the ground costs.
    ///
    /// # Panics
    /// The core refuses what it must accept.
    pub fn go(self, times: u32) {
        let mut ground = Ground::new();
        for _ in 0..times {
            match self {
                Self::DecideReceipt => ground.decide(&ground.receipt),
                Self::DecideOrder => ground.decide(&ground.order),
                Self::Fold => {
                    black_box(ground.inventory.evolve(black_box(&ground.event)));
                }
                Self::Record => {
                    black_box(recorded(black_box(&ground.event), ground.now));
                }
                Self::Encode => {
                    black_box(Record::of(black_box(&ground.recorded)));
                }
                Self::Decode => ground.decode(),
            }
        }
    }

    /// Its name, as on the command line.
    #[must_use]
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no path is hidden");
        value.get_name().to_owned()
    }
}

impl Ground {
    fn new() -> Self {
        let now = Timestamp::new(noon());
        let mut inventory = Inventory::default();
        let location = RegisterLocation {
            code: LOCATION.parse().expect("a code"),
            name: None,
            kind: None,
            expected_version: None,
        };
        happen(&mut inventory, Command::RegisterLocation(location), now);
        for nth in 0..ORDER_LINES {
            happen(&mut inventory, Command::RegisterItem(item(nth)), now);
            happen(&mut inventory, receipt(nth..nth + 1, 1_000_000), now);
        }
        let receipt = asked(receipt(0..1, 1));
        let event = decide(&inventory, &receipt, now).expect("a receipt is possible").remove(0);
        let order =
            IssueStock { lines: lines(0..ORDER_LINES, 1), purpose: None, cause: Cause::default() };
        let recorded = recorded(&event, now);
        Self {
            inventory,
            receipt,
            order: asked(Command::IssueStock(order)),
            event,
            record: Record::of(&recorded),
            recorded,
            now,
        }
    }

    fn decide(&self, request: &Request) {
        let events = decide(black_box(&self.inventory), black_box(request), self.now);
        black_box(events.expect("there is plenty"));
    }

    fn decode(&self) {
        let Record { partition, value, headers, .. } = black_box(&self.record);
        let headers = headers.iter().map(|(name, text)| (*name, text.as_bytes()));
        let read = record::read(*partition, value.as_bytes(), headers).expect("a record of ours");
        black_box(read.event().expect("an event of ours"));
    }
}

fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 12, 0, 0).single().expect("a moment")
}

fn asked(command: Command) -> Request {
    Request { command, occurred_at: None }
}

fn happen(inventory: &mut Inventory, command: Command, now: Timestamp) {
    let events = decide(inventory, &asked(command), now).expect("it is possible");
    for event in &events {
        inventory.evolve(event);
    }
}

fn sku(nth: usize) -> String {
    format!("sku-{nth:05}")
}

fn item(nth: usize) -> RegisterItem {
    RegisterItem {
        sku: sku(nth).parse().expect("a sku"),
        name: None,
        scale: None,
        unit: None,
        reorder_point: None,
        metadata: None,
        expected_version: None,
    }
}

fn receipt(items: std::ops::Range<usize>, quantity: i64) -> Command {
    Command::ReceiveStock(ReceiveStock { lines: lines(items, quantity), cause: Cause::default() })
}

fn lines(items: std::ops::Range<usize>, quantity: i64) -> Vec<StockLine> {
    let line = |nth| StockLine {
        sku: sku(nth).parse().expect("a sku"),
        location: LOCATION.parse().expect("a code"),
        quantity,
        expected_version: None,
    };
    items.map(line).collect()
}

/// An event with a place, as the writer makes it.
fn recorded(event: &Event, now: Timestamp) -> RecordedEvent {
    let mut recorded = RecordedEvent {
        lane: Lane(3),
        position: Position(1_042),
        stream: event.stream(),
        version: Version(7),
        event_type: event.event_type().to_owned(),
        schema_version: event.schema_version(),
        occurred_at: now,
        recorded_at: now,
        actor: None,
        correlation_id: "019ab3c4-d5e6-7f80-9a1b-000000000001".parse().expect("a label"),
        causation_id: None,
        data: event.to_data(),
        chain: Chain::default(),
        traceparent: None,
    };
    recorded.chain = recorded.chain_after(Chain::default());
    recorded
}
