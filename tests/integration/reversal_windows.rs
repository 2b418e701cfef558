//! A whole bad day is taken back, one correlation after another, and put back again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use integration_tests::{
    Api, Figures, Size, Stockbook, World, eventually, lines_at_main, moment, start_again,
};
use serde_json::{Value, json};
use shared_events::time::Timestamp;
use stack::replay::plan::{Plan, Stock};
use stack::replay::source::Source;

trials! {
    a_bad_day_is_reversed_and_restored_sku_by_sku,
    a_window_is_reversed_to_its_end_although_the_service_is_killed,
    a_window_reverses_only_what_it_names,
    a_key_starts_the_reversal_of_a_window_once,
}

/// Two days of trade, and the moment between them. In the small size they are the two halves of
/// the day that is shipped.
struct TwoDays {
    trade: Vec<Source>,
    midnight: &'static str,
    end: &'static str,
}

impl TwoDays {
    fn of(size: Size) -> Self {
        match size {
            Size::Small => Self {
                trade: size.trade(),
                midnight: "2010-12-01T12:30:00Z",
                end: "2010-12-02T00:00:00Z",
            },
            Size::Full => {
                let december = size.trade().into_iter().find(|one| one.name.contains("2010-12"));
                let december = december.expect("the trade of December 2010");
                let csv = String::from_utf8_lossy(&december.csv).into_owned();
                let mut lines = csv.lines();
                let mut days = vec![lines.next().expect("a header")];
                let is_of =
                    |line: &&str| line.contains(",2010-12-01 ") || line.contains(",2010-12-02 ");
                days.extend(lines.filter(is_of));
                let csv = days.join("\n").into();
                Self {
                    trade: vec![Source { name: "two-days.csv".to_owned(), csv }],
                    midnight: "2010-12-02T00:00:00Z",
                    end: "2010-12-03T00:00:00Z",
                }
            }
        }
    }

    /// The second day, by the time the trade says.
    fn window(&self) -> Value {
        json!({"window": {"by": "occurred_at", "from": self.midnight, "to": self.end}})
    }

    fn both(&self) -> Plan {
        Plan::new(Stock::Full, &self.trade).expect("the trade can be read")
    }

    /// What is sent until the first day is over.
    fn first(&self) -> Plan {
        let midnight: Timestamp = self.midnight.parse().expect("a moment");
        let mut plan = self.both();
        plan.trade.retain(|command| command.occurred_at.is_none_or(|at| at < midnight));
        plan
    }
}

/// Sends a plan, and returns the figures of every sku afterwards.
async fn play(stockbook: &Stockbook, plan: &Plan) -> BTreeMap<String, Figures> {
    super::replay::play(stockbook, plan, 8).await;
    figures(stockbook).await
}

/// The figures of every stock stream by the log; the query side must return the same.
async fn figures(stockbook: &Stockbook) -> BTreeMap<String, Figures> {
    let mut log = BTreeMap::new();
    for event in stockbook.log().await {
        let fact = event.event().expect("a known event");
        if let Some(change) = fact.stock_change() {
            let after = change.after;
            let after = Figures::new(after.on_hand, after.reserved, after.allocated);
            log.insert(change.sku.to_string(), after);
        }
    }
    stockbook.read_at("/v1/items", &stockbook.heads().await).await;
    let rows = stockbook.query().rows("/v1/stock?location=MAIN&limit=200").await.into_iter();
    let sku = |row: &Value| row["sku"].as_str().expect("a sku").to_owned();
    let views = rows.map(|row| (sku(&row), Figures::of(&row))).collect();
    assert_eq!(log, views, "the query side differs from the log");
    log
}

/// How many skus differ; what has no history has nothing.
fn differing(one: &BTreeMap<String, Figures>, other: &BTreeMap<String, Figures>) -> usize {
    let figures = |all: &BTreeMap<String, Figures>, sku: &String| {
        all.get(sku).copied().unwrap_or_else(|| Figures::new(0, 0, 0))
    };
    let skus: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    skus.into_iter().filter(|sku| figures(one, sku) != figures(other, sku)).count()
}

/// Requests the reversal of a window and returns the path of its progress.
async fn ask(api: &Api, body: &Value) -> String {
    let asked = api.post("/v1/reversals", body.clone()).await.expect_status(202);
    let id = asked.json()["reversal_id"].as_str().expect("a reversal_id").to_owned();
    let location = format!("/v1/reversals/{id}");
    assert_eq!(asked.header("location"), Some(location.as_str()));
    location
}

/// Waits until a window is done, and returns the result.
pub(super) async fn done(api: &Api, location: &str) -> Value {
    let progress = async || api.json(location).await;
    eventually("the window is taken back", progress, |seen| seen["status"] == "done").await
}

fn count(progress: &Value, member: &str) -> i64 {
    progress[member].as_i64().unwrap_or_else(|| panic!("{member}: {progress}"))
}

async fn a_bad_day_is_reversed_and_restored_sku_by_sku(world: Arc<World>) {
    let days = TwoDays::of(Size::wanted());
    let mut stockbook = Stockbook::start(&world).await;
    // Two that could take the job, and do it once.
    stockbook.add_command_service(&[]).await;
    let command = stockbook.command();
    let first = play(&stockbook, &days.first()).await;
    let second = play(&stockbook, &days.both()).await;
    let before = stockbook.heads().await;
    let changed = differing(&first, &second);
    assert!(changed > 100, "the second day changes {changed} skus only");

    let mut dry = days.window();
    dry["dry_run"] = json!(true);
    let dry = command.post("/v1/reversals", dry).await;
    assert!(matches!(dry.status, 200 | 202), "{dry:?}");
    let dry = dry.json();
    assert!(dry["reversal_id"].is_string() && count(&dry, "events") > 0, "{dry}");
    assert_eq!(stockbook.heads().await, before, "a dry run was recorded");

    let location = ask(&command, &days.window()).await;
    let progress = done(&command, &location).await;
    println!("{} skus, of which {changed} changed on the second day: {progress}", second.len());
    for member in ["events", "correlations"] {
        assert_eq!(progress[member], dry[member], "{member}: {dry} {progress}");
    }
    assert_eq!(count(&progress, "reversed"), count(&progress, "correlations"), "{progress}");
    assert_eq!(progress["refusals"], json!([]), "{progress}");
    let taken_back = figures(&stockbook).await;
    assert_eq!(differing(&first, &taken_back), 0, "not as after the first day");
    let grown = stockbook.recorded().await - before.iter().map(|(_, head)| head.0).sum::<i64>();
    assert_eq!(grown, count(&progress, "events"));

    // Once only: what the window holds is taken back already.
    let again = done(&command, &ask(&command, &days.window()).await).await;
    assert_eq!(count(&again, "events"), 0, "{again}");

    let target = json!({"reversal": progress["reversal_id"]});
    let back = command.done("/v1/reversals", target.clone()).await;
    assert_eq!(back.types().len() as i64, count(&progress, "events"));
    assert_eq!(differing(&second, &figures(&stockbook).await), 0, "not as after the second day");
    command.refused("/v1/reversals", target, 409, "already_reversed").await;
    stockbook.verify().await;
}

async fn a_window_is_reversed_to_its_end_although_the_service_is_killed(world: Arc<World>) {
    let days = TwoDays::of(Size::wanted());
    let mut stockbook = Stockbook::start(&world).await;
    let first = play(&stockbook, &days.first()).await;
    play(&stockbook, &days.both()).await;
    let location = ask(&stockbook.command(), &days.window()).await;
    let reversed = async || stockbook.count("StockReversed").await;
    eventually("something is taken back", reversed, |seen| *seen > 0).await;
    stockbook.commands[0].kill().await.expect("the service can be killed");
    let when_killed = stockbook.count("StockReversed").await;
    start_again(&mut stockbook.commands[0]).await;
    let progress = done(&stockbook.command(), &location).await;
    let all = count(&progress, "events");
    println!("killed after {when_killed} of {all} events: {progress}");
    assert!(when_killed < all, "it was done before it was killed");
    assert_eq!(stockbook.count("StockReversed").await, all, "{progress}");
    assert_eq!(count(&progress, "reversed"), count(&progress, "correlations"), "{progress}");
    assert_eq!(differing(&first, &figures(&stockbook).await), 0, "not as after the first day");
    stockbook.verify().await;
}

async fn a_window_reverses_only_what_it_names(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10), ("B", 10)]).await;
    let at = |day: u32| format!("2010-12-{day:02}T08:00:00Z");
    let adjust = async |sku: &str, delta: i64, day: u32, actor: &str| {
        let line = json!({"sku": sku, "location": "MAIN", "delta": delta});
        let body = json!({"lines": [line], "reason": "found", "occurred_at": at(day)});
        let headers = [("actor", actor)];
        command.send_with("POST", "/v1/adjustments", &headers, &body).await.expect_status(200)
    };
    adjust("A", 1, 1, "ann").await;
    adjust("A", 2, 2, "ann").await;
    adjust("A", 4, 2, "bob").await;
    adjust("B", 8, 2, "ann").await;
    adjust("A", 16, 3, "ann").await;
    // Its goods move on, so it is refused, and the others are not.
    adjust("B", 32, 4, "ann").await;
    let sold = command.done("/v1/issues", lines_at_main(&[("B", 45)])).await;
    for (filter, from, to, on_hand) in [
        // From is in the window, to is not.
        (json!({"sku": "A", "actor": "ann"}), at(2), at(3), (31, 5)),
        (json!({"location": "WEST"}), at(1), at(9), (31, 5)),
        (json!({"actor": "bob"}), at(1), at(9), (27, 5)),
        (json!({}), at(1), at(9), (10, 5)),
    ] {
        let mut window = filter;
        window["by"] = json!("occurred_at");
        window["from"] = json!(from);
        window["to"] = json!(to);
        let location = ask(&command, &json!({"window": window})).await;
        let progress = done(&command, &location).await;
        let seen = (command.figures("A").await.on_hand, command.figures("B").await.on_hand);
        assert_eq!(seen, on_hand, "{window}: {progress}");
        // The last window is of everything.
        if window.as_object().expect("a window").len() == 3 {
            let refusals = progress["refusals"].as_array().expect("refusals");
            assert_eq!(refusals.len(), 2, "{progress}");
            assert!(json!(refusals).to_string().contains(&sold.event_id(0)), "{progress}");
        }
    }
    let unknown = "/v1/reversals/01a1fcbf-b216-74cf-ad13-831cc591985b";
    command.get(unknown).await.expect_status(404);
    stockbook.verify().await;
}

async fn a_key_starts_the_reversal_of_a_window_once(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let mut recorded: Vec<Timestamp> = Vec::new();
    for quantity in [1, 2, 4] {
        let received = stockbook.receive(&[("A", quantity)]).await.json();
        recorded.push(moment(&received["recorded_at"]));
    }
    // From the second receipt, which is in it, to the third, which is not.
    let window = json!({"by": "recorded_at", "from": recorded[1], "to": recorded[2]});
    let body = json!({"window": window, "reason": "wrong_day", "note": "again"});
    let key = [("idempotency-key", "window-1"), ("actor", "ann")];
    let first = command.send_with("POST", "/v1/reversals", &key, &body).await.expect_status(202);
    let location = first.header("location").expect("the path of its progress").to_owned();
    let progress = done(&command, &location).await;
    assert_eq!((count(&progress, "events"), count(&progress, "reversed")), (1, 1), "{progress}");
    assert_eq!(command.figures("A").await, Figures::new(5, 0, 0));
    let again = command.send_with("POST", "/v1/reversals", &key, &body).await.expect_status(202);
    assert_eq!(again.header("location"), Some(location.as_str()));
    assert_eq!(again.json()["reversal_id"], first.json()["reversal_id"]);
    let other = json!({"window": {"by": "recorded_at", "from": recorded[0], "to": recorded[2]}});
    let other = command.send_with("POST", "/v1/reversals", &key, &other).await;
    other.expect_problem(422, "idempotency_key_reused");
    let history = command.stream("stock/A/MAIN").await;
    assert_eq!(history.len(), 4);
    let reversed = &history[3];
    assert_eq!(reversed.actor.as_ref().map(|actor| actor.as_str()), Some("ann"));
    let data: Value = serde_json::from_str(reversed.data.get()).unwrap();
    assert_eq!((&data["reason"], &data["context"]["note"]), (&json!("wrong_day"), &json!("again")));
    assert_eq!(data["reverses"], history[1].id().to_string(), "{data}");
    stockbook.verify().await;
}
