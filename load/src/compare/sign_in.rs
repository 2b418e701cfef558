//! What it costs that callers sign in.

use integration_tests::Issuer;
use integration_tests::issuer::AUDIENCE;

use super::bench::{Bench, CLIENTS, Side};
use crate::environment::PLENTY;
use crate::environment::stockbook::Stockbook;
use crate::report::Budget;
use crate::requests::{Ask, Requests};

/// Two services with a log each: one without sign-in, the other asked by API key and by token.
pub(super) async fn receive(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let issuer = Issuer::start().await;
    let trusted = [("AUTH_ISSUER", issuer.url.as_str()), ("AUTH_AUDIENCE", AUDIENCE)];
    let open = Stockbook::start(bench.environment, &[]).await?;
    let (signed_in, key) = Stockbook::signed_in(bench.environment, &trusted).await?;
    let skus = bench.environment.skus();
    open.fill(&skus, PLENTY).await?;
    signed_in.fill(&skus, PLENTY).await?;

    let mut claims = issuer.claims("load", "stock:write");
    let until_the_end = claims["iat"].as_i64().unwrap_or_default() + 86_400;
    claims["exp"] = until_the_end.into();
    let token = issuer.token(&claims);
    let side = |name, address, credential| {
        let requests = Requests { credential, ..bench.requests(Ask::Receive) };
        Side { name, address, requests }
    };
    let sides = [
        side("without sign-in", open.address, None),
        side("API key", signed_in.address, Some(key)),
        side("token", signed_in.address, Some(token)),
    ];
    let load = bench.closed(CLIENTS);
    let [without, key, token] = &bench.alternate("receive, signed in", load, &sides).await?;
    open.stop().await?;
    signed_in.stop().await?;
    for (credential, side) in [("API key", key), ("token", token)] {
        let name = format!("receive by {credential} (commands/s), against without sign-in");
        bench.rate_row(&name, [side, without], None, Budget::Times(0.93));
    }
    Ok(())
}
