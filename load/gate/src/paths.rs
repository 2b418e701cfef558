//! The hot paths: the values they need, prepared once, and one call of each.

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Path {
    /// Decides a receipt of one line.
    DecideReceipt,
    /// Decides an order of 21 lines.
    DecideOrder,
    /// Folds one event into the state.
    Fold,
    /// Records an event: data as JSON, hash, chain.
    Record,
    /// Encodes an event as a Kafka record.
    Encode,
    /// Decodes an event from a Kafka record.
    Decode,
}

/// The values that the calls work on.
struct Fixture {
    inventory: Inventory,
    receipt: Request,
    order: Request,
    event: Event,
    recorded: RecordedEvent,
    record: Record,
    now: Timestamp,
}

impl Path {
    /// Prepares the values and calls the path; 0 times costs only the preparation.
    pub(crate) fn run(self, times: u32) {
        let mut fixture = Fixture::new();
        for _ in 0..times {
            match self {
                Self::DecideReceipt => fixture.decide(&fixture.receipt),
                Self::DecideOrder => fixture.decide(&fixture.order),
                Self::Fold => {
                    let event = black_box(&fixture.event);
                    black_box(fixture.inventory.evolve(event, fixture.now));
                }
                Self::Record => {
                    black_box(recorded(black_box(&fixture.event), fixture.now));
                }
                Self::Encode => {
                    black_box(Record::of(black_box(&fixture.recorded)));
                }
                Self::Decode => fixture.decode(),
            }
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no variant is skipped");
        value.get_name().to_owned()
    }
}

impl Fixture {
    fn new() -> Self {
        let now = Timestamp::new(noon());
        let mut inventory = Inventory::default();
        let location = RegisterLocation {
            code: LOCATION.parse().expect("a code"),
            name: None,
            kind: None,
            precondition: None,
        };
        apply(&mut inventory, Command::RegisterLocation(location), now);
        for nth in 0..ORDER_LINES {
            apply(&mut inventory, Command::RegisterItem(item(nth)), now);
            apply(&mut inventory, receipt(nth..nth + 1, 1_000_000), now);
        }
        let receipt = request(receipt(0..1, 1));
        let event = decide(&inventory, &receipt, now).expect("a receipt is accepted").remove(0);
        let order =
            IssueStock { lines: lines(0..ORDER_LINES, 1), purpose: None, cause: Cause::default() };
        let recorded = recorded(&event, now);
        Self {
            inventory,
            receipt,
            order: request(Command::IssueStock(order)),
            event,
            record: Record::of(&recorded),
            recorded,
            now,
        }
    }

    fn decide(&self, request: &Request) {
        let events = decide(black_box(&self.inventory), black_box(request), self.now);
        black_box(events.expect("there is enough stock"));
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

fn request(command: Command) -> Request {
    Request { command, occurred_at: None }
}

fn apply(inventory: &mut Inventory, command: Command, now: Timestamp) {
    let events = decide(inventory, &request(command), now).expect("the command is accepted");
    for event in &events {
        inventory.evolve(event, now);
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
        precondition: None,
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

/// A recorded event, as the writer makes it.
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
        caller: None,
        personal: None,
        redacted: None,
        correlation_id: "019ab3c4-d5e6-7f80-9a1b-000000000001".parse().expect("a label"),
        causation_id: None,
        data: event.to_data(),
        chain: Chain::default(),
        traceparent: None,
    };
    recorded.chain = recorded.chain_after(Chain::default());
    recorded
}
