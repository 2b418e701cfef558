//! A real shop's trade, with services killed in its middle and with too little in stock.

use std::sync::Arc;

use integration_tests::{Size, Stockbook, World, start_again};
use serde_json::Value;
use stack::access::Access;
use stack::replay::plan::{Plan, Stock};
use stack::replay::{Options, replay};

trials! {
    real_trade_replays_with_no_figure_differing_though_both_services_are_killed,
    scarce_stock_at_two_instances_never_goes_below_zero,
}

fn options(stockbook: &Stockbook, clients: u16) -> Options {
    let url = |text: String| text.parse().expect("a URL");
    Options {
        command: stockbook.commands.iter().map(|service| url(service.url())).collect(),
        query: url(stockbook.queries[0].url()),
        clients,
        access: Access::default(),
    }
}

/// The trade of the wanted size, with this much in stock.
pub(crate) fn trade_of(stock: Stock) -> Plan {
    Plan::new(stock, &Size::wanted().trade()).expect("the trade can be read")
}

/// Sends a plan, with no figure differing at the end.
pub(crate) async fn play(stockbook: &Stockbook, plan: &Plan, clients: u16) {
    let report = replay(plan, &options(stockbook, clients)).await;
    let report = report.expect("the replay comes through");
    println!("size {:?}: {} events; {report}", Size::wanted(), stockbook.recorded().await);
    assert!(report.is_good(), "{report}");
}

async fn real_trade_replays_with_no_figure_differing_though_both_services_are_killed(
    world: Arc<World>,
) {
    let mut stockbook = Stockbook::start(&world).await;
    let (plan, options) = (trade_of(Stock::Full), options(&stockbook, 8));
    let replaying = tokio::spawn(async move { replay(&plan, &options).await });
    for events in [1_500, 3_000] {
        stockbook.grown_to(events).await;
        stockbook.commands[0].kill().await.expect("the service can be killed");
        stockbook.queries[0].kill().await.expect("the service can be killed");
        start_again(&mut stockbook.commands[0]).await;
        start_again(&mut stockbook.queries[0]).await;
    }
    let report = replaying.await.expect("the replay ends").expect("the replay comes through");
    println!("size {:?}: {} events; {report}", Size::wanted(), stockbook.recorded().await);
    assert!(report.is_good(), "{report}");
    super::relay::assert_topic_equals_log(&stockbook).await;
    stockbook.verify().await;
}

async fn scarce_stock_at_two_instances_never_goes_below_zero(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    play(&stockbook, &trade_of(Stock::Scarce), 32).await;
    for event in stockbook.log().await {
        let data: Value = serde_json::from_str(event.data.get()).expect("data is JSON");
        for figure in ["on_hand", "reserved", "allocated"] {
            let below = data["after"][figure].as_i64().is_some_and(|figure| figure < 0);
            assert!(!below, "{} at version {}: {data}", event.stream, event.version);
        }
    }
}
