//! Tokens of an issuer that is not Stockbook.

use std::sync::Arc;

use integration_tests::issuer::AUDIENCE;
use integration_tests::{Issuer, World, eventually, lines_at_main};
use serde_json::json;

use super::{expect_forbidden, known, register, signed_in};

trials! {
    a_token_names_the_actor_and_goes_on_while_api_keys_are_not_known,
    a_rotated_key_is_found_and_unknown_ones_are_not_asked_for_again_and_again,
}

async fn a_token_names_the_actor_and_goes_on_while_api_keys_are_not_known(world: Arc<World>) {
    let issuer = Issuer::start().await;
    let trusted = [("AUTH_ISSUER", issuer.url.as_str()), ("AUTH_AUDIENCE", AUDIENCE)];
    let stale = [&trusted[..], &[("AUTH_STALE_MAX", "1")]].concat();
    let (mut stockbook, admin) = signed_in(&world, &trusted, &stale).await;
    let command = stockbook.command().signed_in(&admin);
    known(&command).await;
    register(&command).await;
    let mut claims = issuer.claims("warehouse", "stock:write stock:read");
    let token = issuer.token(&claims);
    stockbook.command().signed_in(&token).done("/v1/receipts", lines_at_main(&[("A", 5)])).await;
    let events = command.stream("stock/A/MAIN").await;
    assert_eq!(events[0].actor.as_ref().unwrap().as_str(), "warehouse");
    claims["stockbook_locations"] = json!(["EAST"]);
    let limited = stockbook.command().signed_in(&issuer.token(&claims));
    let refused = limited.post("/v1/receipts", lines_at_main(&[("A", 5)])).await;
    expect_forbidden(refused, "location", "MAIN");
    stockbook.commands[0].kill().await.unwrap();
    let query = stockbook.query();
    let with_key = query.signed_in(&admin);
    let asked = async || with_key.get("/v1/stock").await.status;
    eventually("API keys are not known", asked, |status| *status == 503).await;
    query.signed_in(&token).get("/v1/stock").await.expect_status(200);
}

async fn a_rotated_key_is_found_and_unknown_ones_are_not_asked_for_again_and_again(
    world: Arc<World>,
) {
    let issuer = Issuer::start().await;
    let trusted = [("AUTH_ISSUER", issuer.url.as_str()), ("AUTH_AUDIENCE", AUDIENCE)];
    let (stockbook, _) = signed_in(&world, &trusted, &[]).await;
    let claims = issuer.claims("somebody", "log:read");
    let old = stockbook.command().signed_in(&issuer.token(&claims));
    old.get("/v1/lanes").await.expect_status(200);
    issuer.rotate();
    let new = stockbook.command().signed_in(&issuer.token(&claims));
    let asked = async || new.get("/v1/lanes").await.status;
    eventually("the new key is found", asked, |status| *status == 200).await;
    old.get("/v1/lanes").await.expect_status(200);
    let before = issuer.asked();
    let since = std::time::Instant::now();
    for number in 0..200 {
        let token = issuer.of_unknown_key(&claims, number);
        let refused = stockbook.command().signed_in(&token).get("/v1/lanes").await;
        refused.expect_problem(401, "unauthenticated");
    }
    let asked = issuer.asked() - before;
    let expected = usize::try_from(since.elapsed().as_secs() / 5 + 1).unwrap();
    assert!(asked <= expected, "200 unknown keys asked the issuer {asked} times");
}
