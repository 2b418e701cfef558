//! The steps of a reservation in every order and twice, against a model of what must come of them.

use std::sync::Arc;

use futures::future::join_all;
use integration_tests::{Api, Figures, Size, Stockbook, World, seeded};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

trials! {
    steps_in_any_order_and_twice_never_exceed_the_reserved_quantity,
    a_repeated_step_for_another_document_is_refused,
}

/// What can follow on a hold, besides the ends of time.
const STEPS: [Step; 5] = [Step::Confirm, Step::Release, Step::Cancel, Step::Fulfil, Step::Return];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Confirm,
    Release,
    Cancel,
    Fulfil,
    Return,
}

impl Step {
    fn path(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Fulfil => "fulfil",
            Self::Return => "return",
        }
    }
}

/// One line as it should be.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    quantity: i64,
    released: i64,
    fulfilled: i64,
    returned: i64,
}

/// A reservation as it should be.
#[derive(Debug, Clone)]
struct Model {
    status: &'static str,
    /// Whether anything of the promise was taken back.
    is_cancelled: bool,
    lines: [Line; 2],
}

/// What a step should come to.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Done,
    Nothing,
    Refused(&'static str),
}

impl Line {
    fn open(self) -> i64 {
        self.quantity - self.released - self.fulfilled
    }

    /// What of the line the step may take, and where it is counted.
    fn room(&mut self, step: Step) -> (i64, &mut i64) {
        let (open, kept) = (self.open(), self.fulfilled - self.returned);
        match step {
            Step::Release | Step::Cancel | Step::Confirm => (open, &mut self.released),
            Step::Fulfil => (open, &mut self.fulfilled),
            Step::Return => (kept, &mut self.returned),
        }
    }
}

impl Model {
    fn open(&self) -> i64 {
        self.lines.iter().map(|line| line.open()).sum()
    }

    /// Takes the step, in parts or whole, and returns what a service must answer.
    fn take(&mut self, step: Step, parts: Option<[i64; 2]>) -> Expected {
        let state = Expected::Refused("reservation_state");
        let is_whole = parts.is_none();
        match (step, self.status) {
            (Step::Confirm, "held") => {
                self.status = "confirmed";
                return Expected::Done;
            }
            (Step::Confirm, "confirmed") => return Expected::Nothing,
            (Step::Release, "released") | (Step::Cancel, "cancelled") if is_whole => {
                return Expected::Nothing;
            }
            (Step::Cancel, "fulfilled") if is_whole && self.is_cancelled => {
                return Expected::Nothing;
            }
            (Step::Release, "held")
            | (Step::Cancel | Step::Fulfil | Step::Return, "confirmed")
            | (Step::Return, "fulfilled") => {}
            _ => return state,
        }
        let wanted = parts.unwrap_or_else(|| self.lines.map(Line::open));
        let mut lines = self.lines;
        for (line, wanted) in lines.iter_mut().zip(wanted) {
            let (room, counted) = line.room(step);
            if wanted > room {
                return Expected::Refused(match step {
                    Step::Fulfil => "over_fulfil",
                    Step::Return => "over_return",
                    Step::Confirm | Step::Release | Step::Cancel => "over_release",
                });
            }
            *counted += wanted;
        }
        self.lines = lines;
        self.is_cancelled |= step == Step::Cancel;
        if self.open() == 0 && step != Step::Return {
            let fulfilled = self.lines.iter().any(|line| line.fulfilled > 0);
            self.status = match step {
                Step::Release => "released",
                Step::Cancel if !fulfilled => "cancelled",
                _ => "fulfilled",
            };
        }
        Expected::Done
    }

    /// What the stock of line `nth` must be when `start` was there before the reservation.
    fn figures(&self, nth: usize, start: i64) -> Figures {
        let line = self.lines[nth];
        let (reserved, allocated) =
            if self.status == "held" { (line.open(), 0) } else { (0, line.open()) };
        Figures::new(start - line.fulfilled + line.returned, reserved, allocated)
    }

    fn lines(&self) -> Value {
        let line =
            |line: &Line| json!([line.quantity, line.released, line.fulfilled, line.returned]);
        self.lines.iter().map(line).collect()
    }
}

/// Every order of these steps.
fn permutations(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (nth, first) in steps.iter().enumerate() {
        let rest = [&steps[..nth], &steps[nth + 1..]].concat();
        all.extend(permutations(&rest).into_iter().map(|tail| [&[*first], &tail[..]].concat()));
    }
    all
}

/// Goes through a life in this order twice, at the start of the caller's own two items.
async fn live(api: &Api, skus: &[String; 2], order: &[Step], chance: &mut StdRng) {
    let start = [api.figures(&skus[0]).await.on_hand, api.figures(&skus[1]).await.on_hand];
    let quantities = [chance.random_range(1..=6), chance.random_range(1..=6)];
    let lines = [(skus[0].as_str(), quantities[0]), (skus[1].as_str(), quantities[1])];
    let id = api.reserve("model", 3_600, &lines).await.reservation_id();
    let lines = quantities.map(|quantity| Line { quantity, ..Line::default() });
    let mut model = Model { status: "held", is_cancelled: false, lines };
    for step in order.iter().chain(order).copied() {
        let in_parts = step == Step::Return || (step != Step::Confirm && chance.random_bool(0.7));
        let parts = in_parts.then(|| [chance.random_range(1..=3), chance.random_range(0..=3)]);
        let before = model.clone();
        let expected = model.take(step, parts);
        let answer = api.step(&id, step.path(), body(parts)).await;
        let said = format!("{order:?}, {step:?} {parts:?} on {before:?}: {}", answer.body);
        match expected {
            Expected::Refused(code) => drop(answer.expect_problem(409, code)),
            Expected::Done | Expected::Nothing => {
                assert_eq!(answer.status, 200, "{said}");
                assert_eq!(answer.types().is_empty(), expected == Expected::Nothing, "{said}");
                let seen = answer.json()["reservation"].clone();
                assert_eq!(seen["status"], model.status, "{said}");
                let members = ["quantity", "released", "fulfilled", "returned"];
                let line = |line: &Value| members.map(|member| line[member].clone());
                let seen = seen["lines"].as_array().expect("lines").iter().map(line);
                assert_eq!(json!(seen.collect::<Vec<_>>()), model.lines(), "{said}");
            }
        }
        for (nth, sku) in skus.iter().enumerate() {
            let (seen, expected) = (api.figures(sku).await, model.figures(nth, start[nth]));
            assert_eq!(seen, expected, "{sku}: {said}");
            assert!(seen.on_hand <= start[nth] && seen.reserved >= 0 && seen.allocated >= 0);
        }
    }
    // What is open still would take from the next life.
    let end = if model.status == "held" { "release" } else { "cancel" };
    if model.open() > 0 {
        api.take(&id, end, json!({})).await;
    }
}

fn body(parts: Option<[i64; 2]>) -> Value {
    let Some(parts) = parts else { return json!({}) };
    let part = |(nth, quantity): (usize, i64)| json!({"line": nth + 1, "quantity": quantity});
    let parts = parts.into_iter().enumerate().filter(|(_, quantity)| *quantity > 0);
    json!({"lines": parts.map(part).collect::<Vec<_>>()})
}

async fn steps_in_any_order_and_twice_never_exceed_the_reserved_quantity(world: Arc<World>) {
    const CALLERS: usize = 8;
    let rounds = Size::wanted().scaled(1, 10);
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    let skus: Vec<[String; 2]> =
        (0..CALLERS).map(|caller| [format!("A{caller}"), format!("B{caller}")]).collect();
    let all: Vec<&str> = skus.iter().flatten().map(String::as_str).collect();
    stockbook.register(&all).await;
    stockbook.receive(&all.iter().map(|sku| (*sku, 100_000)).collect::<Vec<_>>()).await;
    let (seed, _) = seeded();
    let orders = permutations(&STEPS);
    println!("seed {seed}: {} orders, {rounds} rounds", orders.len());
    assert_eq!(orders.len(), 120);
    let instances = stockbook.instances();
    let callers = skus.iter().enumerate().map(|(caller, skus)| {
        let (orders, api) = (&orders, &instances[caller % 2]);
        let mut chance = StdRng::seed_from_u64(seed ^ caller as u64);
        async move {
            for order in orders.iter().cycle().skip(caller).step_by(CALLERS).take(15 * rounds) {
                live(api, skus, order, &mut chance).await;
            }
        }
    });
    join_all(callers).await;
    stockbook.verify().await;
}

async fn a_repeated_step_for_another_document_is_refused(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    stockbook.register(&["A"]).await;
    stockbook.receive(&[("A", 10)]).await;
    let order = |id: &str| json!({"reference": {"type": "order", "id": id}});
    let ids = [(); 2].map(|()| command.reserve("ann", 600, &[("A", 2)]));
    let ids = join_all(ids).await.into_iter().map(|held| held.reservation_id());
    let [confirmed, released] = ids.collect::<Vec<String>>().try_into().unwrap();
    for (id, step, status) in [
        (&confirmed, "confirm", "confirmed"),
        (&released, "release", "released"),
        (&confirmed, "cancel", "cancelled"),
    ] {
        assert!(!command.step(id, step, order("1")).await.expect_status(200).types().is_empty());
        for repetition in [order("1"), json!({})] {
            let repeated = command.step(id, step, repetition).await.expect_status(200);
            assert!(repeated.types().is_empty(), "{step}: {repeated:?}");
        }
        let refused = command.step(id, step, order("2")).await;
        let problem = refused.expect_problem(409, "reservation_state");
        assert_eq!(problem["reference"], order("1")["reference"], "{step}: {problem}");
        assert_eq!(problem["reservation_status"], status, "{problem}");
    }
    stockbook.verify().await;
}
