//! A real shop's trade, with services killed in its middle and with too little in stock.

use std::sync::Arc;

use integration_tests::eventually::eventually;
use integration_tests::size::Size;
use integration_tests::stockbook::{Stockbook, start_again};
use integration_tests::world::World;
use serde_json::Value;
use stack::replay::plan::{Plan, Stock};
use stack::replay::{Options, replay};

trials! {
    real_trade_replays_with_no_figure_differing_though_both_services_are_killed,
    scarce_stock_at_two_instances_never_goes_below_zero,
}

pub(crate) fn options(stockbook: &Stockbook, clients: u16) -> Options {
    let url = |text: String| text.parse().expect("a URL");
    Options {
        command: stockbook.commands.iter().map(|service| url(service.url())).collect(),
        query: url(stockbook.queries[0].url()),
        clients,
    }
}

async fn real_trade_replays_with_no_figure_differing_though_both_services_are_killed(
    world: Arc<World>,
) {
    let size = Size::wanted();
    let mut stockbook = Stockbook::start(&world).await;
    let plan = Plan::new(Stock::Full, &size.trade()).expect("the trade can be read");
    let options = options(&stockbook, 8);
    let replaying = tokio::spawn(async move { replay(&plan, &options).await });
    for events in [1_500, 3_000] {
        eventually(
            "the trade is under way",
            async || stockbook.recorded().await,
            |seen| *seen >= events,
        )
        .await;
        stockbook.commands[0].kill().await.expect("the service can be killed");
        stockbook.queries[0].kill().await.expect("the service can be killed");
        start_again(&mut stockbook.commands[0]).await;
        start_again(&mut stockbook.queries[0]).await;
    }
    let report = replaying.await.expect("the replay ends").expect("the replay comes through");
    println!("size {size:?}: {} events; {report}", stockbook.recorded().await);
    assert!(report.is_good(), "{report}");
    super::relay::assert_topic_equals_log(&stockbook).await;
    stockbook.verify().await;
}

async fn scarce_stock_at_two_instances_never_goes_below_zero(world: Arc<World>) {
    let size = Size::wanted();
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    let plan = Plan::new(Stock::Scarce, &size.trade()).expect("the trade can be read");
    let report = replay(&plan, &options(&stockbook, 32)).await.expect("the replay comes through");
    println!("size {size:?}: {} events; {report}", stockbook.recorded().await);
    assert!(report.is_good(), "{report}");
    for lane in 0..stockbook.lanes {
        for event in stockbook.command().lane(lane).await {
            let data: Value = serde_json::from_str(event.data.get()).expect("data is JSON");
            for figure in ["on_hand", "reserved", "allocated"] {
                let below = data["after"][figure].as_i64().is_some_and(|figure| figure < 0);
                assert!(!below, "{} at version {}: {data}", event.stream, event.version);
            }
        }
    }
}
